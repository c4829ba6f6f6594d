"""The runbook's spot check by the controller's own parity job, which tells late rows from lost ones."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta

from tsse_validation.clients.jobs import FinishedJob, JobRunner
from tsse_validation.clients.watch import ReplicationWatch
from tsse_validation.domain.contract import PARITY_JOB, Job, ParityResult
from tsse_validation.domain.errors import JobFailedError, NotCheckedError, PromiseBrokenError
from tsse_validation.domain.instants import format_rfc3339, latest_meant
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.records import CountRow, CountsTaken
from tsse_validation.settings.definitions import Settings


@dataclass(frozen=True)
class JobCount:
    """One sensor's counts by the controller's job, in one round."""

    sensor_id: str
    postgres: int
    lake: int


def unexplained_by_lateness(first: Sequence[JobCount], second: Sequence[JobCount]) -> list[JobCount]:
    """Return the sensors whose mismatch late arrivals cannot explain.

    `second` was counted over the same window after the watermark had passed the time of `first`. Every row that
    `first` saw in Postgres was inserted before that, so the lake must hold it by now, and nothing but rows of
    Postgres: ``first.postgres ≤ second.lake ≤ second.postgres``. New late arrivals raise only the right side.
    """
    before = {count.sensor_id: count.postgres for count in first}
    return [
        count
        for count in second
        if not before.get(count.sensor_id, count.postgres) <= count.lake <= count.postgres
    ]


_ROUNDS = 3
"""Counts after the first, before a mismatch is reported: a row upserted during two counts is due in neither."""
NARROWEST = timedelta(hours=1)
"""How far a mismatch is narrowed down where only counts by the job are to be had."""


@dataclass(frozen=True)
class SpotCheck:
    """One window counted by the job; `late` are sensors that differed at first and were explained."""

    result: ParityResult
    late: tuple[JobCount, ...]

    @property
    def rows(self) -> int:
        """Rows of Postgres that the job counted."""
        return sum(row.pg_count for row in self.result.rows)

    def counts(self) -> CountsTaken:
        """Return the job's counts as a record; sensors that differ in it were explained, and are named as late."""
        explained = {count.sensor_id for count in self.late}
        return CountsTaken(
            source="job",
            window=self.result.window_checked,
            requested=self.result.window_requested,
            watermark=self.result.computed_through_ts,
            rows=tuple(
                CountRow(row.sensor_id, None, row.pg_count, row.lake_count, 0, 0, row.matches)
                for row in self.result.rows
            ),
            late=tuple(count.sensor_id for count in _differing(self.result) if count.sensor_id in explained),
        )


class MismatchError(PromiseBrokenError):
    """The job's counts of a window differ, and lateness does not explain it: `lost` are the sensors' counts."""

    def __init__(self, window: Window, spot: SpotCheck, lost: Sequence[JobCount]) -> None:
        super().__init__(f"{count_of(len(lost), 'sensor')} differing within {window}.")
        self.window = window
        self.result = spot.result
        # none is late, though the first count took some for that
        self.counts = spot.counts().model_copy(update={"late": ()})
        self.lost = tuple(lost)


