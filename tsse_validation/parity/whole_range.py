"""All sensors over the whole covered range, counted by the controller's job in as few slices as that takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tsse_validation.clients.jobs import CANCEL_SECONDS, FinishedJob
from tsse_validation.domain.contract import Job, ParityResult
from tsse_validation.domain.errors import DeadlineError, NotCheckedError
from tsse_validation.domain.instants import DAY, MICROSECOND
from tsse_validation.domain.polling import Update, quiet
from tsse_validation.domain.windows import Window
from tsse_validation.parity.bare_dates import BareDates
from tsse_validation.parity.by_job import SpotCheck
from tsse_validation.parity.count_rules import JobCount, added_up, cannot_be_named
from tsse_validation.parity.job_counts import ALL_SENSORS, ParityJobs, counted_by, counts_of
from tsse_validation.parity.settling import Explained, Explaining, Part

FIRST_SLICE = DAY
NARROWEST_SLICE = timedelta(hours=1)
WANTED_SECONDS = 30.0
"""What a slice should take the controller, about: long enough to be few, short enough to be gentle."""
MOST_GROWTH = 16
PAUSE_SHARE = 0.5
LONGEST_PAUSE = 10.0
OFF_THE_CLOCK = timedelta(microseconds=137_911)
"""Slices meet at an instant at which no clock ticks: the job counts the lake's row there in both."""
_NEARLY = 1.25


@dataclass
class SlicePlan:
    """Cuts a window into slices from its end to its start, each as long as the last one's time suggests."""

    window: Window
    wanted_seconds: float = WANTED_SECONDS
    length: timedelta = FIRST_SLICE
    _end: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._end = self.window.end

    def slice(self) -> Window | None:
        """Return the next slice, or `None` when nothing is left; the same again until `took` is called."""
        if self._end is None:
            return None
        if (self._end - self.window.start) <= self.length * _NEARLY:
            return Window(self.window.start, self._end)
        start = self._end - self.length
        if self._end == self.window.end:
            start -= OFF_THE_CLOCK
        return Window(start, self._end)

    def took(self, counted: Window, seconds: float) -> None:
        """Take note that a slice is done, and how long it took; the next may be longer or shorter."""
        self._end = counted.start - MICROSECOND if counted.start > self.window.start else None
        growth = min(float(MOST_GROWTH), self.wanted_seconds / max(seconds, 1e-3))
        self.length = max(NARROWEST_SLICE, (counted.end - counted.start) * growth)

    def shorten(self) -> bool:
        """Halve the next slice, which took too long; return whether that is still possible."""
        if self.length <= NARROWEST_SLICE:
            return False
        self.length = max(NARROWEST_SLICE, self.length / 2)
        return True


@dataclass(frozen=True)
class Census:
    """The sensors that are to be counted: `named` ones, or all that the job lists by itself.

    `unnameable` are ids that the job would change, so that it cannot count them.
    """

    named: tuple[str, ...] = ()
    unnameable: tuple[str, ...] = ()

    @classmethod
    def of(cls, sensor_ids: Sequence[str]) -> "Census":
        """Return all sensors that are known, deleted ones too."""
        unnameable = cannot_be_named(sensor_ids)
        return cls(tuple(sorted({*sensor_ids} - {*unnameable})), tuple(unnameable))


@dataclass(frozen=True)
class RangeCount:
    """What the job has counted over a window, in slices; `counts` are added up over them.

    `bare` are the dates without files, where they were counted by themselves.
    """

    window: Window
    slices: tuple[Window, ...]
    census: Census
    counts: tuple[JobCount, ...]
    explained: Explained
    result: ParityResult
    posts: int
    bare: BareDates = field(default_factory=BareDates)

    @classmethod
    def of_one_window(cls, spot: SpotCheck, posts: int) -> "RangeCount":
        """Return a spot check as such: one slice."""
        window = spot.result.window_checked
        census = Census(tuple(count.sensor_id for count in spot.counted))
        return cls(window, (window,), census, tuple(spot.counted), spot.explained, spot.result, posts)

    @property
    def rows(self) -> int:
        """Rows of Postgres that the job counted."""
        return sum(count.postgres for count in self.counts)


