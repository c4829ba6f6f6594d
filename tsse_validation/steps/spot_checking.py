"""Step 6, by the controller's own parity job: all sensors over the whole range, or the runbook's spot check.

What differs is explained, by our own reading where both sides are readable, and else by counting again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.watch import ReplicationWatch
from tsse_validation.diagnosis.count_triage import (
    copies_counted,
    dates_left_empty,
    job_mismatch,
    late_by_the_job,
    narrowed_mismatch,
    not_countable,
)
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError, TriagedError
from tsse_validation.domain.holding import require
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window
from tsse_validation.parity.bare_dates import count_bare_dates
from tsse_validation.parity.by_job import MismatchError, SpotChecker, counts_record, narrowed_to_hours
from tsse_validation.parity.comparing import sum_by_sensor
from tsse_validation.parity.count_rules import JobCount, OwnCount, unlike_ours
from tsse_validation.parity.direct import DirectProof
from tsse_validation.parity.job_counts import ALL_SENSORS, ParityJobs
from tsse_validation.parity.settling import ByCountingAgain, Explaining, Part
from tsse_validation.parity.whole_range import Census, RangeCount, RangeCounter
from tsse_validation.runlog.records import CountRow, Finding, JobCoverage
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.inspecting import inspect_by_job
from tsse_validation.steps.lake_recorder import LakeRecorder
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import Check, ValidationRun

MOST_NARROWED = 3
"""Sensors whose mismatch is narrowed down by jobs: each takes five POSTs or more."""
POSTS_KEPT_FOR_OTHERS = 15
"""POSTs of the budget that are left to other users of the controller on this host."""


def reads_directly(run: ValidationRun) -> bool:
    """Whether both Postgres and the lake's files can be read in this run; what a seal tells of, cannot."""
    return not run.settings.sealed and not {Capability.POSTGRES, Capability.LAKE} & run.unavailable.keys()


def asks_for_a_part(settings: Settings) -> bool:
    """Whether the job is to count some sensors or one window, and not all sensors over the whole range."""
    return bool(settings.sensor_ids or settings.sample or settings.window_start or settings.window_end)


def all_known_sensors(postgres: PostgresClient | None) -> Census:
    """Return the sensors that the job is to count: those of Postgres, or what it lists by itself."""
    if postgres is None:
        return Census()
    with postgres.snapshot() as snapshot:
        return Census.of(snapshot.sensor_ids())


def explaining_again(jobs: JobRunner, watch: ReplicationWatch, settings: Settings) -> ByCountingAgain:
    """Explain what differs by the API alone."""
    return ByCountingAgain(
        ParityJobs(jobs, settings.job_timeout),
        watch,
        lambda: inspect_by_job(jobs, settings).metrics,
        shards=settings.shards,
        settle_timeout=settings.settle_timeout,
        posts_kept=POSTS_KEPT_FOR_OTHERS + settings.max_job_windows,
    )


@dataclass(frozen=True)
class OurReading:
    """Our own counts of windows that the job has counted; `count` returns sensor-days or sums of them."""

    proof: DirectProof
    count: Callable[[Sequence[Window]], Iterable[CountRow]]

    @classmethod
    def of_windows(cls, proof: DirectProof, covered: Scope) -> "OurReading":
        """Count single windows, each of at most a few days."""
        return cls(
            proof, lambda windows: (r for w in windows for r in proof.count_window(covered.narrowed(w)).rows)
        )

    def keys(self, windows: Sequence[Window], sensor_ids: Sequence[str]) -> dict[str, OwnCount]:
        """Count both sides by key: which rows of the lake are copies is not looked up."""
        wanted = set(sensor_ids)
        rows = (row for row in self.count(windows) if row.sensor_id in wanted)
        # the job counts: whether the values agree is told by other checks
        counted = sum_by_sensor((row._replace(matches=row.postgres == row.lake) for row in rows), wanted)
        return {of.sensor_id: OwnCount(of.postgres, of.not_due, of.lake, of.matches) for of in counted}

    def __call__(self, windows: Sequence[Window], sensor_ids: Sequence[str]) -> dict[str, OwnCount]:
        """Count both sides by key, and the lake's rows as the job does."""
        rows = self.proof.rows_as_the_job_counts(windows, sensor_ids)
        return {of: replace(own, rows=rows[of]) for of, own in self.keys(windows, sensor_ids).items()}


