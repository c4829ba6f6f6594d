"""How much of `metrics` one statement may take, by chunks, by rows, and by how long the last one took. Pure.

A statement locks each chunk that it may read, and each index of these, until its transaction ends. The room for
locks is shared by all sessions of the server: with thousands of chunks, one statement could use it up.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import accumulate

from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, utc_day
from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.domain.windows import Window

MOST_CHUNKS = 64
"""Chunks that one statement may lock, where the server has the room."""
LOCK_ROOM_DIVISOR = 10
"""One statement takes at most this part of the locks that all sessions of the server share."""
MOST_ROWS = 50_000_000
"""Rows that one statement may read, about: some 20 seconds of one core of the server."""
FIRST_ROWS = 1_000_000
"""The first statement reads at most this, about: a quarter of a second of a server, or several of a small one."""
FIRST_LENGTH = timedelta(days=14)
"""What the first statement takes of a table that nobody has counted."""
AIM_SECONDS = 10.0
"""How long a piece should take: worth its transaction, and not too long for those who wait for its end."""
MOST_TO_BE_SOME = 0.5
"""Of a table's rows: more than this part of them is read no faster by an index than with all others."""
_TELLING_ROWS = 100_000
"""How long fewer take says little of how long many will."""
_MOST_GROWTH_AT_ONCE = 32.0
_SHORTEST = timedelta(minutes=1)
_MOST_GROWTH = 2.0**16
"""All of the calendar: chunks and rows bound a piece all the same."""
_LEAST_GROWTH = 1 / 4096
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class TableKind(StrEnum):
    """What kind of table `metrics` is (contract section 5)."""

    PLAIN = "plain table"
    PARTITIONED = "partitioned table"
    INHERITED = "table with child tables"
    HYPERTABLE = "hypertable"


@dataclass(frozen=True)
class Chunk:
    """A chunk, partition or child table: `ts` from `start` up to but not including `end`; `None` is not bounded.

    `rows` is an estimate. `name` is how SQL names it.
    """

    name: str
    start: datetime | None = None
    end: datetime | None = None
    rows: int = 0
    compressed: bool = False

    @property
    def bounded(self) -> bool:
        """Whether both ends are known."""
        return self.start is not None and self.end is not None

    def meets(self, window: Window) -> bool:
        """Whether a row of a window may lie here."""
        return (self.start or _EARLIEST) <= window.end and window.start < (self.end or _LATEST)

    def rows_within(self, window: Window, whole: Window) -> float:
        """Return about how many of the rows lie in a window; what is not bounded is spread over `whole`."""
        start, end = self.start or whole.start, self.end or whole.end
        inside = min(end, window.end) - max(start, window.start)
        share = inside / (end - start) if end > start else 1.0
        return self.rows * min(1.0, max(0.0, share))


