"""Opens what the settings name: core-server, Qdrant, Postgres and the lake's directories."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from pydantic import SecretStr

from tsse_validation.clients.allowed import QDRANT_CALLS
from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.http import HttpClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.errors import SettingsError
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.settings.credentials import conninfo_of, token_of
from tsse_validation.settings.definitions import Settings

DEFAULT_BASE_URL = "http://127.0.0.1:8000"
DEFAULT_QDRANT_URL = "http://127.0.0.1:6333"
NO_TOKEN = SecretStr("")
"""For calls that need no token."""


@contextmanager
def core_server(settings: Settings, token: SecretStr | None = None) -> Iterator[CoreClient]:
    """Open the core-server with the settings' token, or the one given; errors as in `token_of`."""
    with closing(HttpClient.from_settings(settings.base_url or DEFAULT_BASE_URL, "core-server", settings)) as http:
        yield CoreClient(http, token_of(settings) if token is None else token, PostBudget(time.monotonic))


@contextmanager
def job_runner(settings: Settings) -> Iterator[JobRunner]:
    """Open the core-server to run jobs on it; errors as in `token_of`."""
    with core_server(settings) as core:
        yield JobRunner(core, poll_interval=settings.poll_interval)


@contextmanager
def qdrant_server(settings: Settings, url: str | None = None) -> Iterator[HttpClient]:
    """Open Qdrant for its health alone."""
    address = url or settings.qdrant_url or DEFAULT_QDRANT_URL
    with closing(HttpClient.from_settings(address, "Qdrant", settings, calls=QDRANT_CALLS)) as http:
        yield http


def postgres_client(settings: Settings) -> PostgresClient | None:
    """Return the client of the DSN that the settings give, or `None`; errors as in `conninfo_of`."""
    conninfo = conninfo_of(settings)
    return PostgresClient.from_settings(conninfo, settings) if conninfo else None


def lake_reader(settings: Settings) -> LakeReader:
    """Open the lake's directories; raises SettingsError when no `--hot-path` is given."""
    if settings.hot_path is None:
        raise SettingsError("--mode direct needs --hot-path, the lake's hot directory.")
    return LakeReader(LakePaths(settings.hot_path, settings.cold_path, settings.shards))
