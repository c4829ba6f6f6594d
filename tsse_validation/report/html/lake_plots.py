"""Small pictures of the lake: files per date, and how far replication was behind, each against its limit.

As in `plots`: shapes in units of their own, and the numbers beside them as text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tsse_validation.domain.contract import COMPACTION_THRESHOLD_FILES
from tsse_validation.report.model.lake_history import LakeHistory, Measured
from tsse_validation.runlog.records import PartitionFiles

WIDE, HIGH = 1_000, 100
_ROOM = 0.9
_BAR = 0.8
_LONGEST_CALENDAR = 1_000
_SAMPLE_WIDE = 8
_LEAST = 0.03
"""How high a sample is drawn at least: one that is far below its limit is seen all the same."""


@dataclass(frozen=True)
class FilesPlot:
    """Bars for the dates that are hot and those that are cold or elsewhere; `most` is as high as the highest.

    `limit` is the height of a line across, from 0 at the bottom to `HIGH`, or `None` where there is no limit.
    """

    hot: str
    cold: str
    most: int
    least: int
    first: date
    last: date
    limit: float | None = None


@dataclass(frozen=True)
class LagPlot:
    """A bar for each sample, on a time line from `start` to `end`; `limit` is the height of a line across."""

    measured: Measured
    path: str
    limit: float
    start: datetime
    end: datetime


def files_plot(dates: Sequence[PartitionFiles]) -> FilesPlot | None:
    """Return the files of each date; `None` where there are not two dates to compare."""
    return _plot(dates, [max(0, of_date.files or 0) for of_date in dates])


def fullest_plot(dates: Sequence[PartitionFiles]) -> FilesPlot | None:
    """Return the files of each date's fullest shard, with the number above which a shard-day is compacted."""
    return _plot(dates, [max(0, of_date.most_in_a_shard) for of_date in dates], limit=COMPACTION_THRESHOLD_FILES)


def lag_plots(lake: LakeHistory) -> tuple[LagPlot, ...]:
    """Return a picture of each quantity that was told more than once."""
    measured = (measured for measured in (lake.age, lake.backlog) if measured is not None)
    return tuple(_lag(one) for one in measured if len(one.samples) > 1)


def _plot(dates: Sequence[PartitionFiles], heights: Sequence[int], limit: int = 0) -> FilesPlot | None:
    if len(dates) < 2:
        return None
    days = [of_date.day for of_date in dates]
    first, last = min(days), max(days)
    span = (last - first).days + 1
    places = [(day - first).days for day in days]
    if span > _LONGEST_CALENDAR:  # too long to draw; else a date that the lake does not have is a gap
        places, span = list(range(len(days))), len(days)
    top = max(*heights, limit, 1)
    bars = [
        (of_date.location == "hot", _bar(place * WIDE / span, WIDE / span, height / top))
        for of_date, place, height in zip(dates, places, heights, strict=True)
    ]
    return FilesPlot(
        hot="".join(bar for hot, bar in bars if hot),
        cold="".join(bar for hot, bar in bars if not hot),
        most=max(heights),
        least=min(heights),
        first=first,
        last=last,
        limit=_up(limit / top) if limit else None,
    )


def _lag(measured: Measured) -> LagPlot:
    start, end = measured.samples[0][0], measured.samples[-1][0]
    whole = (end - start).total_seconds() or 1.0
    top = max(measured.highest, measured.limit, 1.0)
    bars: Iterable[str] = (
        _bar(
            (WIDE - _SAMPLE_WIDE) * (at - start).total_seconds() / whole,
            _SAMPLE_WIDE / _BAR,
            max(value / top, _LEAST),
        )
        for at, value in measured.samples
    )
    return LagPlot(measured, "".join(bars), _up(measured.limit / top), start, end)


def _bar(left: float, wide: float, part: float) -> str:
    return f"M{left:.1f} {HIGH}V{HIGH - _up(part):.1f}h{wide * _BAR:.1f}V{HIGH}z"


def _up(part: float) -> float:
    return HIGH * _ROOM * part
