"""What the lake promises to hold, and the scope that is compared: pure, UTC, microseconds."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from tsse_validation.domain.contract import LATE_WINDOW_HOURS, Replication
from tsse_validation.domain.errors import BlockedError, NotCheckedError
from tsse_validation.domain.instants import day_start, utc_day
from tsse_validation.domain.windows import Window, in_slices, without_days

_LATE_WINDOW = timedelta(hours=LATE_WINDOW_HOURS)
_LONGEST_LATE_WINDOW_HOURS = 8_760
"""More than any setting allows: such a state is not believed."""
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Coverage:
    """What the lake promises after a backfill (contract section 3).

    Rows with `ts` in `[backfill_from, backfill_to)` were exported; rows inserted up to `watermark` have followed
    by incremental replication. A row without `inserted_at` enters by a backfill, or by a pass, which first gives
    those of the late window its target for one.
    """

    backfill_from: datetime
    backfill_to: datetime
    watermark: datetime
    late_window: timedelta = _LATE_WINDOW

    @classmethod
    def promised_by(cls, replication: Replication) -> "Coverage":
        """Return what a replication state promises; raises NotCheckedError when no backfill has completed."""
        begin, end, watermark = (
            replication.backfill_from_ts,
            replication.backfill_to_ts,
            replication.computed_through_ts,
        )
        if begin is None or end is None or watermark is None:
            raise NotCheckedError("The lake has no completed backfill: nothing is promised.", "Backfill it first.")
        hours = replication.last_late_window_hours or LATE_WINDOW_HOURS
        believed = 0 < hours <= _LONGEST_LATE_WINDOW_HOURS
        return cls(begin, end, watermark, timedelta(hours=hours) if believed else _LATE_WINDOW)

    def after_retention(self, days: int, now: datetime) -> "Coverage":
        """Return what is left without a cold place, where dates older than `days` are deleted (section 4).

        The range then begins no earlier than the oldest date that retention keeps, now or within the hour.
        """
        oldest_kept = day_start(utc_day(now + timedelta(hours=1)) - timedelta(days=days))
        return replace(self, backfill_from=max(self.backfill_from, oldest_kept))

    @property
    def window(self) -> Window | None:
        """The window in which every due row must be in the lake; `None` when it is empty."""
        return Window(self.backfill_from, self.watermark) if self.backfill_from <= self.watermark else None

    @property
    def untimed_until(self) -> datetime:
        """The `ts` before which a row without `inserted_at` was there for the backfill, and is due.

        A pass since then has given one to all of the late window: what has none there has come in after that pass.
        """
        if self.watermark <= self.backfill_to:
            return self.backfill_to
        back = min(self.late_window, self.watermark - _BEGINNING)
        return min(self.backfill_to, self.watermark - back)

    def due(self, ts: datetime, inserted_at: datetime | None) -> bool:
        """Whether the lake must hold a row of Postgres; the SQL of `clients.postgres` states the same rule."""
        if self.window is None or ts not in self.window:
            return False
        return ts < self.untimed_until if inserted_at is None else inserted_at <= self.watermark


@dataclass(frozen=True)
class Scope:
    """What is compared: a window of `ts`, and the coverage that decides which of its rows are due in the lake."""

    window: Window
    coverage: Coverage

    @classmethod
    def covered_by(cls, coverage: Coverage) -> "Scope":
        """Return the whole covered range; raises BlockedError when it is empty."""
        if coverage.window is None:
            raise BlockedError("The lake's covered range is empty.", "Backfill it first.")
        return cls(coverage.window, coverage)

    def narrowed(self, window: Window) -> "Scope":
        """Return the same coverage with another window, as a rule a part of this one."""
        return replace(self, window=window)

    def split_by_day(self) -> Iterator["Scope"]:
        """Yield the part of each UTC day; together they are the window, and none overlap."""
        return map(self.narrowed, self.window.split_by_day())

    def without_days(self, days: Collection[date]) -> list["Scope"]:
        """Return the scope without some UTC days, in as few parts as possible, ascending."""
        return [self.narrowed(left) for left in without_days(self.window, days)]

    def in_slices(self, slices: int) -> list["Scope"]:
        """Split it at midnights into about as many slices, of days as equal in number as can be."""
        return [self.narrowed(piece) for piece in in_slices(self.window, slices)]
