"""What steps 5 to 7 work on: the covered range, the counts, the rows, the random windows."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import pytest

from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.clients.watch import ControllerClock, ReplicationWatch
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import SuiteError
from tsse_validation.domain.holding import require
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.by_job import SpotChecker
from tsse_validation.parity.direct import DirectProof
from tsse_validation.parity.job_counts import ParityJobs
from tsse_validation.parity.landmarks import Landmarks
from tsse_validation.parity.settling import ByOurReading, Explaining
from tsse_validation.parity.whole_range import Census
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.runlog.records import CountRow, Finding, Note
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.fields import Level
from tsse_validation.steps import proving
from tsse_validation.steps.drawing import draw_by_job, draw_directly, find_landmarks
from tsse_validation.steps.identifying import identify_anew
from tsse_validation.steps.inspecting import compare_inspections, watch_by_file, watch_by_jobs
from tsse_validation.steps.lake_recorder import LakeRecorder
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.proving_beyond import NOT_COUNTED_BEYOND, extent_by_inspection
from tsse_validation.steps.retention import without_dropped
from tsse_validation.steps.run import Check, Facts, ValidationRun
from tsse_validation.steps.scoping import covered_scope, hold_cold_dates, spot_scope
from tsse_validation.steps.soak_proving import RowsProver
from tsse_validation.steps.spot_checking import (
    OurReading,
    all_known_sensors,
    asks_for_a_part,
    explaining_again,
    reads_directly,
)
from tsse_validation.steps.undisturbed import Undisturbed
from tsse_validation.steps.watermark import active_jobs_seen, examine_files, seconds_ahead


@pytest.fixture(scope="session")
def clock(core: CoreClient) -> ControllerClock:
    """Return the controller's clock."""
    return ControllerClock(core.health().date)


@pytest.fixture(scope="session")
def postgres_ahead(request: pytest.FixtureRequest, run: ValidationRun, clock: ControllerClock) -> float | None:
    """Return the seconds by which Postgres's clock is ahead of the controller's; `None` where we cannot ask it."""
    if Capability.POSTGRES in run.unavailable:
        return None
    return seconds_ahead(request.getfixturevalue("postgres"), clock)


@pytest.fixture(scope="session")
def lake_recorder(run: ValidationRun, clock: ControllerClock) -> LakeRecorder:
    """Record the state of the lake whenever a check reads it."""
    return LakeRecorder(run, clock)


@pytest.fixture(scope="session")
def active_lake_jobs(
    request: pytest.FixtureRequest, run: ValidationRun, settings: Settings
) -> Callable[[], Sequence[ActiveJob] | None]:
    """Return a function that returns the waiting and running lake jobs, or `None` where it cannot see them."""
    if Capability.POSTGRES in run.unavailable:
        return lambda: None
    return partial(active_jobs_seen, request.getfixturevalue("postgres"), settings.leftover_after)


@pytest.fixture(scope="session")
def watch(
    request: pytest.FixtureRequest,
    run: ValidationRun,
    jobs: JobRunner,
    settings: Settings,
    lake_recorder: LakeRecorder,
) -> ReplicationWatch:
    """Watch the replication state: by its file where that is readable, else by inspection jobs."""
    if Capability.LAKE in run.unavailable or settings.sealed:
        return watch_by_jobs(jobs, settings, lake_recorder)
    return watch_by_file(request.getfixturevalue("lake"), lake_recorder, jobs.core.told)


@pytest.fixture(scope="session")
def promised_scope(
    run: ValidationRun, facts: Facts, watch: ReplicationWatch, settings: Settings, clock: ControllerClock
) -> Scope:
    """Return the scope that the lake's state promises, as of one watermark from here on."""
    inspection = require(facts.inspection, "the lake's inspection")
    hold_cold_dates(inspection, run.stack, run.unavailable)
    return covered_scope(settings, watch.read(), cold=inspection.cold_path is not None, now=clock.now())


