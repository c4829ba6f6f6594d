"""Small pictures for the HTML report: the steps and the windows on a time line, and rows per day.

Each is a list of shapes in units of its own; numbers stand beside it as text: no picture is needed to read them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tsse_validation.report.model import words
from tsse_validation.report.model.checks import StepLine
from tsse_validation.report.model.counts import DayTable
from tsse_validation.report.model.view import window_fails
from tsse_validation.runlog.records import WindowChecked
from tsse_validation.runlog.result import RunResult

WIDE = 1_000
_LEAST = 2
MAX_LANES = 24


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
class Lane:
    """The windows drawn at one edge, those that fail apart."""

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
    lanes: tuple[Lane, ...]
    hidden: int


@dataclass(frozen=True)
class DayBars:
    """Rows of Postgres per day, summed over the sensors, as bars of a picture 100 high."""

    path: str
    first: date
    last: date
    most: int
    least: int


def timeline(result: RunResult, steps: Iterable[StepLine]) -> tuple[StepBar, ...]:
    """Return the steps that have checks with a duration, on the time line of the run."""
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
            bars=tuple(_merged(_span(begin, finish, start, end) for begin, finish in sorted(spans[step.number]))),
            began=words.duration((min(spans[step.number])[0] - start).total_seconds()),
            ended=words.duration((max(finish for _, finish in spans[step.number]) - start).total_seconds()),
        )
        for step in steps
        if step.number in spans
    )


def lanes(windows: Sequence[WindowChecked]) -> Lanes | None:
    """Return the windows that were drawn, edge by edge, failing edges first."""
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
    most, wide = max(rows), WIDE / len(rows)
    path = "".join(
        f"M{place * wide:.1f} 100v-{100 * count / (most or 1):.1f}h{wide * 0.85:.1f}V100z"
        for place, count in enumerate(rows)
    )
    return DayBars(path, table.days[0][0], table.days[-1][0], most, min(rows))


def _lane(edge: str, source: str, windows: list[WindowChecked], start: datetime, end: datetime) -> Lane:
    failing = [window for window in windows if window_fails(window)]
    sound = [window for window in windows if not window_fails(window)]
    return Lane(edge, source, _drawn(sound, start, end), _drawn(failing, start, end), len(windows), len(failing))


def _drawn(windows: Iterable[WindowChecked], start: datetime, end: datetime) -> str:
    spans = dict.fromkeys(_span(window.start, window.end, start, end) for window in windows)
    return "".join(f"M{span.left:g} 3h{span.wide:g}v12h-{span.wide:g}z" for span in spans)


def _span(begin: datetime, finish: datetime, start: datetime, end: datetime) -> Span:
    whole = (end - start).total_seconds() or 1.0
    left = min(WIDE * (begin - start).total_seconds() / whole, WIDE - _LEAST)
    wide = max(WIDE * (finish - begin).total_seconds() / whole, _LEAST)
    return Span(round(left, 1), round(min(wide, WIDE - left), 1))


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Put bars that touch together: thousands of short checks are one bar."""
    left, right = None, 0.0
    for span in spans:
        if left is None:
            left, right = span.left, span.left + span.wide
        elif span.left <= right + 1:
            right = max(right, span.left + span.wide)
        else:
            yield Span(left, round(right - left, 1))
            left, right = span.left, span.left + span.wide
    if left is not None:
        yield Span(left, round(right - left, 1))
