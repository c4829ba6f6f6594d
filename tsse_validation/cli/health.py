"""`tsse-validate health`: whether the controller's services answer."""

from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from tsse_validation.cli.common import DEFAULT_BASE_URL, AsJson, BaseUrl, CaFile, print_json, settings_from
from tsse_validation.clients.allowed import QDRANT_CALLS
from tsse_validation.clients.http import HttpClient
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.qdrant import qdrant_health
from tsse_validation.domain.contract import is_healthy
from tsse_validation.domain.errors import PromiseBrokenError, SuiteError
from tsse_validation.domain.phrasing import milliseconds
from tsse_validation.settings.credentials import conninfo_of
from tsse_validation.settings.model import Settings
from tsse_validation.verdict import EXIT_CODES, Outcome

DEFAULT_QDRANT_URL = "http://127.0.0.1:6333"

QdrantUrl = Annotated[str | None, typer.Option("--qdrant-url", help="Qdrant's address", metavar="URL")]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="Postgres as a DSN, URL or service=NAME", metavar="DSN")
]


def health(
    base_url: BaseUrl = None,
    qdrant_url: QdrantUrl = None,
    database_url: DatabaseUrl = None,
    ca_file: CaFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask core-server, Qdrant and (with a DSN) Postgres how they are. No token is needed."""
    settings = settings_from(base_url=base_url, qdrant_url=qdrant_url, database_url=database_url, ca_file=ca_file)
    answers = {}
    worst = Outcome.GO
    for service, ask in _questions(settings):
        try:
            answers[service] = f"ok, {ask(settings)}"
        except SuiteError as error:
            answers[service] = str(error)
            broken = isinstance(error, PromiseBrokenError) or worst is Outcome.NO_GO
            worst = Outcome.NO_GO if broken else Outcome.INCOMPLETE
    if as_json:
        print_json(answers)
    else:
        for service, answer in answers.items():
            typer.echo(f"{service}: {answer}")
    raise typer.Exit(EXIT_CODES[worst])


def _questions(settings: Settings) -> Iterator[tuple[str, Callable[[Settings], str]]]:
    yield "core-server", _core
    yield "qdrant", _qdrant
    if conninfo_of(settings) is not None:
        yield "postgres", _postgres


def _core(settings: Settings) -> str:
    http = HttpClient.from_settings(settings.base_url or DEFAULT_BASE_URL, "core-server", settings)
    answer = http.get("/healthz")
    http.close()
    if answer.status != 200 or not is_healthy(answer.json()):
        msg = f"{answer.url} answered {answer.status} “{answer.excerpt()}”."
        raise PromiseBrokenError(msg, "Is this the core-server, and is it up?")
    return milliseconds(answer.seconds)


def _qdrant(settings: Settings) -> str:
    url = settings.qdrant_url or DEFAULT_QDRANT_URL
    http = HttpClient.from_settings(url, "Qdrant", settings, calls=QDRANT_CALLS)
    found = qdrant_health(http)
    http.close()
    if not found.healthy:
        msg = f"Qdrant answered {found.status} “{found.text[:80]}”."
        raise PromiseBrokenError(msg, "Is this Qdrant, and is it up?")
    return f"version {found.version}, {milliseconds(found.seconds)}"


def _postgres(settings: Settings) -> str:
    conninfo = conninfo_of(settings)
    if conninfo is None:
        return "not asked"
    with PostgresClient.from_settings(conninfo, settings).snapshot() as snapshot:
        server = snapshot.server()
    return f"{server}, {milliseconds(server.seconds)}"
