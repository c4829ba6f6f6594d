"""What counts of the controller's job can mean, and what they cannot. Pure.

The job counts the lake's rows, not its keys: a row that stands in several files until compaction counts once for
each, so that the lake's side may exceed Postgres's where the lake is right (contract section 3).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property

from tsse_validation.domain.contract import InspectedDataset
from tsse_validation.domain.windows import Window, without_days
from tsse_validation.lake.shards import shard_of


@dataclass(frozen=True)
class JobCount:
    """One sensor's counts by the controller's job, in one round."""

    sensor_id: str
    postgres: int
    lake: int

    @property
    def alike(self) -> bool:
        """Whether both sides have as many rows."""
        return self.postgres == self.lake

    @property
    def surplus(self) -> int:
        """Rows of the lake beyond those of Postgres, or 0."""
        return max(0, self.lake - self.postgres)


class Standing(StrEnum):
    """What a second count says of a sensor that differed in a first one.

    `LATE`: rows keep arriving, and a lost one may hide among them. `COPIES`: the lake has rows beyond those of
    Postgres, where rows stand in several files. `LOST` and `SURPLUS` are evidence against the lake.
    """

    ALIKE = "alike"
    LATE = "late"
    COPIES = "copies"
    LOST = "lost"
    SURPLUS = "surplus"

    @property
    def speaks_against_the_lake(self) -> bool:
        """Whether neither lateness nor copies explain it."""
        return self in {Standing.LOST, Standing.SURPLUS}


def judged(before: int, now: JobCount, *, copies_possible: bool) -> Standing:
    """Judge a count that was taken after the watermark had passed the time of an earlier one.

    `before` are the rows that the earlier count saw in Postgres. All of them were inserted before that, so the
    lake must hold them by now: ``before ≤ now.lake``. Beyond ``now.postgres`` it may hold copies only.
    """
    if now.lake < before:
        return Standing.LOST
    if now.alike:
        return Standing.ALIKE
    if now.lake < now.postgres:
        return Standing.LATE
    return Standing.COPIES if copies_possible else Standing.SURPLUS


@dataclass(frozen=True)
class OwnCount:
    """One sensor in a window by our own reading, beside what the job must have counted.

    `due` and `not_due` are rows of Postgres, `keys` the due ones that the lake holds; `matches` says whether it
    holds all of them and no others. `rows` are the lake's rows as the job counts them: copies too, and a
    microsecond further.
    """

    due: int = 0
    not_due: int = 0
    keys: int = 0
    matches: bool = True
    rows: int = 0


def unlike_ours(job: JobCount, own: OwnCount) -> list[str]:
    """Return where the job's counts cannot be right, given our own of the same window.

    Ours are as of one watermark; the job counts at another moment, and may count rows that are not due yet, and
    in the lake copies. Each of its counts may lie anywhere in between.
    """
    bounds = (
        ("Postgres", job.postgres, own.due, own.due + own.not_due),
        ("lake", job.lake, own.keys, max(own.rows, own.keys + own.not_due)),
    )
    return [
        f"{job.sensor_id} in {side}: the job says {said}, we find {least}{f' to {most}' if most > least else ''}"
        for side, said, least, most in bounds
        if not least <= said <= most
    ]


@dataclass(frozen=True)
class ShardDays:
    """How many files each shard has on each date, as inspections have told: the most that any of them saw.

    `shards` is how many the lake is said to have. A lake with others cannot be what the setting says: then the
    fullest shard of a date stands for all.
    """

    shards: int
    files: Mapping[tuple[date, str], int] = field(default_factory=dict)

    def and_seen(self, dataset: InspectedDataset) -> "ShardDays":
        """Return it with what another inspection saw."""
        files = dict(self.files)
        for day, partition in dataset.partitions.items():
            for shard, found in partition.shards.items():
                files[day, shard] = max(files.get((day, shard), 0), found.parquet_files)
        return ShardDays(self.shards, files)

    def several(self, sensor_id: str, day: date) -> bool:
        """Whether a sensor's rows of a date lie in several files, so that one may stand there more than once."""
        if self._fullest is not None:
            return self._fullest.get(day, 0) > 1
        return self.files.get((day, shard_of(sensor_id, self.shards)), 0) > 1

    def any_several(self, sensor_id: str, window: Window) -> bool:
        """Whether that is so on any date of a window."""
        return any(self.several(sensor_id, day) for day in window.days())

    def single_file_runs(self, sensor_ids: Iterable[str], window: Window) -> list[Window]:
        """Return the parts of a window in which none of some sensors can have a copy, the longest first."""
        sensors = list(sensor_ids)
        crowded = {day for day in window.days() if any(self.several(sensor, day) for sensor in sensors)}
        runs = (run for run in without_days(window, crowded) if run.start < run.end)
        return sorted(runs, key=lambda run: (run.start - run.end, run.start))

    @cached_property
    def _fullest(self) -> Mapping[date, int] | None:
        """The files of each date's fullest shard, where the lake has shards that the setting does not know."""
        if all(shard.isdecimal() and int(shard) < self.shards for _, shard in self.files):
            return None
        fullest: dict[date, int] = {}
        for (day, _), count in self.files.items():
            fullest[day] = max(fullest.get(day, 0), count)
        return fullest


def cannot_be_named(sensor_ids: Iterable[str]) -> list[str]:
    """Return the ids that the job would change: it trims those that it is given (contract section 3)."""
    return sorted(sensor for sensor in sensor_ids if sensor != sensor.strip() or not sensor)


def added_up(counts: Iterable[Sequence[JobCount]]) -> dict[str, JobCount]:
    """Add up each sensor's counts of several windows."""
    totals: dict[str, JobCount] = {}
    for of_window in counts:
        for count in of_window:
            total = totals.get(count.sensor_id, JobCount(count.sensor_id, 0, 0))
            totals[count.sensor_id] = JobCount(
                count.sensor_id, total.postgres + count.postgres, total.lake + count.lake
            )
    return totals
