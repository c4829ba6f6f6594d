"""pytest fixtures: the stack under validation, clients of its services, and the facts of earlier steps."""

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, cast

import pytest

from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.http import HttpClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.errors import StackError
from tsse_validation.domain.holding import require
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.direct import DirectProof
from tsse_validation.pytest_plugin.console import SCREEN
from tsse_validation.pytest_plugin.options import RUN
from tsse_validation.pytest_plugin.recording import CHECK
from tsse_validation.pytest_plugin.run_console import RunConsole
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.opening import lake_at, qdrant_server
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import Check, Facts, ValidationRun
from tsse_validation.steps.validated_stack import Stack, live_stack

if TYPE_CHECKING:
    from tsse_validation.seals.sealed_proof import SealedProof


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> ValidationRun:
    """Return the run that this session makes."""
    return pytestconfig.stash[RUN]


@pytest.fixture(scope="session")
def settings(run: ValidationRun) -> Settings:
    """Return the run's settings."""
    return run.settings


@pytest.fixture(scope="session")
def facts(run: ValidationRun) -> Facts:
    """Return what earlier steps have found out."""
    return run.facts


@pytest.fixture
def check(request: pytest.FixtureRequest) -> Check:
    """Return the evidence of the check that is under way."""
    return request.node.stash[CHECK]  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def progress(pytestconfig: pytest.Config) -> ProgressReporter:
    """Show progress on the terminal, past pytest's capture."""
    screen = pytestconfig.stash[SCREEN]
    with screen.lent():
        # what a CI colours is no terminal yet: a bar there is a line for each of its states
        console = RunConsole(force_terminal=sys.stdout.isatty())
    return ProgressReporter(console, screen.lent)


@pytest.fixture(scope="session")
def stack(
    pytestconfig: pytest.Config, run: ValidationRun, settings: Settings, progress: ProgressReporter
) -> Iterator[Stack]:
    """Provide the controller under validation: the live one, or a stack of our own."""
    if settings.live:
        stack = live_stack(run.loaded)
        run.describe_stack(stack)
        yield stack
        return
    provided = pytestconfig.hook.pytest_tsse_provide_stack(run=run, say=progress.say)
    if provided is None:
        msg = "No stack of our own can be started: the test bed is not installed."
        raise StackError(msg, "Install it (pip install 'tsse-validation[stack]'), or name a --base-url.")
    with provided as stack:
        run.describe_stack(stack)
        yield stack


@pytest.fixture(scope="session")
def core(run: ValidationRun, stack: Stack, settings: Settings, progress: ProgressReporter) -> Iterator[CoreClient]:
    """Provide the core-server, spoken to with the run's token and under its POST budget; waits are shown."""
    with closing(HttpClient.from_settings(stack.base_url, "core-server", settings)) as http:
        yield CoreClient(http, stack.token, run.budget, told=progress.waits)


@pytest.fixture(scope="session")
def jobs(core: CoreClient, settings: Settings) -> JobRunner:
    """Run jobs on the core-server."""
    return JobRunner(core, poll_interval=settings.poll_interval)


@pytest.fixture(scope="session")
def qdrant(stack: Stack, settings: Settings) -> Iterator[HttpClient]:
    """Provide Qdrant."""
    with qdrant_server(settings, require(stack.qdrant_url, "the address of Qdrant")) as http:
        yield http


@pytest.fixture(scope="session")
def postgres(run: ValidationRun, stack: Stack, settings: Settings) -> PostgresClient:
    """Provide Postgres, read-only."""
    return PostgresClient.from_settings(require(stack.conninfo, "the DSN of Postgres"), settings, run.sessions)


@pytest.fixture(scope="session")
def lake(
    request: pytest.FixtureRequest, stack: Stack, settings: Settings, progress: ProgressReporter
) -> LakeReader:
    """Provide the lake's files, read-only, and the workers that digest them; or what a seal tells of them."""
    if settings.sealed:
        return cast("SealedProof", request.getfixturevalue("sealed_proof")).lake
    return lake_at(require(stack.lake, "the path of the lake"), settings, progress.waits)


@pytest.fixture(scope="session")
def proof(
    request: pytest.FixtureRequest, database: PostgresClient, settings: Settings, lake: LakeReader
) -> DirectProof:
    """Count and compare by our own reading or by seals, once the database is proven to be the controller's."""
    if settings.sealed:
        return cast("SealedProof", request.getfixturevalue("sealed_proof"))
    return DirectProof(database, lake, hold=request.getfixturevalue("undisturbed"))
