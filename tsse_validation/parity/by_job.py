"""One window counted by the controller's own parity job: the runbook's spot check, and a drawn window."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tsse_validation.clients.jobs import FinishedJob
from tsse_validation.domain.contract import ParityResult
from tsse_validation.domain.errors import PromiseBrokenError
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.windows import Window
from tsse_validation.parity.count_rules import JobCount
from tsse_validation.parity.job_counts import ParityJobs, counted_by, counts_of, differing
from tsse_validation.parity.settling import Explained, Explaining, Part
from tsse_validation.runlog.records import CountRow, CountsTaken

NARROWEST = timedelta(hours=1)
"""How far a mismatch is narrowed down where only counts by the job are to be had."""


@dataclass(frozen=True)
class SpotCheck:
    """One window counted by the job, and what became of the sensors that differed at first."""

    result: ParityResult
    explained: Explained

    @property
    def rows(self) -> int:
        """Rows of Postgres that the job counted."""
        return sum(row.pg_count for row in self.result.rows)

    @property
    def counted(self) -> list[JobCount]:
        """The job's counts, sensor by sensor."""
        return counts_of(self.result)

    def counts(self) -> CountsTaken:
        """Return the job's counts as a record; sensors that differ in it were explained, and are named as late."""
        return counts_record(self.counted, self.explained, self.result)


def counts_record(counts: Sequence[JobCount], explained: Explained, result: ParityResult) -> CountsTaken:
    """Return counts of the window that a result was counted over as a record, but for what speaks of a loss."""
    accused = {sensor for part in (*explained.lost, *explained.unsettled) for sensor in part.sensor_ids}
    return CountsTaken(
        source="job",
        window=result.window_checked,
        requested=result.window_requested,
        watermark=result.computed_through_ts,
        rows=tuple(
            CountRow(count.sensor_id, None, count.postgres, count.lake, 0, 0, count.alike) for count in counts
        ),
        late=tuple(c.sensor_id for c in counts if not c.alike and c.sensor_id not in accused),
    )


class MismatchError(PromiseBrokenError):
    """The job's counts differ, and neither lateness nor copies explain it: `lost` are the sensors that do."""

    def __init__(self, spot: SpotCheck) -> None:
        self.lost = spot.explained.lost
        sensors = {sensor for part in self.lost for sensor in part.sensor_ids}
        super().__init__(f"{count_of(len(sensors), 'sensor')} differing within {self.lost[0].window}.")
        self.spot = spot


@dataclass
class SpotChecker:
    """Counts windows by the controller's job; `explaining` tells what a difference means."""

    counter: ParityJobs
    explaining: Explaining

    def check(self, window: Window, sensor_ids: Sequence[str], sample: int, *, purpose: str) -> SpotCheck:
        """Count a window, and look into what differs.

        Raises MismatchError when sensors differ, other than by late rows or copies; NotCheckedError when no sensor
        was counted, or counts cannot tell; JobFailedError when the job failed.
        """
        job = self.counter.count(window, sensor_ids, sample, purpose=purpose)
        spot = self._explained(job, purpose)
        if spot.explained.lost:
            raise MismatchError(spot)
        spot.explained.hold_settled()
        return spot

    def _explained(self, job: FinishedJob[ParityResult], purpose: str) -> SpotCheck:
        first = tuple(differing(job.result))
        if not first:
            return SpotCheck(job.result, Explained())
        part = Part(job.result.window_checked, first)
        return SpotCheck(job.result, self.explaining.explain([part], counted_by(job.job), purpose=purpose))


def narrowed_to_hours(
    counter: ParityJobs, window: Window, count: JobCount, posts_kept: int
) -> list[tuple[Window, JobCount]]:
    """Narrow one sensor's mismatch down to the hour by halving its window, one job a step.

    The job counts one half; the other half is the remainder. This stops early where one side has no row, and
    where the POST budget has `posts_kept` left. Two faults of opposite sign in one half cancel out: they are not
    found.
    """
    found: list[tuple[Window, JobCount]] = []
    open_ends = [(window, count)]
    while open_ends:
        part, total = open_ends.pop()
        narrow_enough = part.end - part.start <= NARROWEST or not (total.postgres and total.lake)
        if narrow_enough or counter.jobs.core.budget.available() <= posts_kept:
            found.append((part, total))
            continue
        left, right = part.halves()
        (row,) = counter.count(left, [count.sensor_id], 1, purpose="narrow").result.rows
        counted = JobCount(count.sensor_id, row.pg_count, row.lake_count)
        rest = JobCount(count.sensor_id, total.postgres - counted.postgres, total.lake - counted.lake)
        open_ends += [(half, of) for half, of in ((right, rest), (left, counted)) if not of.alike]
    return sorted(found, key=lambda part: part[0])
