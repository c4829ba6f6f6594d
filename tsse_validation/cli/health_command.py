"""`tsse-validate health`: whether the controller's services answer."""

from collections.abc import Callable, Iterator

import typer

from tsse_validation.cli.printing import print_json
from tsse_validation.cli.setting_options import AsJson, takes
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.qdrant import qdrant_health
from tsse_validation.domain.errors import PromiseBrokenError, SuiteError
from tsse_validation.domain.outcome import EXIT_CODES, Outcome
from tsse_validation.domain.phrasing import milliseconds
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.opening import NO_TOKEN, core_server, postgres_client, qdrant_server
from tsse_validation.steps.services import hold_core_health, hold_qdrant_health


@takes("base_url", "qdrant_url", "database_url", "ca_file")
def health(settings: Settings, as_json: AsJson = False) -> None:
    """Ask core-server, Qdrant and (with a DSN) Postgres how they are. No token is needed."""
    answers = {}
    worst = Outcome.GO
    for service, ask in _questions(settings):
        try:
            answers[service] = f"ok, {ask()}"
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


def _questions(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "core-server", lambda: _core(settings)
    yield "qdrant", lambda: _qdrant(settings)
    postgres = postgres_client(settings)
    if postgres is not None:
        yield "postgres", lambda: _postgres(postgres)


def _core(settings: Settings) -> str:
    with core_server(settings, NO_TOKEN) as core:
        found = core.health()
    try:
        hold_core_health(found)
    except PromiseBrokenError as error:
        msg = f"{core.http.base_url}{error.message}"
        raise PromiseBrokenError(msg, error.advice) from None
    return milliseconds(found.seconds)


def _qdrant(settings: Settings) -> str:
    with qdrant_server(settings) as qdrant:
        found = qdrant_health(qdrant)
    hold_qdrant_health(found)
    return f"version {found.version}, {milliseconds(found.seconds)}"


def _postgres(postgres: PostgresClient) -> str:
    with postgres.snapshot() as snapshot:
        server = snapshot.server()
    return f"{server}, {milliseconds(server.seconds)}"
