"""Windows of time: pure, both ends inclusive, UTC, microseconds."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tsse_validation.domain.instants import (
    DAY,
    MICROSECOND,
    Instant,
    day_start,
    format_rfc3339,
    require_utc,
    utc_day,
)

SPOT_WINDOW = timedelta(hours=24)
"""Length of the parity window where none is asked for."""


@dataclass(frozen=True, order=True)
class Window:
    """A window of `ts`, both ends inclusive, as the parity job takes it (contract section 3).

    In JSON, as the controller and the run log write it, it is an object of `start` and `end`, each RFC 3339. Both
    ends are kept in UTC, at the microsecond.

    >>> from datetime import UTC, datetime
    >>> from tsse_validation import Window
    >>> window = Window(datetime(2026, 1, 1, 18, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
    >>> [str(day) for day in window.days()]
    ['2026-01-01', '2026-01-02', '2026-01-03']
    >>> window.end in window
    True

    Raises:
        ValueError: an end is naive, or the end lies before the start.
    """

    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", require_utc(self.start))
        object.__setattr__(self, "end", require_utc(self.end))
        if self.end < self.start:
            msg = f"window ends before it starts: {self}"
            raise ValueError(msg)

    def __str__(self) -> str:
        return f"{format_rfc3339(self.start)} → {format_rfc3339(self.end)}"

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant <= self.end

    def clamp(self, outer: "Window") -> "Window | None":
        """Return the part that lies in `outer`, or `None` when nothing does."""
        start, end = max(self.start, outer.start), min(self.end, outer.end)
        return Window(start, end) if start <= end else None

    def on(self, day: date) -> "Window | None":
        """Return the part that lies on a UTC day, or `None` when nothing does."""
        if not utc_day(self.start) <= day <= utc_day(self.end):
            return None
        return Window(max(self.start, day_start(day)), min(self.end, day_start(day) + DAY - MICROSECOND))

    def days(self) -> Iterator[date]:
        """Yield the UTC days that the window touches, ascending."""
        day = utc_day(self.start)
        while day <= utc_day(self.end):
            yield day
            day += timedelta(days=1)

    @property
    def is_whole_day(self) -> bool:
        """Whether the window is one UTC day, from its first to its last microsecond."""
        return self.start == day_start(utc_day(self.start)) and self.end == self.start + DAY - MICROSECOND

    def halves(self) -> tuple["Window", "Window"]:
        """Split the window in two that do not overlap; it must be longer than a microsecond."""
        middle = self.start + (self.end - self.start) // 2
        return Window(self.start, middle), Window(middle + MICROSECOND, self.end)

    def split_by_day(self) -> Iterator["Window"]:
        """Yield the window's part of each UTC day; together they are the window, and none overlap."""
        for day in self.days():
            if (part := self.on(day)) is not None:
                yield part


def spanned(windows: Iterable[Window]) -> Window:
    """Return the shortest window that has all of some windows in it; at least one is wanted."""
    starts, ends = zip(*((window.start, window.end) for window in windows), strict=True)
    return Window(min(starts), max(ends))


def without_days(window: Window, days: Collection[date]) -> list[Window]:
    """Return a window without some of its UTC days, as few windows as possible, ascending."""
    return _joined(part for part in window.split_by_day() if part.start.date() not in days)


def without_windows(window: Window, others: Iterable[Window]) -> list[Window]:
    """Return what of a window lies in none of some others, as few windows as possible, ascending."""
    left, start = list[Window](), window.start
    for other in sorted(others):
        if other.end < start:
            continue
        if other.start > window.end:
            break
        if other.start > start:
            left.append(Window(start, other.start - MICROSECOND))
        if other.end >= window.end:
            return left
        start = other.end + MICROSECOND
    return [*left, Window(start, window.end)]


def on_days(window: Window, days: Iterable[date]) -> list[Window]:
    """Return the parts of a window on some UTC days, as few windows as possible, ascending."""
    return _joined(part for day in sorted(set(days)) if (part := window.on(day)) is not None)


def _joined(parts: Iterable[Window]) -> list[Window]:
    joined: list[Window] = []
    for part in parts:
        if joined and part.start - joined[-1].end == MICROSECOND:
            joined[-1] = Window(joined[-1].start, part.end)
        else:
            joined.append(part)
    return joined


def cut_at(window: Window, starts: Iterable[datetime], parts: int) -> list[Window]:
    """Split a window so that each piece touches at most `parts` of the parts that begin at `starts`."""
    inside = sorted({start for start in starts if window.start < start <= window.end})
    begins = [window.start, *inside[parts - 1 :: parts]]
    ends = [*(begin - MICROSECOND for begin in begins[1:]), window.end]
    return [Window(begin, end) for begin, end in zip(begins, ends, strict=True)]


def in_slices(window: Window, slices: int) -> list[Window]:
    """Split a window at midnights into about as many slices, of days as equal in number as can be."""
    parts = list(window.split_by_day())
    size = max(1, -(-len(parts) // max(1, slices)))
    return [
        Window(parts[at].start, parts[min(at + size, len(parts)) - 1].end) for at in range(0, len(parts), size)
    ]


def asked_and_promised(
    covered: Window, start: datetime | None, end: datetime | None
) -> tuple[Window, Window | None]:
    """Return the parity window that is asked for, and the part of it that the lake promises, or `None`.

    By default a window ends with the covered range, and begins `SPOT_WINDOW` before. A part of a single
    microsecond counts only where exactly that is asked for.
    """
    until = end or covered.end
    asked = Window(start or min(until, covered.end) - SPOT_WINDOW, until)
    promised = asked.clamp(covered)
    if promised is not None and promised.start == promised.end and promised != asked:
        return asked, None
    return asked, promised
