"""What steps 5 and 6 work on: the covered range, the counts, the comparison of every row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pytest

from tsse_validation.clients.clock import ControllerClock
from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import ActiveJob, PostgresClient
from tsse_validation.clients.watch import API_PAUSE_SECONDS, DIRECT_PAUSE_SECONDS, ReplicationWatch
from tsse_validation.diagnosis.count_triage import (
    beyond_watermark,
    explain_counts,
    healed,
    job_mismatch,
    narrowed_mismatch,
)
from tsse_validation.diagnosis.drill_down import drill_down
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.diagnosis.tally import NOTHING_TO_DO
from tsse_validation.domain.contract import Inspection
from tsse_validation.domain.errors import AccessError, NotCheckedError, PromiseBrokenError, SuiteError
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.progress import Update
from tsse_validation.domain.stack import Capability, LakePaths
from tsse_validation.domain.windows import Coverage, Window, asked_and_promised, without_days
from tsse_validation.lake.file_checks import FileFindings, examine
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.by_job import MismatchError, SpotCheck, SpotChecker
from tsse_validation.parity.comparing import proven_days, sum_by_sensor
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.records import CountRow, CountsTaken, Finding, Note, RowsCompared
from tsse_validation.runlog.result import RunResult
from tsse_validation.settings.fields import Level
from tsse_validation.settings.model import Settings
from tsse_validation.steps.backfilling import run_backfill
from tsse_validation.steps.check import Check
from tsse_validation.steps.inspecting import Comparison, compare_inspections, inspect
from tsse_validation.steps.lake_recorder import LakeSeen
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.promises import promised_range
from tsse_validation.steps.run import Facts, ValidationRun
from tsse_validation.steps.validated_stack import Stack

MOST_ROWS_SHOWN = 200
MOST_NARROWED = 3
"""Sensors whose mismatch is narrowed down by jobs: each takes five POSTs or more."""
POSTS_KEPT_FOR_OTHERS = 15
"""POSTs of the budget that are left to whoever else uses the controller from this host."""


@pytest.fixture(scope="session")
def clock(core: CoreClient) -> ControllerClock:
    """Return the controller's clock."""
    return ControllerClock(core.health().date)


@pytest.fixture(scope="session")
def postgres_ahead(request: pytest.FixtureRequest, stack: Stack, clock: ControllerClock) -> float | None:
    """Return the seconds by which Postgres's clock is ahead of the controller's; `None` where we cannot ask it."""
    if stack.conninfo is None:
        return None
    postgres: PostgresClient = request.getfixturevalue("postgres")
    with postgres.snapshot() as snapshot:
        return (snapshot.now() - clock.now()).total_seconds()


@pytest.fixture(scope="session")
def lake_seen(run: ValidationRun, clock: ControllerClock) -> LakeSeen:
    """Write down how the lake stands whenever a check looks."""
    return LakeSeen(run, clock)


@pytest.fixture(scope="session")
def active_lake_jobs(request: pytest.FixtureRequest, stack: Stack) -> Callable[[], list[ActiveJob] | None]:
    """Return what tells the lake jobs that wait or run now, or `None` where we cannot see them."""
    if stack.conninfo is None:
        return lambda: None
    postgres: PostgresClient = request.getfixturevalue("postgres")

    def active() -> list[ActiveJob] | None:
        try:
            with postgres.snapshot() as snapshot:
                return snapshot.active_lake_jobs()
        except AccessError:
            return None

    return active


@pytest.fixture(scope="session")
def watch(
    request: pytest.FixtureRequest, run: ValidationRun, jobs: JobRunner, settings: Settings, lake_seen: LakeSeen
) -> ReplicationWatch:
    """Watch the replication state: by its file where that is readable, else by inspection jobs."""
    if Capability.LAKE in run.absent:
        return ReplicationWatch(
            lambda: lake_seen.watched(inspect(jobs, settings).replication, "inspection"), pause=API_PAUSE_SECONDS
        )
    lake: LakeReader = request.getfixturevalue("lake")
    return ReplicationWatch(
        lambda: lake_seen.watched(lake.replication(), "state_file"), pause=DIRECT_PAUSE_SECONDS
    )


