"""Dates of which the inspection shows no file, each counted by itself by the controller's job.

A backfill removes a date before it writes it: one that is killed or canceled in between leaves the date empty, and
the state as it was (contract section 3). Counts of longer windows hide such a hole where copies elsewhere make up
for its rows, and do not name the date.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tsse_validation.domain.contract import InspectedDataset
from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.domain.windows import Window, on_days
from tsse_validation.parity.count_rules import JobCount, added_up
from tsse_validation.parity.job_counts import ALL_SENSORS, ParityJobs, counts_of
from tsse_validation.parity.settling import Explained, Explaining, Part

MOST_RUNS = 4
"""Runs of adjacent dates that are counted, one POST each: a sparse farm may have a hundred without a row."""


@dataclass(frozen=True)
class BareDates:
    """Dates without files; `lost` are those with rows in Postgres that are due, run by run.

    `uncounted` are dates that were not counted by themselves. `unsettled` keep differing, and counts cannot tell.
    """

    days: tuple[date, ...] = ()
    uncounted: tuple[date, ...] = ()
    lost: tuple[Part, ...] = ()
    unsettled: tuple[Part, ...] = ()

    def hold_settled(self) -> None:
        """Raise NotCheckedError when counts cannot tell late arrivals from lost rows."""
        Explained(unsettled=self.unsettled).hold_settled()

    def beside(self, lost: Sequence[Part]) -> tuple[Part, ...]:
        """Return what of other lost counts these dates do not explain: the sensors that lack more rows."""
        here = added_up(part.counts for part in self.lost)
        more = {
            sensor
            for sensor, count in added_up(part.counts for part in lost).items()
            if _lacking(count) > _lacking(here.get(sensor, JobCount(sensor, 0, 0))) or count.surplus
        }
        left = (Part(part.window, tuple(c for c in part.counts if c.sensor_id in more)) for part in lost)
        return tuple(part for part in left if part.counts)


def bare_runs(dataset: InspectedDataset, window: Window) -> list[Window]:
    """Return the parts of a window on dates without files: first those of dates that the manifest names."""
    partitions = dataset.partitions
    bare = [day for day in window.days() if day not in partitions or not partitions[day].shards]
    runs = (run for run in on_days(window, bare) if run.start < run.end)
    return sorted(runs, key=lambda run: (not any(day in partitions for day in run.days()), run.start))


def count_bare_dates(
    dataset: InspectedDataset,
    window: Window,
    sensor_ids: Sequence[str],
    lost: Sequence[Part],
    counter: ParityJobs,
    explaining: Explaining,
    *,
    most_runs: int = MOST_RUNS,
) -> BareDates:
    """Count the dates of a window without files: one job for each run of them, and two more where it lacks rows.

    What `lost` has shown already is not looked into again. Errors are those of `ParityJobs.count` and `explain`.
    """
    runs = bare_runs(dataset, window)
    lacking: list[Part] = []
    for run in runs[:most_runs]:
        # the lake's side reaches a microsecond further: there the next date begins
        inner = Window(run.start, run.end - MICROSECOND)
        job = counter.count(inner, sensor_ids, len(sensor_ids) or ALL_SENSORS, purpose="parity")
        if lack := [count.sensor_id for count in counts_of(job.result) if _lacking(count) > 0]:
            counted = counter.exactly(run, lack, purpose="parity")
            # a pass between both counts may have brought all that was late
            if still := tuple(count for count in counted.counts if _lacking(count) > 0):
                lacking.append(Part(run, still))
                by = counted.by
    found = BareDates(_days(runs), _days(runs[most_runs:]), tuple(lacking))
    if not found.lost or not _more_than(lacking, lost):
        return found
    explained = explaining.explain(lacking, by, purpose="parity")
    return BareDates(found.days, found.uncounted, explained.lost, explained.unsettled)


def _more_than(lacking: Sequence[Part], lost: Sequence[Part]) -> bool:
    """Whether some sensor lacks more rows than the counts have shown that hold over late arrivals."""
    shown = added_up(part.counts for part in lost)
    here = added_up(part.counts for part in lacking)
    return any(_lacking(c) > _lacking(shown.get(sensor, JobCount(sensor, 0, 0))) for sensor, c in here.items())


def _lacking(count: JobCount) -> int:
    return count.postgres - count.lake


def _days(runs: Sequence[Window]) -> tuple[date, ...]:
    return tuple(sorted({day for run in runs for day in run.days()}))