@dataclass
class SpotChecker:
    """Counts windows by the controller's job; timeouts are in seconds.

    `own_count` counts a window by our own reading, where that is possible, and so tells late rows from lost ones
    at once.
    """

    jobs: JobRunner
    watch: ReplicationWatch
    _: KW_ONLY
    job_timeout: float
    settle_timeout: float
    own_count: Callable[[Window], Sequence[CountRow]] | None = None

    @classmethod
    def from_settings(
        cls,
        jobs: JobRunner,
        watch: ReplicationWatch,
        settings: Settings,
        own_count: Callable[[Window], Sequence[CountRow]] | None = None,
    ) -> "SpotChecker":
        """Count with the settings' timeouts."""
        times = {"job_timeout": settings.job_timeout, "settle_timeout": settings.settle_timeout}
        return cls(jobs, watch, **times, own_count=own_count)

    def check(self, window: Window, sensor_ids: Sequence[str], sample: int, *, purpose: str) -> SpotCheck:
        """Count a window, and look again at what differs once the watermark has passed the first count.

        Raises MismatchError when sensors differ, other than by late rows; NotCheckedError when no sensor was
        counted; JobFailedError when the job failed for another reason than a mismatch.
        """
        try:
            counted = self._run(window, sensor_ids, sample, purpose, fail_on_mismatch=True)
        except JobFailedError as error:
            if error.code != "parity_mismatch":
                raise
            # the failed job has no result: the counts need a second one that is allowed to differ
            counted = self._run(window, sensor_ids, sample, purpose, fail_on_mismatch=False)
        first = _differing(counted.result)
        if not first:
            return SpotCheck(counted.result, ())
        if self.own_count is not None and not _unexplained_by_own(first, self.own_count(window)):
            return SpotCheck(counted.result, tuple(first))
        # by the controller's clock, which its watermark goes by too
        return self._again(window, first, purpose, _counted_by(counted.job))

    def narrow(self, window: Window, count: JobCount, posts_kept: int) -> list[tuple[Window, JobCount]]:
        """Narrow one sensor's mismatch down to the hour by halving its window, one job a step.

        The job counts one half; the other half is the remainder. This stops early where one side has no row, and
        where the POST budget has `posts_kept` left. Two faults of opposite sign within one half cancel out and are
        not found.
        """
        found: list[tuple[Window, JobCount]] = []
        open_ends = [(window, count)]
        while open_ends:
            part, total = open_ends.pop()
            narrow_enough = part.end - part.start <= NARROWEST or not (total.postgres and total.lake)
            if narrow_enough or self.jobs.core.budget.available() <= posts_kept:
                found.append((part, total))
                continue
            left, right = part.halves()
            (row,) = self._run(left, [count.sensor_id], 1, "narrow", fail_on_mismatch=False).result.rows
            counted = JobCount(count.sensor_id, row.pg_count, row.lake_count)
            rest = JobCount(count.sensor_id, total.postgres - counted.postgres, total.lake - counted.lake)
            open_ends += [(half, of) for half, of in ((right, rest), (left, counted)) if of.postgres != of.lake]
        return sorted(found, key=lambda part: part[0])

    def _again(self, window: Window, first: list[JobCount], purpose: str, counted_at: datetime) -> SpotCheck:
        """Count the differing sensors again, each time once the watermark has passed the count before.

        A sensor is settled when both sides are equal, and lost when lateness explains none of the rounds. Any
        other sensor has rows that keep arriving, and counts cannot tell whether a lost row is among them.
        """
        before, open_ends = first, [count.sensor_id for count in first]
        surely: set[str] = set(open_ends)
        for _ in range(_ROUNDS):
            counted = self._after(counted_at, window, open_ends, purpose)
            now = [JobCount(row.sensor_id, row.pg_count, row.lake_count) for row in counted.result.rows]
            surely &= {count.sensor_id for count in unexplained_by_lateness(before, now)}
            differing = [count for count in now if count.postgres != count.lake]
            check = SpotCheck(counted.result, tuple(first))
            if not differing:
                return check
            before, open_ends = differing, [count.sensor_id for count in differing]
            counted_at = _counted_by(counted.job)
        lost = [count for count in before if count.sensor_id in surely]
        if lost:
            raise MismatchError(window, check, lost)
        msg = f"{len(before)} sensors keep differing in {window}, by rows that keep arriving late or by lost ones."
        raise NotCheckedError(msg, "Counts cannot tell: give --database-url and --hot-path, or an earlier window.")

    def _after(
        self, counted_at: datetime, window: Window, sensor_ids: Sequence[str], purpose: str
    ) -> FinishedJob[ParityResult]:
        self.watch.wait_until(
            lambda state: state.computed_through_ts is not None and state.computed_through_ts >= counted_at,
            f"A watermark past {format_rfc3339(counted_at)}, which tells late rows from lost ones,",
            self.settle_timeout,
        )
        return self._run(window, sensor_ids, len(sensor_ids), purpose, fail_on_mismatch=False)

    def _run(
        self, window: Window, sensor_ids: Sequence[str], sample: int, purpose: str, *, fail_on_mismatch: bool
    ) -> FinishedJob[ParityResult]:
        params: dict[str, object] = {
            "start": format_rfc3339(window.start),
            "end": format_rfc3339(window.end),
            "sensor_ids": list(sensor_ids),
            "sample": sample,
            "fail_on_mismatch": fail_on_mismatch,
        }
        finished = self.jobs.run(PARITY_JOB, params, ParityResult, purpose=purpose, timeout=self.job_timeout)
        _plausible(finished.result, window, sensor_ids)
        return finished


def _counted_by(job: Job) -> datetime:
    """Return an instant by which a completed job had counted, even if its timestamps are cut off."""
    return latest_meant(job.completed_at or job.updated_at)


def _unexplained_by_own(first: Sequence[JobCount], ours: Sequence[CountRow]) -> list[JobCount]:
    """Return the sensors whose mismatch our own count does not explain by rows that are not due yet."""
    known = {row.sensor_id: row for row in ours}
    return [
        count
        for count in first
        if (our := known.get(count.sensor_id)) is None
        or not our.matches
        or not 0 <= count.postgres - count.lake <= our.not_due
    ]


def _plausible(result: ParityResult, window: Window, sensor_ids: Sequence[str]) -> None:
    """Check that the result is consistent, and answers the request (section 3)."""
    if not result.rows:
        raise NotCheckedError("The parity job counted no sensor.", "Name some by --sensor-ids.")
    checked = result.window_checked
    if checked.start != window.start or checked.end > window.end:
        msg = f"The parity job was asked for {window} and checked {checked}."
        raise PromiseBrokenError(msg, "See contract section 3.")
    counted = [row.sensor_id for row in result.rows]
    asked = sorted({sensor_id.strip() for sensor_id in sensor_ids} - {""}) or sorted(set(result.sensor_ids))
    if sorted(counted) != asked or sorted(result.sensor_ids) != asked:
        strange = ", ".join(sorted(set(asked) ^ set(counted))[:3])
        msg = f"The parity job was asked for {len(asked)} sensors and counted others, or not all: {strange}."
        raise PromiseBrokenError(msg, "See contract section 3.")
    differing = _differing(result)
    if len(differing) != result.mismatches or any(
        row.matches != (row.pg_count == row.lake_count) for row in result.rows
    ):
        msg = f"The parity job reports {result.mismatches} mismatches, and its own counts show {len(differing)}."
        raise PromiseBrokenError(msg, "Its summary cannot be trusted: see contract section 3.")


def _differing(result: ParityResult) -> list[JobCount]:
    return [
        JobCount(row.sensor_id, row.pg_count, row.lake_count)
        for row in result.rows
        if row.pg_count != row.lake_count
    ]