@pytest.fixture(scope="session")
def undisturbed(
    run: ValidationRun,
    lake: LakeReader,
    promised_scope: Scope,
    active_lake_jobs: Callable[[], Sequence[ActiveJob] | None],
) -> Undisturbed:
    """Return what holds, where both sides differ, that no backfill of somebody else explains it.

    A sealed lake is as it was: no backfill disturbs that.
    """

    def promised() -> datetime:
        return run.facts.healed_to or promised_scope.coverage.backfill_to

    return Undisturbed(lake, promised, list if run.settings.sealed else active_lake_jobs)


@pytest.fixture(scope="session")
def covered(request: pytest.FixtureRequest, run: ValidationRun, facts: Facts, promised_scope: Scope) -> Scope:
    """Return the scope in which every due row must be in the lake: without what Postgres itself has dropped."""
    if run.settings.sealed and _own_database(request, run) is not None:
        sealed_parts: Sequence[Scope] = request.getfixturevalue("sealed_parts")
        return sealed_parts[0]
    database = _own_database(request, run) if reads_directly(run) else None
    if database is None:
        inspection = require(facts.inspection, "the lake's inspection")
        run.record(extent_by_inspection(inspection, promised_scope), Note(text=NOT_COUNTED_BEYOND))
        return promised_scope
    left, finding = without_dropped(promised_scope, database, request.getfixturevalue("lake"))
    if finding is not None:
        run.record(finding, Note(text=f"Not compared: {finding.summary}."))
    return left


@pytest.fixture(scope="session")
def establish(
    run: ValidationRun, jobs: JobRunner, postgres: PostgresClient, progress: ProgressReporter
) -> Callable[[], DatabaseSeen]:
    """Return a function that proves anew that the database shows what the controller has done so far."""
    return partial(identify_anew, run, jobs, postgres, progress)


@pytest.fixture(scope="session")
def database(
    promised_scope: Scope, postgres: PostgresClient, establish: Callable[[], DatabaseSeen]
) -> PostgresClient:
    """Provide the controller's own database, in a state that is no older than the watermark which was read."""
    del promised_scope  # known before: the job that proves the state is created after its watermark was read
    establish()
    return postgres


def _own_database(request: pytest.FixtureRequest, run: ValidationRun) -> PostgresClient | None:
    """Return the controller's own database, or `None`; why it is not proven, the checks that need it say."""
    if Capability.POSTGRES in run.unavailable:
        return None
    try:
        database: PostgresClient = request.getfixturevalue("database")
    except SuiteError:
        return None
    return database


@pytest.fixture(scope="session")
def soak_prover(request: pytest.FixtureRequest, run: ValidationRun, covered: Scope) -> RowsProver | None:
    """Compare rows while a soak goes on; `None` where Postgres and the lake's files are not both to be had.

    What became due since step 6 is compared first.
    """
    database = _own_database(request, run) if reads_directly(run) else None
    if database is None:
        return None
    clock: ControllerClock = request.getfixturevalue("clock")
    lake = request.getfixturevalue("lake")
    cold = require(run.facts.inspection, "the lake's inspection").cold_path is not None
    standby = require(run.facts.database, "the database").standby
    return RowsProver(
        run,
        database,
        lake,
        covered.coverage,
        present=lambda: covered_scope(run.settings, lake.replication(), cold=cold, now=clock.now()).coverage,
        now=clock.now,
        active=request.getfixturevalue("active_lake_jobs"),
        establish=request.getfixturevalue("establish") if standby else lambda: None,
    )


# These functions name fixtures as their parameters, so that they are fixtures themselves.
both_inspections = pytest.fixture(scope="session")(compare_inspections)
examined_files = pytest.fixture(scope="session")(examine_files)
day_counts = pytest.fixture(scope="session")(proving.count_days)
sensor_counts = pytest.fixture(scope="session")(proving.count_sensors)
direct_drawing = pytest.fixture(scope="session")(draw_directly)
job_drawing = pytest.fixture(scope="session")(draw_by_job)


