"""What is to be in the lake, by the contract's words alone: dictionaries of rows, and the rules that move them.

Nothing here reads Postgres or a file, and none of the suite's or the controller's code is used.
"""

import math
import struct
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

LAG = timedelta(seconds=60)
LATE_WINDOW = timedelta(hours=48)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)

Key = tuple[str, datetime]


class Row(NamedTuple):
    """What both sides keep of a key; a value is its bits, with one NaN for all."""

    bits: int
    quality: int | None
    inserted_at: datetime | None

    @classmethod
    def of(cls, value: float, quality: int | None, inserted_at: datetime | None) -> "Row":
        (bits,) = struct.unpack("<Q", struct.pack("<d", math.nan if math.isnan(value) else value))
        return cls(bits, quality, inserted_at)

    def written(self, ts: datetime) -> "Row":
        """Return it as the lake's writer makes it: no quality is 0, no insertion time is the row's own instant."""
        return self._replace(quality=self.quality or 0, inserted_at=self.inserted_at or ts)


Held = frozenset[Row | None]
"""What the lake may hold of a key: one thing, unless a crash has left open which."""


class Promise(NamedTuple):
    """The covered range, from its first to its last microsecond, the end of the last backfill, the watermark."""

    start: datetime
    end: datetime
    backfill_to: datetime
    watermark: datetime

    def holds(self, key: Key) -> bool:
        return self.start <= key[1] <= self.end

    def due(self, key: Key, row: Row) -> bool:
        if row.inserted_at is None:
            return key[1] < self.untimed_until
        return row.inserted_at <= self.watermark and not self.not_promised(key, row)

    @property
    def untimed_until(self) -> datetime:
        """What a pass since the backfill found untimed in its late window, it has stamped: the rest came later."""
        if self.watermark == self.backfill_to:
            return self.backfill_to
        return min(self.backfill_to, self.watermark - LATE_WINDOW)

    def not_promised(self, key: Key, row: Row) -> bool:
        """Whether a row was there at the backfill and lies ahead of its range.

        Of the last date the backfill has removed it; whether an earlier pass has brought another is not said.
        """
        return self.backfill_to <= key[1] and row.inserted_at is not None and row.inserted_at <= self.backfill_to

    def seen(self, row: Row | None) -> bool:
        """Whether a row of the lake counts: what was inserted after the watermark does not."""
        return row is not None and (row.inserted_at is None or row.inserted_at <= self.watermark)


@dataclass
class Totals:
    """Rows of one sensor; of the lake the least and the most that are possible."""

    due: int = 0
    not_due: int = 0
    lake_least: int = 0
    lake_most: int = 0


