"""Opens what the settings name: core-server, Qdrant, Postgres and the lake's directories."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from tsse_validation.clients.allowed import QDRANT_CALLS
from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.http import TRIES_OF_A_GET, HttpClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.errors import AccessError, SettingsError
from tsse_validation.domain.polling import Told, unheard
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.settings.credentials import conninfo_of, token_of
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.files import RUN_AS_OWNER, UnreadableError
from tsse_validation.settings.lake_places import hold_cold_directory, hold_hot_directory

DEFAULT_BASE_URL = "http://127.0.0.1:8000"
DEFAULT_QDRANT_URL = "http://127.0.0.1:6333"
NO_TOKEN = SecretStr("")
"""For calls that need no token."""


@contextmanager
def core_server(
    settings: Settings, token: SecretStr | None = None, told: Told = unheard, *, tries: int = TRIES_OF_A_GET
) -> Iterator[CoreClient]:
    """Open the core-server with the settings' token, or the one given; errors as in `token_of`."""
    address = settings.base_url or DEFAULT_BASE_URL
    with closing(HttpClient.from_settings(address, "core-server", settings, tries=tries)) as http:
        token = token_of(settings) if token is None else token
        yield CoreClient(http, token, PostBudget(time.monotonic), told=told)


@contextmanager
def job_runner(settings: Settings, told: Told = unheard) -> Iterator[JobRunner]:
    """Open the core-server to run jobs on it; errors as in `token_of` and `CoreClient.identify`."""
    with core_server(settings, told=told) as core:
        core.identify()
        yield JobRunner(core, poll_interval=settings.poll_interval)


@contextmanager
def qdrant_server(
    settings: Settings, url: str | None = None, *, tries: int = TRIES_OF_A_GET
) -> Iterator[HttpClient]:
    """Open Qdrant for its health alone."""
    address = url or settings.qdrant_url or DEFAULT_QDRANT_URL
    with closing(HttpClient.from_settings(address, "Qdrant", settings, calls=QDRANT_CALLS, tries=tries)) as http:
        yield http


def postgres_client(settings: Settings) -> PostgresClient | None:
    """Return the client of the DSN that the settings give, or `None`; errors as in `conninfo_of`."""
    conninfo = conninfo_of(settings)
    return PostgresClient.from_settings(conninfo, settings) if conninfo else None


def lake_at(paths: LakePaths, settings: Settings, told: Told = unheard) -> LakeReader:
    """Open a lake, digested by the workers of `--cluster` where that is given; `told` hears of waits for them."""
    cold = paths.cold.absolute() if paths.cold is not None else None
    paths = replace(paths, hot=paths.hot.absolute(), cold=cold)
    if settings.cluster is None:
        return LakeReader(paths)
    from tsse_validation.lake.cluster import cluster_workers
    from tsse_validation.lake.cluster_client import ClusterWaits

    waits = ClusterWaits(connect=settings.connect_timeout)
    return LakeReader(paths, cluster_workers(settings.cluster, paths, waits, told))


def lake_reader(settings: Settings, told: Told = unheard) -> LakeReader:
    """Open the lake's directories, as `lake_at`.

    Raises SettingsError when no `--hot-path` is given, or what is given is no lake; AccessError when this user may
    not read it.
    """
    if settings.hot_path is None:
        raise SettingsError("--mode direct needs --hot-path, the lake's hot directory.")
    _hold("--hot-path", settings.hot_path, hold_hot_directory)
    if settings.cold_path is not None:
        _hold("--cold-path", settings.cold_path, partial(hold_cold_directory, hot=settings.hot_path))
    return lake_at(LakePaths(settings.hot_path, settings.cold_path, settings.shards), settings, told)


def _hold(option: str, path: Path, hold: Callable[[Path], None]) -> None:
    try:
        hold(path)
    except UnreadableError as error:
        msg = f"{option}: {error}."
        raise AccessError(msg, f"{RUN_AS_OWNER.capitalize()}.") from None
    except ValueError as error:
        msg = f"{option}: {path} {error}."
        raise SettingsError(msg) from None
