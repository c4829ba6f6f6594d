"""The lake's files and replication as a report shows them: every look that the run took.

What a run did not measure is `None`, and every report says so.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tsse_validation.domain.contract import BACKLOG_GATE_SECONDS
from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.report.model import words
from tsse_validation.report.model.text import Capped, capped
from tsse_validation.runlog.records import PartitionFiles, PartitionsSeen, ReplicationSeen
from tsse_validation.runlog.result import RunResult

MAX_DATES = 400
MAX_LOOKS = 200


@dataclass(frozen=True)
class FilesLook:
    """The files of the whole lake at one moment, in bytes; `fullest` is the date with the fullest shard."""

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


@dataclass(frozen=True)
class Measured:
    """One quantity of replication in seconds, with its limit and every sample by its instant."""

    name: str
    limit: float
    samples: tuple[tuple[datetime, float], ...]
    last: float
    highest: float
    lowest: float


@dataclass(frozen=True)
class LakeHistory:
    """What a run has seen of the lake's files and of replication.

    `dates` come from the last inspection, `parity_dates` from the parity job's window. `summary` is the state of
    replication in the parity job's result, or else the latest. `age` is the watermark's age as we measured it,
    `backlog` is what the controller says of each of its passes.
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
    def files_phrase(self) -> str:
        """The lake's files in one phrase."""
        look = self.files
        if look is None:
            return words.NOT_MEASURED
        unplaced = look.dates - look.hot - look.cold
        elsewhere = f", {number(unplaced)} not said where" if unplaced else ""
        return (
            f"{count_of(look.files, 'file')}, {words.size(look.size)}, on {count_of(look.dates, 'date')} "
            f"({number(look.hot)} hot, {number(look.cold)} cold{elsewhere}), "
            f"at most {number(look.most)} in a shard-day"
        )

    @property
    def lag_phrase(self) -> str:
        """How far replication was behind, in one phrase."""
        return f"watermark {_lag_phrase(self.age, 'old')}; backlog {_lag_phrase(self.backlog, 'by its last pass')}"


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
    # A pass that was seen twice is one sample.
    samples = tuple(sorted({sample for look in looks for sample in of(look) if math.isfinite(sample[1])}))
    if not samples:
        return None
    values = [value for _, value in samples]
    return Measured(name, limit, samples, values[-1], max(values), min(values))


def _lag_phrase(measured: Measured | None, how: str) -> str:
    if measured is None:
        return words.NOT_MEASURED
    looks = len(measured.samples)
    several = f", {words.seconds(measured.highest)} at most in {number(looks)} samples" if looks > 1 else ""
    return f"{words.seconds(measured.last)} {how}{several} (limit {words.seconds(measured.limit)})"


def _age(look: ReplicationSeen) -> Iterator[tuple[datetime, float]]:
    if look.age_seconds is not None:
        yield look.at, look.age_seconds


def _backlog(look: ReplicationSeen) -> Iterator[tuple[datetime, float]]:
    """Yield the controller's backlog, at the time of its pass if that is known."""
    if look.state.last_run_backlog_seconds is not None:
        yield look.state.last_run_at or look.at, look.state.last_run_backlog_seconds
