"""The fixtures of the soak."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.http import HttpClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.clients.watch import ControllerClock
from tsse_validation.domain.errors import LogError, SuiteError
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.stack import Capability
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import Facts, ValidationRun
from tsse_validation.steps.soak_clock import SoakClock
from tsse_validation.steps.soak_evidence import SoakEvidence
from tsse_validation.steps.soak_resuming import take_over
from tsse_validation.steps.soak_slices import SoakProver
from tsse_validation.steps.soak_watching import LifeWatch, source_for
from tsse_validation.steps.soaking import Soak, SoakOrder, SoakOutcome
from tsse_validation.steps.validated_stack import Stack
from tsse_validation.steps.watermark import seconds_ahead

_LIFE_SECONDS = 10.0
"""How long a sign of life may take: a controller that hangs must not keep us from the next sample."""


@pytest.fixture(scope="session")
def soak_core(core: CoreClient, stack: Stack, settings: Settings) -> Iterator[CoreClient]:
    """Provide the core-server for a soak: each call is tried once, and none waits for the POST budget."""
    brief = settings.model_copy(update={"request_timeout": min(settings.request_timeout, _LIFE_SECONDS)})
    with closing(HttpClient.from_settings(stack.base_url, "core-server", brief, tries=1)) as http:
        yield replace(core, http=http, longest_wait=0.0)


@pytest.fixture(scope="session")
def soaked(
    request: pytest.FixtureRequest,
    run: ValidationRun,
    settings: Settings,
    facts: Facts,
    jobs: JobRunner,
    soak_core: CoreClient,
    active_lake_jobs: Callable[[], Sequence[ActiveJob] | None],
    progress: ProgressReporter,
) -> SoakOutcome:
    """Soak, once: each of the soak's checks looks at what it has shown."""
    lake = None if Capability.LAKE in run.unavailable or run.settings.sealed else request.getfixturevalue("lake")
    prover, unproven = _prover(request)
    evidence = SoakEvidence(run.record, progress.say, active_lake_jobs, settings.watermark_max_age)
    clock = SoakClock(None, utc_now, time.monotonic)
    job_id = facts.job_before.id if facts.job_before else None
    soak = Soak(
        SoakOrder(
            settings.soak,
            settings.watermark_max_age,
            settings.soak_old_day_every.total_seconds(),
            take_over(run, clock.now()),
        ),
        source_for(lake, replace(jobs, core=replace(jobs.core, longest_wait=0.0)), settings),
        LifeWatch(soak_core, clock, evidence.event, job_id),
        evidence,
        prover=prover,
        sleep=time.sleep,
        unproven=unproven,
    )
    with progress.track(f"soak of {settings.soak}", at_once=True) as update:
        return soak.run(update)


def _prover(request: pytest.FixtureRequest) -> tuple[SoakProver | None, str]:
    """Return what compares rows, or why nothing can: the watermark is watched all the same."""
    try:
        return request.getfixturevalue("soak_prover"), ""
    except LogError:
        raise
    except SuiteError as error:
        return None, error.message


@pytest.fixture
def postgres_ahead_now(
    request: pytest.FixtureRequest, run: ValidationRun, core: CoreClient
) -> Callable[[], float | None]:
    """Return what asks by how many seconds Postgres's clock is ahead of the controller's: hours after step 5."""
    if Capability.POSTGRES in run.unavailable:
        return lambda: None
    return lambda: seconds_ahead(request.getfixturevalue("postgres"), ControllerClock(core.health().date))