@pytest.fixture(scope="session")
def coverage(
    run: ValidationRun, facts: Facts, watch: ReplicationWatch, settings: Settings, clock: ControllerClock
) -> Coverage:
    """Return what the lake promises to hold, as of one watermark for all that is proven from here on."""
    inspection = require(facts.inspection_after, "the lake's inspection after the backfill")
    _hold_cold_dates(run, inspection)
    return promised_range(
        watch.read(),
        cold=inspection.cold_path is not None,
        retention_days=settings.hot_retention_days,
        now=clock.now(),
    )


def _hold_cold_dates(run: ValidationRun, inspection: Inspection) -> None:
    """Refuse to take dates for missing that lie in a cold place which we were not shown.

    Raises:
        NotCheckedError: the lake has such dates.

    """
    shown = run.stack is None or run.stack.lake is None or run.stack.lake.cold is not None
    cold = [day for day, partition in inspection.metrics.partitions.items() if partition.location == "cold"]
    if cold and not shown and Capability.LAKE not in run.absent:
        msg = f"{len(cold)} dates lie in the controller's cold place, {inspection.cold_path}, which was not given."
        raise NotCheckedError(msg, "Give it by --cold-path, or leave --hot-path out.")


@pytest.fixture(scope="session")
def covered(coverage: Coverage) -> Window:
    """Return the window in which every due row must be in the lake."""
    return require(coverage.window, "a covered window that is not empty")


@pytest.fixture(scope="session")
def both_inspections(lake: LakeReader, jobs: JobRunner, settings: Settings) -> Mapping[str, Comparison]:
    """Inspect by the API and by the files, and compare."""
    return compare_inspections(lake, jobs, settings)


@pytest.fixture(scope="session")
def examined_files(lake: LakeReader, lake_paths: LakePaths, progress: ProgressReporter) -> FileFindings:
    """Look into every file of the lake."""
    findings = FileFindings()
    files = lake.listing().files
    with progress.track("lake files") as update:
        for done, file in enumerate(files, start=1):
            examine(file, lake_paths.shards, findings)
            update(done, len(files), f"date={file.day}")
    return findings


@pytest.fixture
def spot_window(settings: Settings, coverage: Coverage, covered: Window, check: Check) -> Window:
    """Choose the parity job's window: the one asked for, or the last day, up to the watermark."""
    asked, window = asked_and_promised(covered, settings.window_start, settings.window_end)
    if finding := beyond_watermark(asked, coverage.watermark):
        check.record(finding)
        check.warn(f"{finding.summary}; {finding.evidence}")
    if window is None:
        msg = f"The window {asked} lies outside of what the lake covers, {covered}."
        raise NotCheckedError(msg, "Choose another by --window-start and --window-end.")
    if window.start > asked.start:
        check.warn(f"the window asked for begins before the covered range: it was checked from {window.start}")
    return window


@pytest.fixture(scope="session")
def spot_checker(
    request: pytest.FixtureRequest,
    run: ValidationRun,
    jobs: JobRunner,
    watch: ReplicationWatch,
    settings: Settings,
    coverage: Coverage,
) -> SpotChecker:
    """Count by the controller's own job, and explain what is late by our own count where that is possible."""

    def own_count(window: Window) -> Sequence[CountRow]:
        proof: DirectProof = request.getfixturevalue("proof")
        return proof.count_window(window, coverage).rows

    direct = not {Capability.POSTGRES, Capability.LAKE} & run.absent.keys()
    return SpotChecker(
        jobs,
        watch,
        job_timeout=settings.job_timeout,
        settle_timeout=settings.settle_timeout,
        own_count=own_count if direct else None,
    )


