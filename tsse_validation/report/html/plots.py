"""Small pictures for the HTML report: steps and windows on a time line, rows and files per day, replication lag.

Each is a list of shapes in units of its own. The numbers stand beside it as text.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tsse_validation.domain.contract import COMPACTION_THRESHOLD_FILES
from tsse_validation.domain.phrasing import duration
from tsse_validation.report.model.checks import StepLine
from tsse_validation.report.model.counts import DayTable
from tsse_validation.report.model.lake_history import LakeHistory, Measured
from tsse_validation.report.model.view import window_fails
from tsse_validation.runlog.records import PartitionFiles, WindowChecked
from tsse_validation.runlog.result import RunResult

WIDE, HIGH = 1_000, 100
MAX_LANES = 24
_NARROWEST = 2
_ROOM = 0.9
_BAR = 0.8
_LONGEST_CALENDAR = 1_000
_SAMPLE_WIDE = 8
_LOWEST_SAMPLE = 0.03
"""A sample far below its limit is drawn at least this high, so that it is seen."""


@dataclass(frozen=True)
class Span:
    """A bar of a time line: its place from 0 to `WIDE`."""

    left: float
    wide: float


@dataclass(frozen=True)
class StepBar:
    """A step on the time line: a bar for each of its checks, from the run's start."""

    step: StepLine
    bars: tuple[Span, ...]
    began: str
    ended: str


@dataclass(frozen=True)
class EdgeLane:
    """The windows drawn at one edge: a path for those that match and one for those that fail."""

    edge: str
    source: str
    sound: str
    failing: str
    windows: int
    failed: int


@dataclass(frozen=True)
class Lanes:
    """All windows on one time line from `start` to `end`."""

    start: datetime
    end: datetime
    lanes: tuple[EdgeLane, ...]
    hidden: int


@dataclass(frozen=True)
class DayBars:
    """Rows of Postgres per day, summed over the sensors, as bars of a picture 100 high."""

    path: str
    first: date
    last: date
    most: int
    least: int


@dataclass(frozen=True)
class FilesPlot:
    """Bars for the hot dates and for the others; `most` and `least` are numbers of files.

    `limit` is the height of the line at the limit, from 0 at the bottom to `HIGH`; `None` means no limit.
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
    """A bar for each sample, on a time line from `start` to `end`; `limit` is the height of the limit's line."""

    measured: Measured
    path: str
    limit: float
    start: datetime
    end: datetime


def timeline(result: RunResult, steps: Iterable[StepLine]) -> tuple[StepBar, ...]:
    """Return the steps with a finished check, on the time line of the run."""
    spans: dict[int, list[tuple[datetime, datetime]]] = {}
    for check in result.checks:
        began = check.at - timedelta(seconds=max(0.0, check.duration_seconds))
        spans.setdefault(check.step, []).append((began, check.at))
    ends = [end for of_step in spans.values() for _, end in of_step]
    if not ends:
        return ()
    start = min(result.started.at, *(began for of_step in spans.values() for began, _ in of_step))
    end = max(result.finished.at if result.finished else start, *ends)
    return tuple(
        StepBar(
            step=step,
            bars=tuple(merged(_span(begin, finish, start, end) for begin, finish in sorted(spans[step.number]))),
            began=duration((min(spans[step.number])[0] - start).total_seconds()),
            ended=duration((max(finish for _, finish in spans[step.number]) - start).total_seconds()),
        )
        for step in steps
        if step.number in spans
    )


def lanes(windows: Sequence[WindowChecked]) -> Lanes | None:
    """Return the windows that were drawn, by edge; failing edges come first."""
    if not windows:
        return None
    start, end = min(window.start for window in windows), max(window.end for window in windows)
    groups: dict[tuple[str, str], list[WindowChecked]] = {}
    for window in windows:
        groups.setdefault((window.edge, window.source), []).append(window)
    drawn = [_lane(edge, source, of_lane, start, end) for (edge, source), of_lane in groups.items()]
    drawn.sort(key=lambda lane: not lane.failed)
    return Lanes(start, end, tuple(drawn[:MAX_LANES]), max(0, len(drawn) - MAX_LANES))


