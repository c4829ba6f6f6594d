"""The fixtures of the failure scenarios: an arena of their own, and what tries scenarios on it."""

from collections.abc import Iterator

import pytest

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.errors import NotAllowedError, StackError
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.running import ScenarioRunner
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import ValidationRun


@pytest.fixture(scope="session")
def arena(
    pytestconfig: pytest.Config, run: ValidationRun, settings: Settings, progress: ProgressReporter
) -> Iterator[Arena]:
    """Provide a stack of our own that is there to be struck; it is gone at the end."""
    if settings.live:
        raise NotAllowedError(
            "A live controller is named: no failure is tried beside it.", "Leave --base-url out."
        )
    provided = pytestconfig.hook.pytest_tsse_provide_arena(run=run, say=progress.say)
    if provided is None:
        msg = f"No stack of the kind {settings.stack} can be started to try failures on."
        raise StackError(msg, "Try --stack embedded, from a checkout or with 'tsse-validation[stack]'.")
    with provided as arena:
        run.keep_secrets_of(arena.stack)
        yield arena


@pytest.fixture(scope="session")
def scenario_runner(arena: Arena, run: ValidationRun, settings: Settings) -> ScenarioRunner:
    """Try scenarios by the run's seed."""
    postgres = PostgresClient.from_settings(arena.conninfo, settings, run.sessions)
    return ScenarioRunner(arena, postgres, settings.failure_seed)