@pytest.fixture
def job_window(settings: Settings, covered: Scope, check: Check) -> Window:
    """Choose what the parity job counts: the whole range, the window asked for, or for a sample a day."""
    return spot_scope(settings, covered, check).window if asks_for_a_part(settings) else covered.window


@pytest.fixture(scope="session")
def census(request: pytest.FixtureRequest, run: ValidationRun) -> Census:
    """Return the sensors that the job is to count, where all are meant."""
    return all_known_sensors(_own_database(request, run))


@pytest.fixture(scope="session")
def parity_jobs(jobs: JobRunner, settings: Settings) -> ParityJobs:
    """Count windows by the controller's own job."""
    return ParityJobs(jobs, settings.job_timeout)


@pytest.fixture(scope="session")
def our_range(request: pytest.FixtureRequest, settings: Settings) -> OurReading:
    """Count what the job counts in step 6 by our own reading.

    Of the whole range these are the sensor-days that step 6 proves. Where some were taken over from an earlier
    run, all are counted anew, for Postgres may hold more by now.
    """
    if asks_for_a_part(settings) or settings.resume is not None:
        our_range_anew: OurReading = request.getfixturevalue("our_range_anew")
        return our_range_anew
    proof: DirectProof = request.getfixturevalue("proof")
    return OurReading(proof, lambda _windows: request.getfixturevalue("day_counts"))


@pytest.fixture(scope="session")
def our_range_anew(proof: DirectProof, settings: Settings, covered: Scope) -> OurReading:
    """Count the same as it is whenever it is asked for."""
    if asks_for_a_part(settings):
        return OurReading.of_windows(proof, covered)
    anew = partial(proving.compare_in_slices, proof, [covered], Level.COUNT)
    return OurReading(proof, lambda _windows: [row for _, rows in anew() for row in rows])


@pytest.fixture(scope="session")
def explaining_range(
    request: pytest.FixtureRequest, run: ValidationRun, parity_jobs: ParityJobs, settings: Settings
) -> Explaining:
    """Explain what differs in step 6: by our own reading where that is possible, else by counting again."""
    if reads_directly(run):
        once, anew = request.getfixturevalue("our_range"), request.getfixturevalue("our_range_anew")
        return ByOurReading(parity_jobs, once, again=anew)
    return explaining_again(parity_jobs.jobs, request.getfixturevalue("watch"), settings)


@pytest.fixture(scope="session")
def spot_checker(
    request: pytest.FixtureRequest, run: ValidationRun, parity_jobs: ParityJobs, covered: Scope
) -> SpotChecker:
    """Count drawn windows by the controller's own job, and explain what differs as in step 6."""
    if not reads_directly(run):
        return SpotChecker(parity_jobs, request.getfixturevalue("explaining_range"))
    proof: DirectProof = request.getfixturevalue("proof")
    return SpotChecker(parity_jobs, ByOurReading(parity_jobs, OurReading.of_windows(proof, covered)))


@pytest.fixture(scope="session")
def heal(
    run: ValidationRun,
    jobs: JobRunner,
    watch: ReplicationWatch,
    proof: DirectProof,
    day_counts: list[CountRow],
    progress: ProgressReporter,
    establish: Callable[[], DatabaseSeen],
) -> Callable[[], Finding]:
    """Return a function that backfills and compares again, and returns what has healed."""
    return partial(proving.heal_check, run, jobs, watch, proof, day_counts, progress, establish)


@pytest.fixture(scope="session")
def landmarks(request: pytest.FixtureRequest, run: ValidationRun, covered: Scope) -> Landmarks:
    """Find the edges that windows are drawn at."""
    return find_landmarks(covered, _own_database(request, run))
