"""pytest fixtures: the stack under validation, clients of its services, and what steps hand on."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fixtures.farm import FarmSpec
from fixtures.stacks.embedded import EmbeddedOptions, embedded_stack
from fixtures.stacks.parts import Pace
from tsse_validation.clients.allowed import QDRANT_CALLS
from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.http import HttpClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.errors import StackError
from tsse_validation.domain.holding import require
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.direct import DirectProof
from tsse_validation.pytest_plugin.recording import CHECK
from tsse_validation.runlog.records import Note
from tsse_validation.settings.fields import StackKind
from tsse_validation.settings.model import Settings
from tsse_validation.steps.check import Check
from tsse_validation.steps.live_stack import live_stack
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import LOGS, RUN, Facts, ValidationRun
from tsse_validation.steps.validated_stack import Stack

if TYPE_CHECKING:
    from fixtures.stacks.containers import ContainersOptions

FARM_DAYS_BEYOND_BACKFILL = 2
FEWEST_FARM_DAYS = 30


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
    plugins = pytestconfig.pluginmanager
    capture, terminal = plugins.getplugin("capturemanager"), plugins.getplugin("terminalreporter")

    @contextmanager
    def on_a_line_of_its_own() -> Iterator[None]:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            if terminal:
                terminal.ensure_newline()
            yield

    return ProgressReporter(Console(), on_a_line_of_its_own)


@pytest.fixture(scope="session")
def stack(run: ValidationRun, settings: Settings, progress: ProgressReporter) -> Iterator[Stack]:
    """Provide the controller under validation: the live one, or a stack of our own."""
    if settings.live:
        stack = live_stack(settings)
        run.describe_stack(stack)
        yield stack
        return
    with _own_stack(run, settings, progress) as stack:
        run.describe_stack(stack)
        yield stack


@contextmanager
def _own_stack(run: ValidationRun, settings: Settings, progress: ProgressReporter) -> Iterator[Stack]:
    if settings.stack is StackKind.EMBEDDED:
        with embedded_stack(_embedded_options(settings, run.directory / LOGS), progress.say) as stack:
            yield stack
        return
    try:
        from fixtures.stacks.containers import containers_stack
    except ModuleNotFoundError as error:
        msg = f"A stack of containers needs a package that is not installed: {error.name}."
        raise StackError(msg, "Install it: pip install -e '.[containers]'") from None
    options = _containers_options(settings, run.directory / LOGS)
    with ExitStack() as ends:
        try:
            stack = ends.enter_context(containers_stack(options, progress.say))
        finally:
            for path in sorted(options.log_directory.glob("*.log")):
                run.record(Note(text=f"The log of {path.stem} is in {LOGS}/{path.name}."))
        yield stack


def _containers_options(settings: Settings, log_directory: Path) -> "ContainersOptions":
    from fixtures.stacks.containers import ContainersOptions

    return ContainersOptions(
        postgres_image=settings.postgres_image,
        qdrant_image=settings.qdrant_image,
        core_image=settings.core_image,
        base_image=settings.base_image,
        log_directory=log_directory,
        farm=_farm(settings),
        keep=settings.keep_stack,
        ready_timeout=settings.stack_timeout,
        pace=Pace(shards=settings.shards),
    )


def _embedded_options(settings: Settings, logs_to: Path) -> EmbeddedOptions:
    return EmbeddedOptions(
        farm=_farm(settings),
        core_binary=settings.core_binary,
        server_conninfo=settings.database_url.get_secret_value() if settings.database_url else None,
        qdrant_url=settings.qdrant_url,
        keep=settings.keep_stack,
        ready_timeout=settings.stack_timeout,
        shards=settings.shards,
        logs_to=logs_to,
    )


def _farm(settings: Settings) -> FarmSpec:
    return FarmSpec(
        seed=settings.farm_seed,
        sensors=settings.farm_sensors,
        rows=settings.farm_rows,
        days=max(settings.backfill_days, FEWEST_FARM_DAYS) + FARM_DAYS_BEYOND_BACKFILL,
    )


@pytest.fixture(scope="session")
def core(run: ValidationRun, stack: Stack, settings: Settings) -> Iterator[CoreClient]:
    """Provide the core-server, spoken to with the run's token and under its POST budget."""
    http = HttpClient.from_settings(stack.base_url, "core-server", settings)
    yield CoreClient(http, stack.token, run.budget)
    http.close()


@pytest.fixture(scope="session")
def jobs(core: CoreClient, settings: Settings) -> JobRunner:
    """Run jobs on the core-server."""
    return JobRunner(core, poll_interval=settings.poll_interval)


@pytest.fixture(scope="session")
def qdrant(stack: Stack, settings: Settings) -> Iterator[HttpClient]:
    """Provide Qdrant."""
    url = require(stack.qdrant_url, "the address of Qdrant")
    http = HttpClient.from_settings(url, "Qdrant", settings, calls=QDRANT_CALLS)
    yield http
    http.close()


@pytest.fixture(scope="session")
def postgres(stack: Stack, settings: Settings) -> PostgresClient:
    """Provide Postgres, read-only."""
    return PostgresClient.from_settings(require(stack.conninfo, "the DSN of Postgres"), settings)


@pytest.fixture(scope="session")
def lake_paths(stack: Stack) -> LakePaths:
    """Return where the lake's directories are."""
    return require(stack.lake, "the path of the lake")


@pytest.fixture(scope="session")
def lake(lake_paths: LakePaths) -> LakeReader:
    """Provide the lake's files, read-only."""
    return LakeReader(lake_paths)


@pytest.fixture(scope="session")
def proof(postgres: PostgresClient, lake: LakeReader) -> DirectProof:
    """Count and compare by our own reading."""
    return DirectProof(postgres, lake)