def count_by_the_job(
    run: ValidationRun,
    counter: ParityJobs,
    explaining: Explaining,
    asked: Window,
    census: Census,
    progress: ProgressReporter,
) -> RangeCount:
    """Count what the settings ask for: all sensors over the whole range, or a part of either.

    Where we cannot read both sides ourselves, dates without files are counted by themselves too.
    """
    counted = _counted_in_slices(run, counter, explaining, asked, census, progress)
    if reads_directly(run):
        return counted
    spent = run.budget.spent
    dataset, sensors = require(run.facts.inspection, "the lake's inspection").metrics, counted.census.named
    bare = count_bare_dates(dataset, counted.window, sensors, counted.explained.lost, counter, explaining)
    return replace(counted, bare=bare, posts=counted.posts + run.budget.spent - spent)


def _counted_in_slices(
    run: ValidationRun,
    counter: ParityJobs,
    explaining: Explaining,
    asked: Window,
    census: Census,
    progress: ProgressReporter,
) -> RangeCount:
    settings = run.settings
    if not asks_for_a_part(settings):
        with progress.track("parity job") as update:
            return RangeCounter(counter, explaining).count(asked, census, purpose="parity", on_day=update)
    spent = run.budget.spent
    ids, sample = settings.sensor_ids, settings.sample or ALL_SENSORS
    try:
        spot = SpotChecker(counter, explaining).check(asked, ids, sample, purpose="parity")
    except MismatchError as error:
        spot = error.spot
    return RangeCount.of_one_window(spot, run.budget.spent - spent)


def record_job_counts(
    run: ValidationRun,
    counted: RangeCount,
    counter: ParityJobs,
    covered: Window,
    lake_recorder: LakeRecorder,
    check: Check,
) -> None:
    """Record what the job has counted, how far, and what its differences mean.

    Raises PromiseBrokenError when counts differ, other than by late rows or copies; NotCheckedError when no row
    was counted, or counts cannot tell.
    """
    explained = counted.explained
    record = counts_record(counted.counts, explained, counted.result)
    asked = Window(counted.window.start, counted.result.window_requested.end)
    of_all_slices = {"window": counted.window, "requested": asked}
    check.record(record.model_copy(update=of_all_slices), _coverage(run, counted, covered))
    lake_recorder.parity(counted.result)
    check.record(*_explanations(run, counted))
    _say_how_far(run, counted, check)
    if explained.lost or counted.bare.lost:
        raise _mismatch(run, counted, counter, check)
    explained.hold_settled()
    counted.bare.hold_settled()
    if not counted.rows:
        msg = (
            f"None of the {len(counted.counts)} sensors has a row in {counted.window}: equal zeros prove nothing."
        )
        raise NotCheckedError(msg, "Name busier ones by --sensor-ids, or widen the window.")


def _coverage(run: ValidationRun, counted: RangeCount, covered: Window) -> JobCoverage:
    sensors, unnameable = len(counted.counts), len(counted.census.unnameable)
    # of more sensors than it was asked for the job lists the first ones
    part = asks_for_a_part(run.settings) or (Capability.POSTGRES in run.unavailable and sensors >= ALL_SENSORS)
    return JobCoverage(
        window=counted.window,
        covered=covered,
        sensors=sensors,
        known=None if part else sensors + unnameable,
        rows=counted.rows,
        slices=len(counted.slices),
        posts=counted.posts,
        surplus=counted.explained.surplus,
    )


def _explanations(run: ValidationRun, counted: RangeCount) -> list[Finding]:
    explained, found = counted.explained, []
    if explained.late:
        found.append(late_by_the_job(explained))
    if explained.copies:
        found.append(copies_counted(explained, read=reads_directly(run)))
    if counted.census.unnameable:
        found.append(not_countable(counted.census.unnameable))
    return found


