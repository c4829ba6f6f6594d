"""hypothesis strategies for windows at or below the watermark, each biased to an edge where copies go wrong.

Public: step 7 draws from `windows`, and so may any test of a copy of time series.

>>> covered = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
>>> marks = Landmarks(covered, row_instants=[datetime(2026, 1, 7, 12, tzinfo=UTC)])
>>> strategy = windows(marks, "day-boundary") | windows(marks, "single-row")

**What is drawn.** A `Window` of `ts`, both ends inclusive, as the parity job takes it (contract section 3). Both
ends are UTC-aware and whole microseconds, which is what Postgres and the lake keep; a naive end, or one that a
`Landmarks` of naive instants would lead to, is a `ValueError`.

**Bounds.** Every window lies in `marks.covered`, so it ends at or before the watermark, and is at most
`LONGEST_RANDOM_DAYS` long, so that hundreds of them stay gentle on a live database. A window may be a single
microsecond, and may hold no row. Where there is nothing to draw at (no midnight in the covered window, no row that
is known), an edge falls back to `random`.

**The edges**, those of `EDGES`, by what such a window does:

`random`          begins anywhere
`day-boundary`    begins or ends within a microsecond of a UTC midnight, where partitions meet (section 4)
`backfill-start`  begins with one of the first three covered microseconds: a backfill begins amid a day (section 3)
`watermark`       ends with one of the last three covered microseconds (section 4)
`single-row`      is the microsecond of a row: both ends are inclusive (section 3)
`beside-a-row`    ends a microsecond before a row, or begins one after it: the row must not be counted
`empty`           is a random microsecond, where hardly ever a row lies

**How it shrinks.** Towards the earliest start and the shortest length: first the covered window's own start (or
the first landmark), then no length at all, a day, second and microsecond at a time. That is the simplest window
to draw, not the smallest that fails: to get there, halve the failing one with `Window.halves` for as long as a
half fails, as step 7 does.

**The same seed** draws the same windows from the same landmarks only. On a controller that runs the covered window
moves on, so a failing window is repeated by its two ends.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from hypothesis import strategies as st

from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, from_micros, to_micros
from tsse_validation.domain.windows import Window
from tsse_validation.parity.landmarks import EDGES, Landmarks

LONGEST_RANDOM_DAYS = 3
_EVENLY_DRAWN = 2**24
"""Of ranges up to here hypothesis draws evenly."""


def _micros(most: int) -> st.SearchStrategy[int]:
    """Draw a number of microseconds from all of the range: of one large integer, hypothesis draws small values."""
    if most <= _EVENLY_DRAWN:
        return st.integers(0, most)
    second, day = timedelta(seconds=1) // MICROSECOND, DAY // MICROSECOND
    return st.builds(
        lambda days, seconds, rest: min(days * day + seconds * second + rest, most),
        st.integers(0, most // day),
        st.integers(0, min(most, day - 1) // second),
        st.integers(0, second - 1),
    )


def _instants(low: datetime, high: datetime) -> st.SearchStrategy[datetime]:
    first = to_micros(low)
    return _micros(to_micros(high) - first).map(lambda micros: from_micros(first + micros))


def _span(covered: Window, start: st.SearchStrategy[datetime]) -> st.SearchStrategy[Window]:
    """Draw a window from a start; at most a few days long, so that hundreds stay gentle on a live database."""
    lengths = _micros(LONGEST_RANDOM_DAYS * (DAY // MICROSECOND))
    return st.builds(lambda at, micros: Window(at, min(at + micros * MICROSECOND, covered.end)), start, lengths)


def _random(marks: Landmarks) -> st.SearchStrategy[Window]:
    return _span(marks.covered, _instants(marks.covered.start, marks.covered.end))


def _day_boundary(marks: Landmarks) -> st.SearchStrategy[Window]:
    # a covered window that ends with a day's last microsecond ends beside the next day's midnight
    around = Window(marks.covered.start - MICROSECOND, marks.covered.end + MICROSECOND)
    midnights = [
        instant
        for day in around.days()
        for offset in (-1, 0, 1)
        if (instant := day_start(day) + offset * MICROSECOND) in marks.covered
    ]
    if not midnights:
        return _random(marks)
    edge = st.sampled_from(midnights)
    ending = st.builds(
        lambda end, micros: Window(max(marks.covered.start, end - micros * MICROSECOND), end),
        edge,
        _micros(DAY // MICROSECOND),
    )
    return _span(marks.covered, edge) | ending


def _backfill_start(marks: Landmarks) -> st.SearchStrategy[Window]:
    return _span(
        marks.covered, st.integers(0, 2).map(lambda n: _inside(marks, marks.covered.start + n * MICROSECOND))
    )


def _watermark(marks: Landmarks) -> st.SearchStrategy[Window]:
    longest = LONGEST_RANDOM_DAYS * (DAY // MICROSECOND)
    return st.builds(
        lambda back, micros: _ending(marks, marks.covered.end - back * MICROSECOND, micros),
        st.integers(0, 2),
        _micros(longest),
    )


def _single_row(marks: Landmarks) -> st.SearchStrategy[Window]:
    if not marks.row_instants:
        return _random(marks)
    return st.sampled_from(list(marks.row_instants)).map(lambda at: Window(at, at))


def _beside_a_row(marks: Landmarks) -> st.SearchStrategy[Window]:
    if not marks.row_instants:
        return _random(marks)
    after = st.builds(
        lambda at, micros: Window(
            _inside(marks, at + MICROSECOND), _inside(marks, at + (1 + micros) * MICROSECOND)
        ),
        st.sampled_from(list(marks.row_instants)),
        _micros(DAY // MICROSECOND),
    )
    before = st.builds(
        lambda at, micros: _ending(marks, at - MICROSECOND, micros),
        st.sampled_from(list(marks.row_instants)),
        _micros(DAY // MICROSECOND),
    )
    return after | before


def _empty(marks: Landmarks) -> st.SearchStrategy[Window]:
    return _instants(marks.covered.start, marks.covered.end).map(lambda at: Window(at, at))


_DRAWN: Mapping[str, Callable[[Landmarks], st.SearchStrategy[Window]]] = {
    "random": _random,
    "day-boundary": _day_boundary,
    "backfill-start": _backfill_start,
    "watermark": _watermark,
    "single-row": _single_row,
    "beside-a-row": _beside_a_row,
    "empty": _empty,
}


def windows(marks: Landmarks, edge: str) -> st.SearchStrategy[Window]:
    """Draw windows of one kind, inclusive, UTC and in microseconds; every one lies in the covered window.

    `edge` is one of `EDGES`; the module's own text tells what each does, and how windows shrink.

    >>> from datetime import UTC, datetime
    >>> from hypothesis import find
    >>> from tsse_validation import Landmarks, Window, windows
    >>> january = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    >>> str(find(windows(Landmarks(january, []), "backfill-start"), lambda window: True))
    '2026-01-01T00:00:00.000000+00:00 → 2026-01-01T00:00:00.000000+00:00'

    Raises:
        ValueError: there is no such edge.
    """
    if edge not in EDGES:
        msg = f"no edge is called {edge!r}: there are {', '.join(EDGES)}"
        raise ValueError(msg)
    return _DRAWN[edge](marks)


def _inside(marks: Landmarks, instant: datetime) -> datetime:
    return min(max(instant, marks.covered.start), marks.covered.end)


def _ending(marks: Landmarks, end: datetime, micros: int) -> Window:
    end = _inside(marks, end)
    return Window(max(marks.covered.start, end - micros * MICROSECOND), end)
