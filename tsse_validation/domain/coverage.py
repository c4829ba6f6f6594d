"""What the lake promises to hold, and the scope that is compared: pure, UTC, microseconds."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from tsse_validation.domain.contract import LATE_WINDOW_HOURS, Replication
from tsse_validation.domain.errors import BlockedError, NotCheckedError
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, utc_day
from tsse_validation.domain.windows import Window, in_slices, without_days

ALL_TIME = Window(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC) - MICROSECOND)
"""All instants that a partition of the lake can be named after, but for the calendar's first and last day."""
_LATE_WINDOW = timedelta(hours=LATE_WINDOW_HOURS)
_LONGEST_LATE_WINDOW_HOURS = 8_760
"""More than any setting allows: such a state is not believed."""
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Coverage:
    """What the lake promises after a backfill (contract sections 3 and 4).

    Rows with `ts` in `[backfill_from, backfill_to)` were exported; rows inserted up to `watermark` have followed
    by incremental replication, wherever their `ts` lies. A row without `inserted_at` enters by a backfill, or by
    a pass, which first gives those of the late window its target for one. Dates before `kept_from` are deleted by
    design.
    """

    backfill_from: datetime
    backfill_to: datetime
    watermark: datetime
    late_window: timedelta = _LATE_WINDOW
    kept_from: datetime = ALL_TIME.start

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
        return replace(self, backfill_from=max(self.backfill_from, oldest_kept), kept_from=oldest_kept)

    @property
    def window(self) -> Window | None:
        """The window in which every due row must be in the lake; `None` when it is empty."""
        return Window(self.backfill_from, self.watermark) if self.backfill_from <= self.watermark else None

    @property
    def end_of_last_day(self) -> datetime:
        """The last microsecond of the last date that the backfill has replaced."""
        return day_start(utc_day(self.backfill_to - MICROSECOND)) + DAY - MICROSECOND

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
        """Whether the lake must hold a row of the covered range; the SQL of `clients.snapshot` states the same.

        A row of after the backfill's target that was inserted before it, as a forecast is, was in no export: the
        backfill stops short of it, and passes read what was inserted later. Nobody promises it.
        """
        if self.window is None or ts not in self.window:
            return False
        if inserted_at is None:
            return ts < self.untimed_until
        return inserted_at <= self.watermark and (ts < self.backfill_to or inserted_at > self.backfill_to)

    def promises(self, ts: datetime, inserted_at: datetime | None) -> bool:
        """Whether the lake must hold a row of Postgres, wherever it lies.

        The watermark is a mark of insertion time (section 4): what was inserted since the backfill's target is
        promised in the covered range and beyond it, forecasts and imports of old rows alike.
        """
        if self.window is not None and ts in self.window:
            return self.due(ts, inserted_at)
        return (
            ts >= self.kept_from and inserted_at is not None and self.backfill_to < inserted_at <= self.watermark
        )

    def of_every_row(self) -> "Coverage":
        """Return the same watermark with all rows due that were inserted up to it, whoever promises them."""
        return replace(self, backfill_from=ALL_TIME.start, backfill_to=ALL_TIME.end)

    def outside(self) -> list[Window]:
        """Return all time before and after the covered range, but what is deleted by design."""
        if self.window is None:
            return [Window(self.kept_from, ALL_TIME.end)]
        before = (self.kept_from, self.window.start - MICROSECOND)
        after = (self.window.end + MICROSECOND, ALL_TIME.end)
        return [Window(start, end) for start, end in (before, after) if start <= end]


@dataclass(frozen=True)
class Scope:
    """What is compared: a window of `ts`, and the coverage that decides which of its rows are due in the lake.

    With `since` only rows that were inserted after it are: so it is outside of the covered range.
    """

    window: Window
    coverage: Coverage
    since: datetime | None = None

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

    def before_the_target(self, left: Window) -> Window:
        """Return what is left of the window up to the midnight before `untimed_until`, or all when that is past.

        All that was inserted by the watermark is due there, whatever its `ts`: that is cheap to ask of the server.
        """
        midnight = day_start(utc_day(self.coverage.untimed_until))
        return Window(left.start, midnight - MICROSECOND) if left.start < midnight <= left.end else left

    def in_slices(self, slices: int) -> list["Scope"]:
        """Split it at midnights into about as many slices, of days as equal in number as can be."""
        return [self.narrowed(piece) for piece in in_slices(self.window, slices)]

    def holds(self, ts: datetime, inserted_at: datetime | None) -> bool:
        """Whether a row of Postgres is one that this scope compares."""
        if ts not in self.window:
            return False
        if self.since is None:
            return self.coverage.due(ts, inserted_at)
        return inserted_at is not None and self.since < inserted_at <= self.coverage.watermark

    def with_older_versions(self) -> "Scope":
        """Return it without `since`: the versions of its keys that were inserted before, too."""
        return replace(self, since=None)


def scopes_beyond(coverage: Coverage, earlier: Coverage | None = None) -> list[Scope]:
    """Return what is promised outside of the covered range: the rows inserted since the backfill's target.

    `earlier` is what the lake promised before that backfill: its passes have brought rows, too. They are compared
    on the dates that the later backfill has not touched: what it removed of its first and last date is gone by
    design (contract section 3).
    """
    scopes = [Scope(window, coverage, coverage.backfill_to) for window in coverage.outside()]
    return scopes + _brought_before(coverage, earlier)


def scopes_since(
    coverage: Coverage, since: datetime, until: datetime | None = None, earlier: Coverage | None = None
) -> list[Scope]:
    """Return what is promised of the rows inserted after `since` and up to `until`, wherever they lie.

    `until` is the watermark or an instant before it. What was inserted before the backfill's target is promised
    where the backfill has exported it. `earlier` as in `scopes_beyond`.
    """
    end = coverage.watermark if until is None else min(until, coverage.watermark)
    target = coverage.backfill_to
    kept = Window(coverage.kept_from, ALL_TIME.end)
    if since >= target:
        scopes = [Scope(kept, coverage, since)]
    else:
        before = (kept.start, coverage.backfill_from - MICROSECOND, target)
        exported = (coverage.backfill_from, target - MICROSECOND, since)
        parts = (before, exported, (max(target, kept.start), kept.end, target))
        scopes = [Scope(Window(first, last), coverage, after) for first, last, after in parts if first <= last]
        scopes += _brought_before(coverage, earlier)
    ends = [min(end, scope.coverage.watermark) for scope in scopes]
    return [
        Scope(scope.window, replace(scope.coverage, watermark=last), max(since, scope.since or since))
        for scope, last in zip(scopes, ends, strict=True)
        if max(since, scope.since or since) < last
    ]


def _brought_before(coverage: Coverage, earlier: Coverage | None) -> list[Scope]:
    """Return what the passes before a backfill have brought, on the dates that it has not touched."""
    if earlier is None or not earlier.backfill_to < coverage.backfill_to:
        return []
    touched = replace(
        coverage,
        backfill_from=day_start(utc_day(coverage.backfill_from)),
        watermark=max(coverage.watermark, coverage.end_of_last_day),
    )
    passed = replace(earlier, watermark=min(earlier.watermark, coverage.backfill_to))
    return [Scope(window, passed, earlier.backfill_to) for window in touched.outside()]