def _say_how_far(run: ValidationRun, counted: RangeCount, check: Check) -> None:
    check.fact("window", counted.window)
    check.fact("sensors", len(counted.counts))
    check.fact("rows in Postgres", f"{counted.rows:,}")
    check.fact("POSTs", f"{counted.posts}, for {count_of(len(counted.slices), 'slice')}")
    if counted.explained.surplus:
        check.fact("copies, or rows that count as such", f"{counted.explained.surplus:,}")
    if bare := counted.bare.days:
        check.fact("dates without files", f"{len(bare)}, such as {bare[0]}: counted by themselves")
    if uncounted := counted.bare.uncounted:
        check.warn(f"{count_of(len(uncounted), 'date')} without files were counted with the others only")
    if counted.census.unnameable:
        check.warn(
            f"{count_of(len(counted.census.unnameable), 'sensor')} cannot be counted by the job, which trims ids"
        )
    if Capability.POSTGRES in run.unavailable and not run.settings.sensor_ids:
        check.fact("deleted sensors", "left out: the job counts them by name only, and the API names none")


def _mismatch(run: ValidationRun, counted: RangeCount, counter: ParityJobs, check: Check) -> PromiseBrokenError:
    lost, reasons, bare = counted.explained.lost, counted.explained.reasons, counted.bare.lost
    if reasons:
        msg = f"{job_mismatch(lost).summary}; {'; '.join(reasons[:3])}."
        return PromiseBrokenError(msg, "The controller's own parity check cannot be trusted here: see its log.")
    beside = counted.bare.beside(lost)
    told = [
        *([(dates_left_empty(bare), bare)] if bare else []),
        *([(job_mismatch(beside), beside)] if beside else []),
    ]
    if not reads_directly(run):  # else the rows themselves tell more than counts do
        check.record(*(finding for finding, _ in told))
        for part in beside:
            for count in part.counts[:MOST_NARROWED]:
                hours = narrowed_to_hours(counter, part.window, count, POSTS_KEPT_FOR_OTHERS)
                check.record(narrowed_mismatch(count.sensor_id, hours))
    msg = "; ".join(f"{finding.diagnosis}: {finding.summary}; {_named(parts)}" for finding, parts in told)
    diagnoses = () if lost else tuple(finding.diagnosis for finding, _ in told)
    return TriagedError(f"{msg}.", told[0][0].next_step, diagnoses=diagnoses)


def _named(parts: Sequence[Part]) -> str:
    counts = [count for part in parts for count in part.counts]
    return ", ".join(f"{c.sensor_id} (Postgres {c.postgres:,}, lake {c.lake:,})" for c in counts[:3])


def check_job_against_ours(job: RangeCount, ours: OurReading, check: Check) -> None:
    """Hold the job's counts against our own of the same windows.

    What differed between its own two sides was held against ours at once, before compaction could change it.
    """
    explained = job.explained
    held = explained.late | {sensor for part in explained.copies for sensor in part.sensor_ids}
    counts = {count.sensor_id: count for count in job.counts if count.sensor_id not in held}
    disagreements = unlike_our_reading(ours, job.slices, counts)
    check.fact("window", job.window)
    check.fact("sensors", len(job.counts))
    check.that(
        not disagreements,
        f"The job and we disagree: {'; '.join(disagreements[:3])}.",
        "The controller's own parity check cannot be trusted: treat it as a bug of the job.",
    )


def unlike_our_reading(ours: OurReading, windows: Sequence[Window], counts: Mapping[str, JobCount]) -> list[str]:
    """Return where the job's counts of some windows cannot be right by our own reading, in words."""
    by_key = ours.keys(windows, list(counts))
    doubtful = [sensor for sensor, count in counts.items() if unlike_ours(count, by_key[sensor])]
    with_copies = ours(windows, doubtful) if doubtful else {}
    return [text for sensor in doubtful for text in unlike_ours(counts[sensor], with_copies[sensor])]
