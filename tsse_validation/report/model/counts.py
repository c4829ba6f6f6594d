"""The counts as a report shows them: per sensor with both sources side by side, and per day."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby

from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.domain.windows import Window, spanned
from tsse_validation.report.model.text import Capped, capped
from tsse_validation.runlog.records import CountRow, CountsTaken
from tsse_validation.runlog.result import RunResult

MAX_SENSORS = 2_000
MAX_CELLS = 200


@dataclass(frozen=True)
class Totals:
    """Sums over rows of counts, and how many of these rows do not match."""

    rows: int
    postgres: int
    lake: int
    not_due: int
    pending: int
    mismatching: int


@dataclass(frozen=True)
class SensorLine:
    """One sensor's counts; a side that did not count it is `None`.

    `late` says that the job's count differs only by rows that arrived late, which is no mismatch.
    """

    sensor_id: str
    direct: CountRow | None
    job: CountRow | None
    late: bool = False

    @property
    def matches(self) -> bool:
        """Whether every source found Postgres and lake equal, apart from late rows."""
        sides = (self.direct, None if self.late else self.job)
        return all(agrees(row) for row in sides if row is not None)


@dataclass(frozen=True)
class CountsTable:
    """The counts of one window, ours and the job's; mismatching sensors come first.

    `requested` holds the windows in the requests to the job, if its results have them.
    """

    window: Window
    requested: tuple[Window, ...]
    watermarks: tuple[datetime, ...]
    lines: Capped[SensorLine]
    direct: Totals | None
    job: Totals | None
    mismatching: int


@dataclass(frozen=True)
class DayTable:
    """The counts of one window by day: the totals of every day, and the cells that do not match."""

    source: str
    window: Window
    days: tuple[tuple[date, Totals], ...]
    cells: Capped[CountRow]
    totals: Totals


def agrees(row: CountRow) -> bool:
    """Whether a row matches by its own mark and by its numbers."""
    return row.matches and row.postgres == row.lake


def mismatching_rows(counts: CountsTaken) -> Iterator[CountRow]:
    """Yield the rows that do not match, without those of late sensors."""
    late = frozenset(counts.late)
    return (row for row in counts.rows if not agrees(row) and row.sensor_id not in late)


def totals(rows: Sequence[CountRow], late: Container[str] = ()) -> Totals:
    """Add up rows of counts; the rows of late sensors count as matching."""
    return Totals(
        rows=len(rows),
        postgres=sum(row.postgres for row in rows),
        lake=sum(row.lake for row in rows),
        not_due=sum(row.not_due for row in rows),
        pending=sum(row.pending for row in rows),
        mismatching=sum(not agrees(row) and row.sensor_id not in late for row in rows),
    )


def counts_tables(result: RunResult) -> tuple[CountsTable, ...]:
    """Return the counts per sensor, one table for each window."""
    pages: list[_Page] = []
    for counts in result.counts:
        rows = {row.sensor_id: row for row in counts.rows if row.day is None}
        if rows or not counts.rows:
            _page_for(counts, rows.keys(), pages).take(counts, rows)
    return tuple(_table(page) for page in pages)


def day_tables(result: RunResult) -> tuple[DayTable, ...]:
    """Return the counts per sensor and day, one table for each range that was counted.

    They are taken in slices: those that adjoin are shown as one.
    """
    joined: list[_Days] = []
    for counts in result.counts:
        if rows := [row for row in counts.rows if row.day is not None]:
            days = _Days(counts.source, counts.window, rows)
            if joined and joined[-1].adjoins(days):
                days = joined.pop().with_next(days)
            joined.append(days)
    return tuple(map(_day_table, joined))


@dataclass
class _Page:
    """Counts of one window while they are collected: one count for each sensor and source."""

    window: Window
    requested: list[Window] = field(default_factory=list)
    watermarks: list[datetime] = field(default_factory=list)
    sides: dict[str, dict[str, CountRow]] = field(default_factory=lambda: {"direct": {}, "job": {}})
    taken: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)

    def take(self, counts: CountsTaken, rows: dict[str, CountRow]) -> None:
        self.sides[counts.source].update(rows)
        self.taken.add(counts.source)
        self.late.update(counts.late)
        if counts.requested is not None and counts.requested not in self.requested:
            self.requested.append(counts.requested)
        if counts.watermark is not None and counts.watermark not in self.watermarks:
            self.watermarks.append(counts.watermark)


def _page_for(counts: CountsTaken, sensors: Iterable[str], pages: list[_Page]) -> _Page:
    """Return the page of the same window without these sensors: a second count never hides the first."""
    for page in pages:
        if page.window == counts.window and page.sides[counts.source].keys().isdisjoint(sensors):
            return page
    pages.append(_Page(counts.window))
    return pages[-1]


def _table(page: _Page) -> CountsTable:
    direct, job = page.sides["direct"], page.sides["job"]
    lines = [
        SensorLine(sensor, direct.get(sensor), job.get(sensor), sensor in page.late)
        for sensor in sorted({*direct, *job})
    ]
    lines.sort(key=lambda line: line.matches)
    return CountsTable(
        window=page.window,
        requested=tuple(page.requested),
        watermarks=tuple(page.watermarks),
        lines=capped(lines, MAX_SENSORS),
        direct=totals(list(direct.values())) if "direct" in page.taken else None,
        job=totals(list(job.values()), page.late) if "job" in page.taken else None,
        mismatching=sum(not line.matches for line in lines),
    )


@dataclass(frozen=True)
class _Days:
    """Counts per sensor and day of one window."""

    source: str
    window: Window
    rows: list[CountRow]

    def adjoins(self, later: "_Days") -> bool:
        return self.source == later.source and later.window.start - self.window.end == MICROSECOND

    def with_next(self, later: "_Days") -> "_Days":
        return _Days(self.source, spanned((self.window, later.window)), self.rows + later.rows)


def _day_table(counted: _Days) -> DayTable:
    rows = sorted(counted.rows, key=_day)
    return DayTable(
        source=counted.source,
        window=counted.window,
        days=tuple((day, totals(list(of_day))) for day, of_day in groupby(rows, key=_day)),
        cells=capped((row for row in rows if not agrees(row)), MAX_CELLS),
        totals=totals(rows),
    )


def _day(row: CountRow) -> date:
    return row.day or date.min