def record_spot_check(
    run: ValidationRun, checker: SpotChecker, window: Window, lake_seen: LakeSeen, check: Check
) -> SpotCheck:
    """Run the runbook's spot check, and record its counts and what was found.

    Raises:
        NotCheckedError: the sensors have no row in the window, which proves nothing.

    """
    try:
        spot = checker.check(window, run.settings.sensor_ids, run.settings.sample, purpose="parity")
    except MismatchError as error:
        mismatch = job_mismatch(error.window, error.lost)
        check.record(error.counts, mismatch)
        lake_seen.parity(error.result)
        if {Capability.POSTGRES, Capability.LAKE} & run.absent.keys():
            for lost in error.lost[:MOST_NARROWED]:
                hours = checker.narrow(window, lost, POSTS_KEPT_FOR_OTHERS)
                check.record(narrowed_mismatch(lost.sensor_id, hours))
        msg = f"{mismatch.diagnosis}: {mismatch.summary}; {mismatch.evidence}."
        raise PromiseBrokenError(msg, mismatch.next_step) from None
    check.record(spot.counts())
    lake_seen.parity(spot.result)
    if spot.late:
        check.record(
            Finding(
                diagnosis="late arrival",
                flagged=False,
                summary=f"{len(spot.late)} sensors differed at first",
                evidence="the lake held every row that was counted once the watermark had passed the count",
                sensors=tuple(count.sensor_id for count in spot.late),
                next_step=NOTHING_TO_DO,
            )
        )
    if not spot.rows:
        msg = f"None of the {len(spot.result.rows)} sensors has a row in {window}: equal zeros prove nothing."
        raise NotCheckedError(msg, "Name busier ones by --sensor-ids, or widen the window.")
    return spot


@pytest.fixture(scope="session")
def day_counts(
    run: ValidationRun, proof: DirectProof, covered: Window, coverage: Coverage, progress: ProgressReporter
) -> list[CountRow]:
    """Count and digest every sensor on every day of the covered range, on both sides.

    What is proven is in the log slice by slice; what an earlier run proved is taken over with `--resume`.
    """
    taken_over = _taken_over(run, covered)
    rows = [row for of_day in taken_over.values() for row in of_day]
    parts = [part for left in without_days(covered, taken_over.keys()) for part in proof.slices(left)]
    with progress.track("digests") as update:
        for number, part in enumerate(parts):
            counted = proof.digest_days(
                part, coverage, level=run.settings.level, on_day=_within(update, parts, number)
            )
            run.record(_counts(part, coverage, counted))
            rows += counted
    return sorted(rows)


