"""The pictures of a soak: the watermark's age and the backlog over time, and the rows that were compared.

Each is a list of shapes, `WIDE` by `HIGH`. A breach and a gap have shapes of their own, so that none is told by
colour alone. The numbers stand beside them as text.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from tsse_validation.report.html.plots import HIGH, WIDE, Span, merged
from tsse_validation.report.model.soak import Course, CoursePoint, Happening, SoakReport

_ROOM = 0.85
"""Of the height, what the highest value takes: marks stand above it."""
_LEAST_BREACH, _LEAST_GAP = 8.0, 2.0
"""A breach is seen beside the outline of a gap, however short both are."""
_NARROWEST_POINT = 0.5
_LOWEST = 0.5
_MARK_HIGH = 9


@dataclass(frozen=True)
class SoakPlot:
    """One quantity: `path` from its lowest to its highest, `below` what is under it, and the limit's line.

    `breaches` and `gaps` are marks.
    """

    course: Course
    path: str
    below: str
    limit: float
    breaches: str
    gaps: str


@dataclass(frozen=True)
class SoakPlots:
    """All pictures of a soak, from `start` to `end`; `rows` is a path, or empty where no rows were compared."""

    start: datetime
    end: datetime
    courses: tuple[SoakPlot, ...]
    rows: str
    most_rows: int
    gaps: str


def soak_plots(report: SoakReport | None) -> SoakPlots | None:
    """Draw a soak; `None` of a run without one."""
    if report is None:
        return None
    line = _TimeLine(report.start, report.end)
    marks = _Marks(
        _breach_marks(line.bars(report.breaches, _LEAST_BREACH)),
        _gap_marks(line.bars(report.gaps, _LEAST_GAP)),
        tuple(sorted(gap.start for gap in report.gaps)),
    )
    courses = (course for course in (report.age, report.backlog) if course is not None)
    return SoakPlots(
        report.start,
        report.end,
        tuple(_plot(course, line, marks) for course in courses),
        _rows(report.rows, line),
        report.rows[-1][1] if report.rows else 0,
        marks.gaps,
    )


@dataclass(frozen=True)
class _TimeLine:
    start: datetime
    end: datetime

    def place(self, at: datetime) -> float:
        """Return where an instant is, from 0 to `WIDE`."""
        whole = (self.end - self.start).total_seconds() or 1.0
        return WIDE * (at - self.start).total_seconds() / whole

    def bars(self, spans: Iterable[Happening], least: float) -> Sequence[Span]:
        """Return times as bars, `least` units wide, so that each is seen; those that touch are one."""
        return tuple(merged(self._bar(one, least) for one in spans))

    def _bar(self, one: Happening, least: float) -> Span:
        left = min(self.place(one.start), WIDE - least)
        return Span(left, max(self.place(one.end or self.end) - left, least))


@dataclass(frozen=True)
class _Marks:
    breaches: str
    gaps: str
    gap_starts: Sequence[datetime]


def _plot(course: Course, line: _TimeLine, marks: _Marks) -> SoakPlot:
    top = max(course.most, course.limit, 1.0)
    path, below = "", ""
    for point, bar in zip(course.points, _columns(course.points, line, marks.gap_starts), strict=True):
        left, wide = bar.left, bar.wide
        high, low = _up(point.most, top), _up(point.least, top)
        high = max(high, low + _LOWEST)
        path += f"M{left:.1f} {HIGH - high:.1f}h{wide:.1f}V{HIGH - low:.1f}h-{wide:.1f}z"
        below += f"M{left:.1f} {HIGH}V{HIGH - low:.1f}h{wide:.1f}V{HIGH}z"
    return SoakPlot(course, path, below, HIGH - _up(course.limit, top), marks.breaches, marks.gaps)


def _columns(points: Sequence[CoursePoint], line: _TimeLine, gaps: Sequence[datetime]) -> Iterator[Span]:
    """Yield the place of each point: up to the next one, or to the gap that begins before."""
    for point, after in zip_longest(points, points[1:]):
        left = line.place(point.start)
        until = line.end if after is None else after.start
        gap = bisect_left(gaps, point.end)
        if gap < len(gaps):
            until = min(until, gaps[gap])
        yield Span(left, max(line.place(until) - left, _NARROWEST_POINT))


def _up(value: float, top: float) -> float:
    return HIGH * _ROOM * max(0.0, value) / top


def _breach_marks(bars: Iterable[Span]) -> str:
    """Draw a filled bar at the top, over the whole time of each breach."""
    return "".join(f"M{bar.left:.1f} 0h{bar.wide:.1f}v{_MARK_HIGH}h-{bar.wide:.1f}z" for bar in bars)


def _gap_marks(bars: Iterable[Span]) -> str:
    """Draw a hollow bar over the whole height, with a stroke across."""
    down = HIGH - 2
    return "".join(
        f"M{bar.left:.1f} 1h{bar.wide:.1f}v{down}h-{bar.wide:.1f}zl{bar.wide:.1f} {down}" for bar in bars
    )


def _rows(rows: Sequence[tuple[datetime, int]], line: _TimeLine) -> str:
    """Draw the rows as steps that only rise."""
    most = max((count for _, count in rows), default=0)
    if not most:
        return ""
    steps = "".join(f"H{line.place(at):.1f}V{HIGH - _up(count, most):.1f}" for at, count in rows)
    return f"M0 {HIGH}{steps}H{WIDE}V{HIGH}z"