@dataclass
class Model:
    """Postgres as `rows`, the lake as `lake`, and the state of replication."""

    rows: dict[Key, Row] = field(default_factory=dict)
    lake: dict[Key, Held] = field(default_factory=dict)
    watermark: datetime | None = None
    backfill_from: datetime | None = None
    backfill_to: datetime | None = None

    # ---- the controller ----------------------------------------------------------------------------------------

    def due_through(self, now: datetime) -> datetime:
        return now - LAG if self.watermark is None else max(now - LAG, self.watermark)

    def tick(self, now: datetime) -> None:
        """Stamp the untimed rows of the late window, then take up what was inserted after the watermark."""
        through = self.due_through(now)
        for key, row in self.rows.items():
            untimed = row.inserted_at is None and through != self.watermark
            if untimed and through - LATE_WINDOW <= key[1] <= through:
                self.rows[key] = row._replace(inserted_at=through)
        self._increment(through, lambda _: True)
        self.watermark = through

    def backfill(
        self, now: datetime, days: int, *, replace: bool, days_done: int | None = None, emptied: bool = False
    ) -> None:
        """Take up a range of `ts` anew, and all else that is due.

        Canceled, it did some days and no more, or has `emptied` the next one too.
        """
        target = self.due_through(now)
        begin = target - days * DAY
        dates = days_of(begin, target)
        for day in dates[:days_done]:
            self._day(day, begin, target, replace=replace)
        if emptied and days_done is not None:
            self._remove(dates[days_done])
        if days_done is None:
            self._increment(target, lambda ts: not begin <= ts < target)
            self.watermark, self.backfill_from, self.backfill_to = target, begin, target

    def _increment(self, through: datetime, wanted: Callable[[datetime], bool]) -> None:
        after = through - LATE_WINDOW if self.watermark is None else max(through - LATE_WINDOW, self.watermark)
        for key, row in self.rows.items():
            if row.inserted_at is not None and after < row.inserted_at <= through and wanted(key[1]):
                self._add(key, row)

    def _day(self, day: date, begin: datetime, target: datetime, *, replace: bool) -> None:
        def part(key: Key) -> bool:
            return key[1].date() == day and begin <= key[1] < target

        if replace:
            self._remove(day)
        for key, row in self.rows.items():
            if part(key) and (row.inserted_at is None or row.inserted_at <= target):
                self._add(key, row)

    def _remove(self, day: date) -> None:
        self.lake = {key: held for key, held in self.lake.items() if key[1].date() != day}

    def _add(self, key: Key, row: Row) -> None:
        written = row.written(key[1])
        self.lake[key] = frozenset(_newest(held, written) for held in self.held(key))

    def broken_off(self, whole: "Model", emptied: Collection[date] = ()) -> None:
        """Die in the middle of what would lead to `whole`: of each key there is what was, or what was to be.

        Of the dates that may have been `emptied` there may be nothing. What is stamped in Postgres stays stamped.
        """
        for key in self.lake.keys() | whole.lake.keys():
            nothing: Held = frozenset([None]) if key[1].date() in emptied else frozenset()
            self.lake[key] = self.held(key) | whole.held(key) | nothing
        self.rows = whole.rows

    # ---- what is known -----------------------------------------------------------------------------------------

    def held(self, key: Key) -> Held:
        return self.lake.get(key, frozenset([None]))

    def promise(self) -> Promise | None:
        if self.watermark is None or self.backfill_from is None or self.backfill_to is None:
            return None
        return Promise(self.backfill_from, self.watermark, self.backfill_to, self.watermark)

    def deletable(self) -> list[Key]:
        """Return the keys of which the lake has no version that is yet to count."""
        mark = self.watermark
        return [
            key
            for key in sorted(self.rows)
            if not any(
                row and row.inserted_at is not None and (mark is None or row.inserted_at > mark)
                for row in self.held(key)
            )
        ]

    def differences(self, promise: Promise) -> dict[Key, frozenset[str | None]]:
        """Return each key that differs, or may, with how; `None` among these says that it may be right."""
        found = {}
        for key in filter(promise.holds, self.rows.keys() | self.lake.keys()):
            kinds = frozenset(self._difference(promise, key, held) for held in self.held(key))
            if kinds != {None}:
                found[key] = kinds
        return found

    def _difference(self, promise: Promise, key: Key, held: Row | None) -> str | None:
        row = self.rows.get(key)
        seen = held if promise.seen(held) else None
        if row is None:
            return "extra" if seen else None
        if not promise.due(key, row):
            return None
        if seen is None:
            return "missing"
        if seen.bits != row.bits:
            return "changed_value"
        return "changed_quality" if seen.quality != (row.quality or 0) else None

    def totals(self, promise: Promise) -> dict[str, Totals]:
        """Count each sensor's keys on both sides; what is not due counts on neither."""
        found: dict[str, Totals] = defaultdict(Totals)
        for key in filter(promise.holds, self.rows.keys() | self.lake.keys()):
            row, counts = self.rows.get(key), found[key[0]]
            if row is not None and not promise.due(key, row):
                counts.not_due += 1
                continue
            counts.due += row is not None
            seen = [promise.seen(held) for held in self.held(key)]
            counts.lake_least += all(seen)
            counts.lake_most += any(seen)
        return found

    def dates(self, promise: Promise) -> tuple[set[date], set[date], set[date], set[date]]:
        """Return the dates with a due row, with any row, with a file for sure, and with one maybe."""
        within = [key for key in self.rows if promise.holds(key)]
        return (
            {key[1].date() for key in within if promise.due(key, self.rows[key])},
            {key[1].date() for key in within},
            {key[1].date() for key, held in self.lake.items() if None not in held},
            {key[1].date() for key, held in self.lake.items() if held != {None}},
        )


def days_of(begin: datetime, end: datetime) -> list[date]:
    """Return the UTC days of a range without its end."""
    first, last = begin.date(), (end - MICROSECOND).date()
    return [first + number * DAY for number in range((last - first).days + 1)]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def named(differences: Iterable[tuple[str, datetime, str]]) -> Mapping[Key, str]:
    """Return differences by key; no key may differ twice."""
    found: dict[Key, str] = {}
    for sensor, ts, kind in differences:
        assert (sensor, ts) not in found, (sensor, ts)
        found[sensor, ts] = kind
    return found


def _newest(held: Row | None, row: Row) -> Row:
    """Keep the newest insertion; of equals the later file counts."""
    assert row.inserted_at is not None
    if held is None or held.inserted_at is None:
        return row
    return row if row.inserted_at >= held.inserted_at else held
