"""The lake's files and replication as a report shows them: how they stood, as often as the run looked.

Where a run did not look, or was not told, the number is `None` and every report says that it was not measured.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tsse_validation.domain.contract import BACKLOG_GATE_SECONDS
from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.report.model import words
from tsse_validation.report.model.capped import Capped, capped
from tsse_validation.runlog.records import PartitionFiles, PartitionsSeen, ReplicationSeen
from tsse_validation.runlog.result import RunResult

MAX_DATES = 400
MAX_LOOKS = 200


@dataclass(frozen=True)
class FilesLook:
    """The files of the whole lake at one moment, added up; `fullest` is the date with the fullest shard."""

    moment: str
    at: datetime
    dates: int
    hot: int
    cold: int
    files: int
    size: int
    most: int
    fullest: date | None
    bare: tuple[date, ...]

    @property
    def unplaced(self) -> int:
        """Dates of which the inspection does not say whether they are hot or cold."""
        return self.dates - self.hot - self.cold


@dataclass(frozen=True)
class Measured:
    """One quantity of replication in seconds, as often as it was told, against its limit."""

    name: str
    limit: float
    samples: tuple[tuple[datetime, float], ...]

    @property
    def last(self) -> float:
        """The latest."""
        return self.samples[-1][1]

    @property
    def highest(self) -> float:
        """The highest."""
        return max(value for _, value in self.samples)

    @property
    def lowest(self) -> float:
        """The lowest."""
        return min(value for _, value in self.samples)


@dataclass(frozen=True)
class LakeHistory:
    """What a run has seen of the lake's files and of replication.

    `dates` are those of the last inspection, `parity_dates` those of the parity job's window; `summary` is the
    replication state that the parity job told, or else the latest. `age` is the watermark's as we measured it,
    `backlog` what the controller itself says of each of its passes.
    """

    looks: tuple[FilesLook, ...]
    dates: Capped[PartitionFiles]
    parity_dates: Capped[PartitionFiles] | None
    replication: Capped[ReplicationSeen]
    summary: ReplicationSeen | None
    age: Measured | None
    backlog: Measured | None

    @property
    def files(self) -> FilesLook | None:
        """The latest look at the whole lake's files."""
        return self.looks[-1] if self.looks else None

    @property
    def files_said(self) -> str:
        """The lake's files in one phrase."""
        look = self.files
        if look is None:
            return words.NOT_MEASURED
        unplaced = f", {number(look.unplaced)} not said where" if look.unplaced else ""
        return (
            f"{count_of(look.files, 'file')}, {words.size(look.size)}, on {count_of(look.dates, 'date')} "
            f"({number(look.hot)} hot, {number(look.cold)} cold{unplaced}), "
            f"at most {number(look.most)} in a shard-day"
        )

    @property
    def lag_said(self) -> str:
        """How far replication was behind, in one phrase."""
        return f"watermark {_lag_said(self.age, 'old')}; backlog {_lag_said(self.backlog, 'by its last pass')}"


def lake_history(result: RunResult) -> LakeHistory:
    """Put together what a run has seen of the lake."""
    inspected = [seen for seen in result.partitions if seen.source == "inspection"]
    of_parity = [seen for seen in result.partitions if seen.source == "parity"]
    by_parity = [seen for seen in result.replication if seen.source == "parity"]
    limits = [seen.age_limit_seconds for seen in result.replication]
    return LakeHistory(
        looks=tuple(map(_look, inspected)),
        dates=capped(inspected[-1].dates if inspected else (), MAX_DATES),
        parity_dates=capped(of_parity[-1].dates, MAX_DATES) if of_parity else None,
        replication=capped(result.replication, MAX_LOOKS),
        summary=next(iter(by_parity or result.replication[-1:]), None),
        age=_measured("Age of the watermark", min(limits, default=0), result.replication, _age),
        backlog=_measured("Backlog of the last pass", BACKLOG_GATE_SECONDS, result.replication, _backlog),
    )


def _look(seen: PartitionsSeen) -> FilesLook:
    fullest = max(seen.dates, key=lambda of_date: of_date.most_in_a_shard, default=None)
    return FilesLook(
        moment=seen.moment,
        at=seen.at,
        dates=len(seen.dates),
        hot=sum(of_date.location == "hot" for of_date in seen.dates),
        cold=sum(of_date.location == "cold" for of_date in seen.dates),
        files=sum(of_date.files or 0 for of_date in seen.dates),
        size=sum(of_date.size or 0 for of_date in seen.dates),
        most=fullest.most_in_a_shard if fullest else 0,
        fullest=fullest.day if fullest else None,
        bare=tuple(of_date.day for of_date in seen.dates if not of_date.files),
    )


def _measured(
    name: str,
    limit: float,
    looks: Sequence[ReplicationSeen],
    of: Callable[[ReplicationSeen], Iterable[tuple[datetime, float]]],
) -> Measured | None:
    # a pass that was looked at twice is one sample
    samples = dict.fromkeys(sample for look in looks for sample in of(look) if math.isfinite(sample[1]))
    return Measured(name, limit, tuple(sorted(samples))) if samples else None


def _lag_said(measured: Measured | None, how: str) -> str:
    if measured is None:
        return words.NOT_MEASURED
    looks = len(measured.samples)
    several = f", {words.seconds(measured.highest)} at most in {number(looks)} samples" if looks > 1 else ""
    return f"{words.seconds(measured.last)} {how}{several} (limit {words.seconds(measured.limit)})"


def _age(look: ReplicationSeen) -> Iterator[tuple[datetime, float]]:
    if look.age_seconds is not None:
        yield look.at, look.age_seconds


def _backlog(look: ReplicationSeen) -> Iterator[tuple[datetime, float]]:
    """Yield what the controller says, at the time of its pass where it says that too."""
    if look.state.last_run_backlog_seconds is not None:
        yield look.state.last_run_at or look.at, look.state.last_run_backlog_seconds