def day_bars(table: DayTable) -> DayBars:
    """Return the rows per day of one table of counts."""
    rows = [totals.postgres for _, totals in table.days]
    return DayBars(bars_path(rows, 0.85), table.days[0][0], table.days[-1][0], max(rows), min(rows))


def bars_path(values: Sequence[float | None], share: float) -> str:
    """Draw a bar for each value that is not `None`; it takes this share of its place's width."""
    most, wide = max(value or 0 for value in values) or 1, WIDE / len(values)
    return "".join(
        f"M{place * wide:.1f} 100v-{100 * value / most:.1f}h{wide * share:.1f}V100z"
        for place, value in enumerate(values)
        if value is not None
    )


def _lane(edge: str, source: str, windows: list[WindowChecked], start: datetime, end: datetime) -> EdgeLane:
    failing = [window for window in windows if window_fails(window)]
    sound = [window for window in windows if not window_fails(window)]
    return EdgeLane(
        edge, source, _drawn(sound, start, end), _drawn(failing, start, end), len(windows), len(failing)
    )


def _drawn(windows: Iterable[WindowChecked], start: datetime, end: datetime) -> str:
    spans = dict.fromkeys(_span(window.start, window.end, start, end) for window in windows)
    return "".join(f"M{span.left:g} 3h{span.wide:g}v12h-{span.wide:g}z" for span in spans)


def _span(begin: datetime, finish: datetime, start: datetime, end: datetime) -> Span:
    whole = (end - start).total_seconds() or 1.0
    left = min(WIDE * (begin - start).total_seconds() / whole, WIDE - _NARROWEST)
    wide = max(WIDE * (finish - begin).total_seconds() / whole, _NARROWEST)
    return Span(round(left, 1), round(min(wide, WIDE - left), 1))


def merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Merge bars that touch: thousands of short checks are one bar."""
    merged: list[tuple[float, float]] = []
    for span in spans:
        left, right = span.left, span.left + span.wide
        if merged and left <= merged[-1][1] + 1:
            left, right = merged[-1][0], max(merged.pop()[1], right)
        merged.append((left, right))
    return (Span(left, round(right - left, 1)) for left, right in merged)


def files_plot(dates: Sequence[PartitionFiles]) -> FilesPlot | None:
    """Return the files of each date; `None` with fewer than two dates."""
    return _plot(dates, [max(0, of_date.files or 0) for of_date in dates])


def fullest_plot(dates: Sequence[PartitionFiles]) -> FilesPlot | None:
    """Return the files of each date's fullest shard, with the threshold of compaction."""
    return _plot(dates, [max(0, of_date.most_in_a_shard) for of_date in dates], limit=COMPACTION_THRESHOLD_FILES)


def lag_plots(lake: LakeHistory) -> tuple[LagPlot, ...]:
    """Return a picture of each quantity with more than one sample."""
    measured = (measured for measured in (lake.age, lake.backlog) if measured is not None)
    return tuple(_lag(one) for one in measured if len(one.samples) > 1)


def _plot(dates: Sequence[PartitionFiles], heights: Sequence[int], limit: int = 0) -> FilesPlot | None:
    if len(dates) < 2:
        return None
    days = [of_date.day for of_date in dates]
    first, last = min(days), max(days)
    span = (last - first).days + 1
    places = [(day - first).days for day in days]
    if span > _LONGEST_CALENDAR:  # Too long to draw; otherwise a date that the lake lacks is a gap.
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
            max(value / top, _LOWEST_SAMPLE),
        )
        for at, value in measured.samples
    )
    return LagPlot(measured, "".join(bars), _up(measured.limit / top), start, end)


def _bar(left: float, wide: float, part: float) -> str:
    return f"M{left:.1f} {HIGH}V{HIGH - _up(part):.1f}h{wide * _BAR:.1f}V{HIGH}z"


def _up(part: float) -> float:
    return HIGH * _ROOM * part
