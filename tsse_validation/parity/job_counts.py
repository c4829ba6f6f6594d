"""Runs the controller's parity job, holds it to what it was asked, and counts to the microsecond with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tsse_validation.clients.jobs import FinishedJob, JobRunner
from tsse_validation.domain.contract import PARITY_JOB, Job, ParityResult
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError
from tsse_validation.domain.instants import MICROSECOND, format_rfc3339, latest_meant
from tsse_validation.domain.windows import Window
from tsse_validation.parity.count_rules import JobCount

ALL_SENSORS = 10_000
"""The sample that is asked for where all sensors are meant and their number is not known."""


@dataclass(frozen=True)
class CountedExactly:
    """Some sensors in one window, both sides to the same microsecond; `by` is when Postgres had been counted."""

    counts: tuple[JobCount, ...]
    by: datetime


@dataclass
class ParityJobs:
    """Counts windows by the job; `timeout` is in seconds for each."""

    jobs: JobRunner
    timeout: float

    def count(
        self,
        window: Window,
        sensor_ids: Sequence[str],
        sample: int,
        *,
        purpose: str,
        on_job: Callable[[Job], None] = lambda _job: None,
    ) -> FinishedJob[ParityResult]:
        """Count a window: the sensors named, or else the first `sample`.

        The lake's side reaches a microsecond further than the window (contract section 3). Raises NotCheckedError
        when no sensor was counted; PromiseBrokenError when the result contradicts itself or the request.
        """
        params: dict[str, object] = {
            "start": format_rfc3339(window.start),
            "end": format_rfc3339(window.end),
            "sensor_ids": list(sensor_ids),
            "sample": sample,
            "fail_on_mismatch": False,
        }
        finished = self.jobs.run(
            PARITY_JOB, params, ParityResult, purpose=purpose, timeout=self.timeout, on_job=on_job
        )
        _plausible(finished.result, window, sensor_ids)
        return finished

    def exactly(self, window: Window, sensor_ids: Sequence[str], *, purpose: str) -> CountedExactly:
        """Count both sides of a window up to the same microsecond, by two jobs.

        The lake's side of a window that ends a microsecond earlier ends where Postgres's of this one does. It is
        counted first: what it holds then, Postgres holds later too.
        """
        last = window.end - MICROSECOND
        shorter = Window(window.start, last) if last > window.start else None
        first = shorter and self.count(shorter, sensor_ids, len(sensor_ids), purpose=purpose)
        whole = self.count(window, sensor_ids, len(sensor_ids), purpose=purpose)
        lake = {row.sensor_id: row.lake_count for row in (first or whole).result.rows}
        return CountedExactly(
            tuple(JobCount(row.sensor_id, row.pg_count, lake[row.sensor_id]) for row in whole.result.rows),
            counted_by(whole.job),
        )


def counted_by(job: Job) -> datetime:
    """Return an instant by which a completed job had counted, even if its timestamps are cut off."""
    return latest_meant(job.completed_at or job.updated_at)


def counts_of(result: ParityResult) -> list[JobCount]:
    """Return what the job has counted, sensor by sensor."""
    return [JobCount(row.sensor_id, row.pg_count, row.lake_count) for row in result.rows]


def differing(result: ParityResult) -> list[JobCount]:
    """Return the sensors whose two counts differ."""
    return [count for count in counts_of(result) if not count.alike]


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
    differ = differing(result)
    if len(differ) != result.mismatches or any(
        row.matches != (row.pg_count == row.lake_count) for row in result.rows
    ):
        msg = f"The parity job reports {result.mismatches} mismatches, and its own counts show {len(differ)}."
        raise PromiseBrokenError(msg, "Its summary cannot be trusted: see contract section 3.")