@dataclass(frozen=True)
class TableLayout:
    """What `metrics` consists of. `rows` is an estimate, of the chunks' rows too.

    `locks_each` counts a chunk and its indexes. `lock_room` is how many locks all sessions of the server share.
    With `by_name` a statement names the child tables that it reads, as the server would lock all of them else.
    `extension_schema` is where TimescaleDB's functions are, for a hypertable. A plain table is `in_order` where
    its rows lie about in the order of `ts`, and an index finds them by it.
    """

    kind: TableKind
    chunks: Sequence[Chunk] = ()
    rows: int = 0
    locks_each: int = 1
    lock_room: int = 6_400
    by_name: bool = False
    extension_schema: str = ""
    in_order: bool = False

    def __str__(self) -> str:
        match self.kind:
            case TableKind.HYPERTABLE:
                compressed = sum(chunk.compressed for chunk in self.chunks)
                return f"hypertable, {count_of(len(self.chunks), 'chunk')}, {number(compressed)} compressed"
            case TableKind.PARTITIONED:
                return f"partitioned table, {count_of(len(self.chunks), 'partition')}"
            case TableKind.INHERITED:
                return f"table with {count_of(len(self.chunks), 'child table')}"
            case TableKind.PLAIN:
                return "plain table"

    @property
    def most_chunks(self) -> int:
        """Chunks that one statement may lock here."""
        return max(1, min(MOST_CHUNKS, self.lock_room // LOCK_ROOM_DIVISOR // self.locks_each))

    def chunks_in(self, window: Window) -> list[Chunk]:
        """Return the chunks in which a row of a window may lie."""
        first, beyond = self._range_of(window)
        return [chunk for chunk in (*self._bounded[first:beyond], *self._unbounded) if chunk.meets(window)]

    def bounded_in(self, window: Window) -> int:
        """Return how many chunks a window meets, without those of which not both ends are known."""
        first, beyond = self._range_of(window)
        return beyond - first

    def locks(self, window: Window) -> int:
        """Return how many locks a statement on a window takes, about."""
        spared = self.kind is not TableKind.INHERITED or self.by_name
        return (1 + len(self.chunks_in(window) if spared else self.chunks)) * self.locks_each

    def rows_in(self, window: Window, whole: Window) -> float:
        """Return about how many rows lie in a window, a part of `whole`."""
        if not self.chunks:
            return Chunk("", rows=self.rows).rows_within(window, whole)
        return sum(chunk.rows_within(window, whole) for chunk in self.chunks_in(window))

    def is_some(self, window: Window, whole: Window) -> bool:
        """Whether a window's rows lie together in a plain table, and are too few for all of it to be read."""
        return self.in_order and self.rows_in(window, whole) < self.rows * MOST_TO_BE_SOME

    def _range_of(self, window: Window) -> tuple[int, int]:
        return bisect_right(self._latest_ends, window.start), bisect_right(self._starts, window.end)

    @cached_property
    def _bounded(self) -> list[Chunk]:
        return sorted(
            (chunk for chunk in self.chunks if chunk.bounded), key=lambda chunk: chunk.start or _EARLIEST
        )

    @cached_property
    def _unbounded(self) -> list[Chunk]:
        return [chunk for chunk in self.chunks if not chunk.bounded]

    @cached_property
    def _starts(self) -> list[datetime]:
        return [chunk.start or _EARLIEST for chunk in self._bounded]

    @cached_property
    def _latest_ends(self) -> list[datetime]:
        """The latest end of each chunk and all before it: they ascend, whatever the chunks' ends do."""
        return list(accumulate((chunk.end or _LATEST for chunk in self._bounded), max))


@dataclass
class Pace:
    """How much the next piece may take, learned from the last ones: `growth` times what the first may.

    Fast pieces let it grow, up to what should take three quarters of the aim. Slow ones let it shrink, unless that
    is in vain: where a smaller piece takes as long, each statement reads all of the table, and the fewer there are
    the better.
    """

    aim_seconds: float = AIM_SECONDS
    growth: float = 1.0
    _shrunk_after: float | None = field(default=None, init=False)
    _in_vain: bool = field(default=False, init=False)

    @property
    def most_rows(self) -> float:
        """Rows of the next piece, at the most."""
        return min(MOST_ROWS, FIRST_ROWS * self.growth)

    def longest(self, rows: int) -> timedelta:
        """Return the length of the next piece of a table of about so many rows, at the most; 0 are unknown.

        Rows alone bound a piece of a known table, until one was slow: then the estimate is not trusted.
        """
        known = rows > 0 and self.growth >= 1.0
        return _LATEST - _EARLIEST if known else FIRST_LENGTH * self.growth

    def took(self, piece: Window, seconds: float, rows: float = 0) -> None:
        """Take note of a piece that was read, of about so many rows; 0 are unknown."""
        if seconds < self.aim_seconds / 2 or self._in_vain:
            grown = self.aim_seconds * 3 / 4 / seconds if rows >= _TELLING_ROWS and seconds else 2.0
            self.growth = min(_MOST_GROWTH, self.growth * min(_MOST_GROWTH_AT_ONCE, max(2.0, grown)))
            self._shrunk_after = None
        elif seconds > self.aim_seconds * 2:
            if self._shrunk_after is not None and seconds > self._shrunk_after * 3 / 4:
                self._in_vain, self.growth = True, _MOST_GROWTH
                return
            self._shrunk_after = seconds
            self._shrink_below(piece)

    def failed(self, piece: Window) -> None:
        """Take note of a piece that could not be read: for its time, a lock, or want of room."""
        self._shrink_below(piece)

    def _shrink_below(self, piece: Window) -> None:
        self.growth = max(_LEAST_GROWTH, min(self.growth, (piece.end - piece.start) / FIRST_LENGTH) / 2)


def next_piece(left: Window, whole: Window, layout: TableLayout, pace: Pace) -> Window:
    """Return the first part of what is left of a window that one statement may read.

    It ends at a midnight (UTC) where a whole day fits, and within the day where none does.
    """
    longest = pace.longest(layout.rows)

    def fits(piece: Window) -> bool:
        return (
            piece.end - piece.start <= longest
            and layout.bounded_in(piece) <= layout.most_chunks
            and layout.rows_in(piece, whole) <= pace.most_rows
        )

    first = utc_day(left.start)
    days = range((utc_day(left.end) - first).days + 1)
    # what fits does so with fewer days, too: a range of two thousand years is soon cut
    whole_days = bisect_left(days, True, key=lambda number: not fits(_through(left, first, number)))
    return (
        _through(left, first, whole_days - 1)
        if whole_days
        else _within_a_day(_through(left, first, 0), longest, fits)
    )


def _through(window: Window, first: date, number: int) -> Window:
    """Return a window up to the end of its so many-th day."""
    midnight = day_start(first + timedelta(days=number)) + (DAY - MICROSECOND)
    return Window(window.start, min(window.end, midnight))


def _within_a_day(day: Window, longest: timedelta, fits: Callable[[Window], bool]) -> Window:
    length = min(day.end - day.start, longest)
    while length > _SHORTEST and not fits(Window(day.start, day.start + length)):
        length /= 2
    return Window(day.start, min(day.end, day.start + max(length, _SHORTEST)))
