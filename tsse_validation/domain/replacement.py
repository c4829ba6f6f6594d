"""What a backfill replaces, and what that takes away: pure rules (contract section 3).

For each date of its range a backfill removes the date's directories, hot and cold, and then writes what Postgres
holds of the date within the range. So rows of the first date that lie before the range go, and rows that Postgres
does not hold any more go too, though the lake has the only copy.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, utc_day
from tsse_validation.domain.phrasing import count_of, days_in_words
from tsse_validation.domain.windows import Window

LONGEST_LAG = timedelta(hours=1)
"""The longest lag guard that a controller takes (contract section 7)."""
MARGIN = timedelta(minutes=5)
"""How long a backfill may wait for its turn in the controller: its range begins so much later."""
MOST_DAYS = 365
"""The longest backfill (contract section 3)."""


@dataclass(frozen=True)
class Replacement:
    """What a backfill of so many days replaces; its target lies from `earliest` to `latest`."""

    days: int
    earliest: datetime
    latest: datetime

    @classmethod
    def expected(cls, days: int, now: datetime, last_inserted_at: datetime | None) -> "Replacement":
        """Return what a backfill would replace: its target is ``max(last_inserted_at, now − lag)``."""
        known = last_inserted_at or now - LONGEST_LAG
        return cls(days, max(known, now - LONGEST_LAG), max(known, now + MARGIN))

    def of(self, days: int) -> "Replacement":
        """Return the same with another number of days."""
        return Replacement(days, self.earliest, self.latest)

    @property
    def begins(self) -> datetime:
        """The latest instant at which the range may begin: what lies before it on the first date may go."""
        return self.latest - timedelta(days=self.days)

    @property
    def first(self) -> date:
        """The first date that may be replaced."""
        return utc_day(self.earliest - timedelta(days=self.days))

    @property
    def last(self) -> date:
        """The last date that may be replaced."""
        return utc_day(self.latest)

    @property
    def dates(self) -> list[date]:
        """The dates that may be replaced, ascending."""
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    @property
    def before(self) -> Window | None:
        """The part of the first date that lies before the range, or `None` when the range begins with the date."""
        start = day_start(self.first)
        return Window(start, self.begins - MICROSECOND) if start < self.begins else None

    @property
    def within(self) -> Window:
        """The range, up to the end of its last date: what Postgres holds of it is written again."""
        return Window(self.begins, day_start(self.last) + DAY - MICROSECOND)

    def __str__(self) -> str:
        """Say what is replaced: ``91 dates, 2026-08-28 to 2026-11-26, …``."""
        said = f"{count_of(len(self.dates), 'date')}, {self.first} to {self.last}, hot and cold"
        if self.before is None:
            return said
        return f"{said}; rows of {utc_day(self.begins)} before about {self.begins:%H:%M} (UTC) would go"


@dataclass(frozen=True, order=True)
class Loss:
    """Rows of a date that the lake would lose, or has lost; `rows` is `None` where they cannot be counted.

    `before` is the time up to which the date's rows go, for they lie before the range; `None`: Postgres does not
    hold them, or holds nothing at all of the date (`whole`).
    """

    day: date
    rows: int | None
    before: datetime | None = None
    whole: bool = False


def losses_in_words(losses: Iterable[Loss]) -> str:
    """Say what is lost, dates in a row together."""
    told = []
    ordered = sorted(losses, key=lambda loss: (loss.before is None, not loss.whole, loss.day))
    for (cut, whole), alike in groupby(ordered, key=lambda loss: (loss.before, loss.whole)):
        for some in _runs(list(alike)):
            days = days_in_words([loss.day for loss in some])
            if cut is not None:
                told.append(f"{_rows(some)} of {days} before {cut:%H:%M} (before the range)")
            elif whole:
                told.append(f"{_rows(some)} of {days}, of which Postgres holds nothing")
            else:
                told.append(f"{_rows(some)} of {days} that Postgres does not hold")
    return "; ".join(told)


def _rows(losses: Sequence[Loss]) -> str:
    known = [loss.rows for loss in losses if loss.rows is not None]
    return count_of(sum(known), "row") if len(known) == len(losses) else "the rows"


def _runs(losses: list[Loss]) -> list[list[Loss]]:
    """Split losses where a date is left out."""
    runs: list[list[Loss]] = []
    for loss in losses:
        if runs and loss.day - runs[-1][-1].day <= timedelta(days=1):
            runs[-1].append(loss)
        else:
            runs.append([loss])
    return runs


def rows_lost(losses: Iterable[Loss]) -> int:
    """Return how many rows are lost, as far as they could be counted."""
    return sum(loss.rows or 0 for loss in losses)


def safe_days(
    asked: Replacement,
    *,
    cuts: Callable[[Replacement], bool],
    beyond_postgres: Callable[[Replacement], bool],
    longest: int = MOST_DAYS,
) -> int | None:
    """Return the number of days nearest to what is asked, longer ones first, whose backfill loses nothing.

    `cuts` says whether the lake holds rows of the first date before the range; `beyond_postgres` whether it holds
    rows within the range that Postgres does not.
    """
    within = beyond_postgres(asked)
    longer = () if within else range(asked.days + 1, longest + 1)
    # a range that begins earlier holds all that this one holds: the first that cuts nothing decides
    for days in longer:
        if not cuts(asked.of(days)):
            if not beyond_postgres(asked.of(days)):
                return days
            break
    return next(
        (
            days
            for days in range(asked.days - 1, 0, -1)
            if not cuts(asked.of(days)) and not (within and beyond_postgres(asked.of(days)))
        ),
        None,
    )


FilesOfDate = dict[tuple[str, str], int | None]
"""The files of a date: `(shard, name)` with the rows of each, `None` where they cannot be counted."""


def gone_from(before: FilesOfDate, after: FilesOfDate) -> int | None:
    """Return how many rows of a date are gone by its files; 0 when none is, `None` when they cannot be counted.

    Compaction replaces a shard's files by one of its own, and replication adds files: neither takes a row away.
    Where several files were replaced by others, their copies cannot be told from rows: that counts as none.
    """
    shrunk = sum(max(0, (before[place] or 0) - (after[place] or 0)) for place in before.keys() & after.keys())
    gone_of = defaultdict[str, list[int | None]](list)
    for place in before.keys() - after.keys():
        gone_of[place[0]].append(before[place])
    lost: int | None = shrunk
    for shard, gone in gone_of.items():
        new = {
            name: rows for (other, name), rows in after.items() if other == shard and (shard, name) not in before
        }
        if any(name.startswith("compact-") for name in new) or (new and len(gone) > 1):
            continue
        rows = None if None in gone else sum(filter(None, gone)) - sum(filter(None, new.values()))
        lost = None if lost is None or rows is None else lost + max(0, rows)
    return lost