@dataclass
class RangeCounter:
    """Counts a window slice by slice: one job at a time, with a pause after each in proportion to its time."""

    counter: ParityJobs
    explaining: Explaining
    sleep: Callable[[float], None] = time.sleep

    def count(self, window: Window, census: Census, *, purpose: str, on_day: Update = quiet) -> RangeCount:
        """Count a window, and look into what differs once all of it is counted.

        Nothing is raised for what differs: it stands in the result. Raises DeadlineError when the shortest slice
        takes longer than a job may; NotCheckedError when the job leaves a part of a slice out, but the end of all;
        JobFailedError when a job failed.
        """
        plan = SlicePlan(window, min(WANTED_SECONDS, self.counter.timeout / 4))
        before = self.counter.jobs.core.budget.spent
        done: list[tuple[Window, FinishedJob[ParityResult]]] = []
        days = -(-(window.end - window.start) // DAY)
        while (part := plan.slice()) is not None:
            job = self._counted(plan, part, census, purpose)
            if job is None:
                continue
            if done and job.result.window_checked.end < part.end:
                msg = (
                    f"The parity job was asked for {part} and counted up to {job.result.window_checked.end} only."
                )
                raise NotCheckedError(
                    msg, "Has the watermark retreated? Look at the controller's log, and run again."
                )
            if not census.named:
                census = Census.of([row.sensor_id for row in job.result.rows])
            done.append((part, job))
            rows = sum(row.pg_count for row in job.result.rows)
            on_day(-(-(window.end - part.start) // DAY), days, f"counted back to {part.start.date()}", rows=rows)
            if plan.slice() is not None:
                self.sleep(min(LONGEST_PAUSE, job.seconds * PAUSE_SHARE))
        return self._explained(done, census, purpose, before)

    def _explained(
        self, done: Sequence[tuple[Window, FinishedJob[ParityResult]]], census: Census, purpose: str, before: int
    ) -> RangeCount:
        sensors = set(census.named)
        counted = [
            Part(part, tuple(count for count in counts_of(job.result) if count.sensor_id in sensors))
            for part, job in done
        ]
        differ = {sensor for part in counted for sensor in _differing(part)}
        explained = Explained()
        if differ:
            by = max(counted_by(job.job) for _, job in done)
            explained = self.explaining.explain([_of(part, differ) for part in counted], by, purpose=purpose)
        last = explained.last
        counts = added_up(
            [last.get((part.window, count.sensor_id), count) for count in part.counts] for part in counted
        )
        newest = done[0][1].result
        return RangeCount(
            window=Window(done[-1][0].start, newest.window_checked.end),
            slices=tuple(part for part, _ in done),
            census=census,
            counts=tuple(counts[sensor] for sensor in sorted(counts)),
            explained=explained,
            result=newest,
            posts=self.counter.jobs.core.budget.spent - before,
        )

    def _counted(
        self, plan: SlicePlan, part: Window, census: Census, purpose: str
    ) -> FinishedJob[ParityResult] | None:
        """Count one slice; `None` when it took too long, was canceled, and the next is to be shorter."""
        seen: list[Job] = []
        sample = len(census.named) or ALL_SENSORS
        try:
            job = self.counter.count(part, census.named, sample, purpose=purpose, on_job=seen.append)
        except DeadlineError:
            ended = self.counter.jobs.cancel(seen[-1], timeout=CANCEL_SECONDS).terminal if seen else False
            if not ended or not plan.shorten():
                raise
            return None
        plan.took(part, job.seconds)
        return job


def _differing(part: Part) -> list[str]:
    return [count.sensor_id for count in part.counts if not count.alike]


def _of(part: Part, sensors: set[str]) -> Part:
    return Part(part.window, tuple(count for count in part.counts if count.sensor_id in sensors))
