"""What steps 5 to 7 work on: the covered range, the counts, the rows, the random windows."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.clients.watch import ControllerClock, ReplicationWatch
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.holding import require
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window
from tsse_validation.parity.by_job import SpotChecker
from tsse_validation.parity.direct import DirectProof
from tsse_validation.parity.strategies import Landmarks
from tsse_validation.runlog.records import CountRow, Finding, Note
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps import proving
from tsse_validation.steps.drawing import draw_by_job, draw_directly, find_landmarks
from tsse_validation.steps.inspecting import compare_inspections, watch_by_file, watch_by_jobs
from tsse_validation.steps.lake_recorder import LakeRecorder
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.proving_beyond import NOT_COUNTED_BEYOND, extent_by_inspection
from tsse_validation.steps.run import Check, Facts, ValidationRun
from tsse_validation.steps.scoping import covered_scope, hold_cold_dates, spot_scope
from tsse_validation.steps.spot_checking import reads_directly
from tsse_validation.steps.validated_stack import Stack
from tsse_validation.steps.watermark import active_jobs_seen, examine_files, seconds_ahead


@pytest.fixture(scope="session")
def clock(core: CoreClient) -> ControllerClock:
    """Return the controller's clock."""
    return ControllerClock(core.health().date)


@pytest.fixture(scope="session")
def postgres_ahead(request: pytest.FixtureRequest, stack: Stack, clock: ControllerClock) -> float | None:
    """Return the seconds by which Postgres's clock is ahead of the controller's; `None` where we cannot ask it."""
    return None if stack.conninfo is None else seconds_ahead(request.getfixturevalue("postgres"), clock)


@pytest.fixture(scope="session")
def lake_recorder(run: ValidationRun, clock: ControllerClock) -> LakeRecorder:
    """Record the state of the lake whenever a check reads it."""
    return LakeRecorder(run, clock)


@pytest.fixture(scope="session")
def active_lake_jobs(request: pytest.FixtureRequest, stack: Stack) -> Callable[[], Sequence[ActiveJob] | None]:
    """Return a function that returns the waiting and running lake jobs, or `None` where it cannot see them."""
    if stack.conninfo is None:
        return lambda: None
    return partial(active_jobs_seen, request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def watch(
    request: pytest.FixtureRequest,
    run: ValidationRun,
    jobs: JobRunner,
    settings: Settings,
    lake_recorder: LakeRecorder,
) -> ReplicationWatch:
    """Watch the replication state: by its file where that is readable, else by inspection jobs."""
    if Capability.LAKE in run.absent:
        return watch_by_jobs(jobs, settings, lake_recorder)
    return watch_by_file(request.getfixturevalue("lake"), lake_recorder)


@pytest.fixture(scope="session")
def covered(
    run: ValidationRun, facts: Facts, watch: ReplicationWatch, settings: Settings, clock: ControllerClock
) -> Scope:
    """Return the scope in which every due row must be in the lake, as of one watermark from here on."""
    inspection = require(facts.inspection_after, "the lake's inspection after the backfill")
    hold_cold_dates(inspection, run.stack, run.absent)
    scope = covered_scope(settings, watch.read(), cold=inspection.cold_path is not None, now=clock.now())
    if not reads_directly(run):
        run.record(extent_by_inspection(inspection, scope), Note(text=NOT_COUNTED_BEYOND))
    return scope


# These functions name fixtures as their parameters, so that they are fixtures themselves.
both_inspections = pytest.fixture(scope="session")(compare_inspections)
examined_files = pytest.fixture(scope="session")(examine_files)
day_counts = pytest.fixture(scope="session")(proving.count_days)
sensor_counts = pytest.fixture(scope="session")(proving.count_sensors)
direct_drawing = pytest.fixture(scope="session")(draw_directly)
job_drawing = pytest.fixture(scope="session")(draw_by_job)


@pytest.fixture
def spot_window(settings: Settings, covered: Scope, check: Check) -> Window:
    """Choose the parity job's window: the one asked for, or the last day, up to the watermark."""
    return spot_scope(settings, covered, check).window


@pytest.fixture(scope="session")
def spot_checker(
    request: pytest.FixtureRequest,
    run: ValidationRun,
    jobs: JobRunner,
    watch: ReplicationWatch,
    settings: Settings,
    covered: Scope,
) -> SpotChecker:
    """Count by the controller's own job, and explain late rows by our own count where that is possible."""

    def own_count(window: Window) -> Sequence[CountRow]:
        proof: DirectProof = request.getfixturevalue("proof")
        return proof.count_window(covered.narrowed(window)).rows

    return SpotChecker.from_settings(jobs, watch, settings, own_count if reads_directly(run) else None)


@pytest.fixture(scope="session")
def heal(
    run: ValidationRun,
    jobs: JobRunner,
    watch: ReplicationWatch,
    proof: DirectProof,
    day_counts: list[CountRow],
    progress: ProgressReporter,
) -> Callable[[], Finding]:
    """Return a function that backfills and compares again, and returns what has healed."""
    return partial(proving.heal_check, run, jobs, watch, proof, day_counts, progress)


@pytest.fixture(scope="session")
def landmarks(request: pytest.FixtureRequest, run: ValidationRun, covered: Scope) -> Landmarks:
    """Find the edges that windows are drawn at."""
    absent = Capability.POSTGRES in run.absent
    return find_landmarks(covered, None if absent else request.getfixturevalue("postgres"))