def _within(update: Update, parts: Sequence[Window], number: int) -> Update:
    """Show the progress within one part as that of all of them."""
    days = [len(list(part.days())) for part in parts]

    def of_all(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
        del total  # of this part
        update(sum(days[:number]) + done, sum(days), message, rows=rows)

    return of_all


def _taken_over(run: ValidationRun, covered: Window) -> dict[date, list[CountRow]]:
    """Take over the days that the run named by `--resume` has proven, and say so."""
    if run.settings.resume is None:
        return {}
    earlier = RunResult.from_log(run.settings.resume)
    if earlier.stack is None or run.stack is None or earlier.stack.base_url != run.stack.base_url:
        msg = f"--resume names run {earlier.started.run_id}, which was not of this controller."
        raise NotCheckedError(msg, "Leave it out, or name a run of this one.")
    proven = {day: rows for day, rows in proven_days(earlier).items() if day in set(covered.days())}
    run.record(
        Note(text=f"{len(proven)} days were not compared again: run {earlier.started.run_id} had proven them."),
        *(
            CountsTaken(
                source="direct",
                window=part,
                rows=tuple(proven[part.start.date()]),
            )
            for part in covered.split_by_day()
            if part.start.date() in proven
        ),
    )
    return proven


@pytest.fixture(scope="session")
def sensor_counts(
    run: ValidationRun, postgres: PostgresClient, day_counts: list[CountRow], covered: Window, coverage: Coverage
) -> list[CountRow]:
    """Add the days up for each sensor that Postgres knows, those without a row too."""
    with postgres.snapshot() as snapshot:
        rows = sum_by_sensor(day_counts, snapshot.sensor_ids())
    run.record(_counts(covered, coverage, rows))
    return rows


@pytest.fixture(scope="session")
def heal(
    run: ValidationRun,
    jobs: JobRunner,
    watch: ReplicationWatch,
    proof: DirectProof,
    facts: Facts,
    day_counts: list[CountRow],
    progress: ProgressReporter,
) -> Callable[[], Finding]:
    """Do as the runbook says when rows differ: backfill again, compare again, and tell what has healed."""

    def again() -> Finding:
        facts.backfill = run_backfill(run, jobs, progress)
        state = watch.read()
        repeated = promised_range(state, cold=True, retention_days=run.settings.hot_retention_days, now=utc_now())
        with progress.track("digests") as update:
            rows = proof.digest_days(
                require(repeated.window, "a covered window"), repeated, level=Level.DIGEST, on_day=update
            )
        return healed(sum(not row.matches for row in day_counts), sum(not row.matches for row in rows))

    return again


def _counts(covered: Window, coverage: Coverage, rows: list[CountRow]) -> CountsTaken:
    return CountsTaken(source="direct", window=covered, watermark=coverage.watermark, rows=tuple(rows))


@dataclass(frozen=True)
class RowOutcome:
    """What the comparison of every row has come to."""

    days: int
    rows: int
    differing: int
    not_due: int
    pending: int
    unreadable_files: int
    diagnoses: tuple[str, ...]


def compare_every_row(
    run: ValidationRun,
    proof: DirectProof,
    coverage: Coverage,
    covered: Window,
    day_counts: list[CountRow],
    heal: Callable[[], Finding],
    progress: ProgressReporter,
) -> RowOutcome:
    """Compare every due row with the lake's, and record the rows that differ with their diagnosis.

    By digest, the rows of a sensor-day are read only where its digests differ. `heal` is called with
    `--heal-check`, when rows differ.

    Raises:
        NotCheckedError: the run compares counts only.

    """
    level = run.settings.level
    if level is Level.COUNT:
        raise NotCheckedError("left out by --level count: equal counts do not prove equal rows")
    triage = RowTriage(run.settings.shards, MOST_ROWS_SHOWN)
    with progress.track("rows") as update:
        found = drill_down(proof, covered, coverage, day_counts, level, triage, update)
    run.record(*found.findings, *explain_counts(day_counts), *found.shown)
    outcome = RowOutcome(
        days=len({row.day for row in day_counts}),
        rows=sum(row.postgres for row in day_counts),
        differing=found.differing,
        not_due=sum(row.not_due for row in day_counts),
        pending=sum(row.pending for row in day_counts),
        unreadable_files=len(found.unreadable),
        diagnoses=tuple(f"{finding.diagnosis}: {finding.summary}" for finding in found.findings),
    )
    run.record(
        RowsCompared(
            level=level.value,
            window=covered,
            days=outcome.days,
            rows=outcome.rows,
            sensors=len({row.sensor_id for row in day_counts if row.postgres}),
            differing=outcome.differing,
            not_due=outcome.not_due,
            pending=outcome.pending,
        )
    )
    if (found.differing or found.unreadable) and run.settings.heal_check:
        run.record(heal())
    differing = sum(not row.matches for row in day_counts)
    if differing and not found.differing and not found.unreadable:
        msg = f"The digests of {differing} sensor-days differed, and their rows agree."
        raise SuiteError(msg, "Rows were changed in Postgres or in the lake meanwhile: run again.")
    return outcome
