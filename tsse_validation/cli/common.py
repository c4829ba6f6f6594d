"""What the commands share: options, clients made from them, exit codes."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console

from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.http import HttpClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.domain.errors import PromiseBrokenError, SettingsError, SuiteError
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.settings.credentials import token_of
from tsse_validation.settings.loading import load_settings
from tsse_validation.settings.model import Settings
from tsse_validation.verdict import EXIT_CODES, Outcome

DEFAULT_BASE_URL = "http://127.0.0.1:8000"
EXIT_SETTINGS = 4
EXIT_INTERRUPTED = 130
EXIT_CODES_TEXT = (
    "Exit codes: 0 done and as promised, 1 not as promised, 2 wrong usage, 4 a setting is wrong, "
    "6 could not be checked, 130 interrupted."
)

BaseUrl = Annotated[
    str | None, typer.Option("--base-url", "--api-base-url", help="core-server's address", metavar="URL")
]
AuthToken = Annotated[
    str | None, typer.Option("--auth-token", help="the token itself: others can see it, prefer --auth-token-file")
]
AuthTokenFile = Annotated[
    Path | None,
    typer.Option("--auth-token-file", help="file with the API token on its first line", metavar="FILE"),
]
CaFile = Annotated[Path | None, typer.Option("--ca-file", help="CA certificates to trust, PEM", metavar="FILE")]
HotPath = Annotated[Path | None, typer.Option("--hot-path", help="the lake's hot directory", metavar="DIR")]
ColdPath = Annotated[Path | None, typer.Option("--cold-path", help="the lake's cold directory", metavar="DIR")]
Shards = Annotated[int | None, typer.Option("--shards", help="shards of the lake (default: 16)")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]

console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)


def exit_code_of(error: SuiteError) -> int:
    """Return the exit code that stands for an error."""
    if isinstance(error, SettingsError):
        return EXIT_SETTINGS
    return EXIT_CODES[Outcome.NO_GO if isinstance(error, PromiseBrokenError) else Outcome.INCOMPLETE]


def settings_from(**given: object) -> Settings:
    """Return the settings: what is given here, then environment, file and defaults.

    Raises:
        SettingsError: a value is wrong.

    """
    command_line = {name: value for name, value in given.items() if value is not None}
    loaded = load_settings(command_line, Path.cwd(), for_run=False)
    for warning in loaded.warnings:
        typer.echo(f"tsse-validate: warning: {warning}", err=True)
    return loaded.settings


@contextmanager
def core_server(settings: Settings) -> Iterator[CoreClient]:
    """Open the core-server with the settings' token."""
    http = HttpClient.from_settings(settings.base_url or DEFAULT_BASE_URL, "core-server", settings)
    try:
        yield CoreClient(http, token_of(settings), PostBudget(time.monotonic))
    finally:
        http.close()


@contextmanager
def job_runner(settings: Settings) -> Iterator[JobRunner]:
    """Open the core-server to run jobs on it."""
    with core_server(settings) as core:
        yield JobRunner(core, poll_interval=settings.poll_interval)


def lake_reader(settings: Settings) -> LakeReader:
    """Open the lake's directories.

    Raises:
        SettingsError: no `--hot-path` is given.

    """
    if settings.hot_path is None:
        raise SettingsError("--mode direct needs --hot-path, the lake's hot directory.")
    return LakeReader(LakePaths(settings.hot_path, settings.cold_path, settings.shards))


def print_json(document: BaseModel | dict[str, Any]) -> None:
    """Print a document as JSON, for another program."""
    plain = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    typer.echo(json.dumps(plain, indent=2, sort_keys=True))
