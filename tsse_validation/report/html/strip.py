"""The days of a run as a strip: each state has a colour and a shape; a mark is above days with rows not due."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tsse_validation.report.model.covered_days import CoveredDay, CoveredDays, DayState

WIDE = 1_000
TONES: Mapping[DayState, str] = {
    DayState.DIFFERS: "bad",
    DayState.NOT_COMPARED: "none",
    DayState.COUNTED: "part",
    DayState.BEYOND: "open",
    DayState.COMPARED: "good",
}
_Shape = Sequence[tuple[int, int]]
_BARS: Mapping[DayState, _Shape] = {
    DayState.DIFFERS: ((8, 20), (32, 8)),
    DayState.NOT_COMPARED: ((37, 3),),
    DayState.COUNTED: ((24, 16),),
    DayState.BEYOND: ((8, 13), (27, 13)),
    DayState.COMPARED: ((8, 32),),
}
"""Bars of a day as top and height, in a picture that is 40 high: no two states look alike without colours."""
_MARK = ((0, 5),)


@dataclass(frozen=True)
class StripPath:
    """The days of one state as a path, and the shape of one day for the legend, in a picture of 22 by 40."""

    state: DayState
    tone: str
    path: str
    sample: str


@dataclass(frozen=True)
class DayStrip:
    """All days as one picture `WIDE` and 40 high; `marks` are over the days with rows that are not due."""

    paths: tuple[StripPath, ...]
    marks: str


def day_strip(covered: CoveredDays) -> DayStrip | None:
    """Draw the days in their order; `None` where there is none."""
    if not covered.days:
        return None
    paths = (
        StripPath(
            line.state,
            TONES[line.state],
            _path(covered.days, partial(_is_in, line.state), _BARS[line.state]),
            _bars(0, 22, _BARS[line.state]),
        )
        for line in covered.lines
    )
    return DayStrip(tuple(paths), _path(covered.days, lambda day: day.not_due > 0, _MARK))


def _is_in(state: DayState, day: CoveredDay) -> bool:
    return day.state is state


def _path(days: Sequence[CoveredDay], wanted: Callable[[CoveredDay], bool], bars: _Shape) -> str:
    wide = WIDE / len(days)
    chosen = [place for place, day in enumerate(days) if wanted(day)]
    return "".join(_bars(first * wide, (last - first + 1) * wide, bars) for first, last in _runs(chosen))


def _runs(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each run of places that follow one another."""
    first = last = None
    for place in places:
        if first is None or last is None or place != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = place
        last = place
    if first is not None and last is not None:
        yield first, last


def _bars(left: float, wide: float, bars: _Shape) -> str:
    return "".join(f"M{left:.1f} {top}h{wide:.1f}v{high}h-{wide:.1f}z" for top, high in bars)
