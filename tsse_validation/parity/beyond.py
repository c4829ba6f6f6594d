"""Compares what lies outside of the covered range: what is promised there, and what else the lake holds.

The watermark is a mark of insertion time (contract section 4). A forecast for the day after tomorrow and an import
of last year's rows are promised like any other row, once they were inserted after the backfill's target.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.domain.coverage import ALL_TIME, Coverage, Scope, scopes_beyond
from tsse_validation.domain.instants import without_zone
from tsse_validation.domain.windows import Window, cut_at, on_days
from tsse_validation.parity.comparing import DayComparison
from tsse_validation.parity.direct import DirectProof
from tsse_validation.parity.postgres_side import PieceRead, SideOfDays, digested, of_whole_days
from tsse_validation.runlog.records import CountRow
from tsse_validation.settings.fields import Level

NEAR_DAYS = 8
"""Dates that lie no further apart are compared at once: to read the files between costs less than a beginning."""
SensorDays = Sequence[tuple[Scope, Sequence[CountRow]]]
"""Scopes that were compared, each with a row for each sensor and day of either side."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class PostgresOutside:
    """What Postgres holds outside of the covered range: its first and last row there, and how many, if counted."""

    first: datetime | None = None
    last: datetime | None = None
    rows: int | None = None


class OuterReader:
    """Asks about all time before or after the covered range: no statement opens more chunks than it may."""

    def __init__(self, postgres: PostgresClient) -> None:
        self._reader = BoundedReader(postgres)

    @property
    def estimated_rows(self) -> int:
        """About how many rows the table has."""
        return self._reader.layout().rows

    def look_outside(self, coverage: Coverage, *, counted: bool) -> PostgresOutside:
        """Find the rows that Postgres has outside of the covered range, those that nobody promises too."""

        def ask(snapshot: Snapshot, piece: Window) -> tuple[Sequence[datetime], int]:
            ends = snapshot.first_and_last(piece)
            return ends or (), snapshot.count(piece) if ends and counted else 0

        windows = replace(coverage, kept_from=ALL_TIME.start).outside()
        found = [answer for window in windows for answer in self._pieces(window, ask)]
        ends = [instant for some, _ in found for instant in some]
        rows = sum(rows for _, rows in found)
        return PostgresOutside(min(ends, default=None), max(ends, default=None), rows if counted else None)

    def days_of(self, scope: Scope) -> set[date]:
        """Return the dates of which Postgres has rows that a scope compares."""

        def ask(snapshot: Snapshot, piece: Window) -> set[date]:
            return snapshot.days_since(scope.narrowed(piece))

        return set().union(*self._pieces(scope.window, ask))

    def slices(self, scope: Scope, *, hashed: bool) -> Iterator[SideOfDays]:
        """Yield what Postgres has of a scope that may be of all time, some days at a time, ascending."""

        def ask(snapshot: Snapshot, piece: Window) -> PieceRead:
            part = scope.narrowed(piece)
            return part, (digested(snapshot, part, hashed=hashed), snapshot.not_due_keys(part))

        return of_whole_days(scope, self._pieces(scope.window, ask))

    def not_due_keys(self, scope: Scope) -> pa.Table:
        """Return `(sensor_id, ts)` of a scope's rows that are not due, as of now."""

        def ask(snapshot: Snapshot, piece: Window) -> pa.Table:
            return snapshot.not_due_keys(scope.narrowed(piece))

        return pa.concat_tables(self._pieces(scope.window, ask))

    def _pieces(self, window: Window, question: Callable[[Snapshot, Window], Answer]) -> Iterator[Answer]:
        layout = self._reader.layout()
        starts = [chunk.start for chunk in layout.chunks if chunk.start is not None]
        for piece in cut_at(window, starts, layout.most_chunks):

            def ask(snapshot: Snapshot, piece: Window = piece) -> Answer:
                return question(snapshot.laid_out(layout, piece), piece)

            yield self._reader.ask(ask)


def compare_promised(
    proof: DirectProof,
    reader: OuterReader,
    coverage: Coverage,
    earlier: Coverage | None,
    since: datetime,
    level: Level,
) -> SensorDays:
    """Compare what is promised outside of the covered range, at or after the instant `since`.

    Give the first instant of Postgres: what the lake holds of earlier dates is the lake's alone. Only dates are
    looked at of which Postgres has such rows, or the lake any.
    """
    held = Window(since, ALL_TIME.end)
    days = proof.lake_rows(coverage).days()
    scopes = [
        scope.narrowed(window)
        for scope in scopes_beyond(coverage, earlier)
        if (window := scope.window.clamp(held)) is not None
    ]
    return compare_days_with_rows(proof, reader, scopes, days, level)


def compare_days_with_rows(
    proof: DirectProof, reader: OuterReader, scopes: Iterable[Scope], days: Collection[date], level: Level
) -> SensorDays:
    """Compare scopes on the dates of which Postgres has rows in them, and on those given.

    Postgres is asked once about a window, for all scopes of it: that may mean each of its chunks.
    """
    wanted = list(scopes)
    known: dict[Window, set[date]] = {}
    for window in dict.fromkeys(scope.window for scope in wanted):
        known[window] = reader.days_of(_spanning([scope for scope in wanted if scope.window == window]))
    parts = [
        scope.narrowed(part)
        for scope in wanted
        for part in on_days(scope.window, _with_few_between({*days, *known[scope.window]}))
    ]
    return [(part, proof.compare_sensor_days(part, level=level)) for part in parts]


def _with_few_between(days: Collection[date]) -> set[date]:
    """Add the dates between some that lie near each other: they are compared together."""
    ordered = sorted(days)
    between = {
        one + timedelta(days=number)
        for one, other in pairwise(ordered)
        if (gap := (other - one).days) <= NEAR_DAYS
        for number in range(1, gap)
    }
    return between | set(ordered)


def _spanning(scopes: Sequence[Scope]) -> Scope:
    """Return one scope that has the rows of some scopes of the same window in it; each has a `since`."""
    latest = max(scopes, key=lambda scope: scope.coverage.watermark)
    return replace(latest, since=min(scope.since for scope in scopes if scope.since is not None))


def compare_other_dates(
    proof: DirectProof, coverage: Coverage, days: Collection[date], since: datetime, level: Level
) -> SensorDays:
    """Compare every row of some dates outside of the covered range, promised or not; `since` as above."""
    windows = [window for outside in coverage.outside() for window in on_days(outside, days)]
    held = Window(since, ALL_TIME.end)
    parts = [
        Scope(part, coverage.of_every_row()) for window in windows if (part := window.clamp(held)) is not None
    ]
    return [(part, proof.compare_sensor_days(part, level=level)) for part in parts]


def compare_rows_of(proof: DirectProof, sensor_days: SensorDays, level: Level) -> Iterator[DayComparison]:
    """Compare row by row: the sensor-days that differ, or all of them at that level."""
    for scope, rows in sensor_days:
        yield from proof.compare_rows(scope, [row for row in rows if level is Level.ROWS or not row.matches])


def unpromised_part(
    comparison: DayComparison, promised: Sequence[Scope], first: datetime | None
) -> tuple[DayComparison, int]:
    """Return a day's differences without those of promised rows, and how many more lie before `first`.

    `first` is the first instant that the lake has of the date, UTC without a zone. What is missing before it was
    before the start of the backfill that has brought the date (contract section 3), and is left out, too.
    """
    rows = comparison.differences
    others = rows.filter(pc.invert(_promised(rows, promised)))
    if first is None or not others.num_rows:
        return replace(comparison, differences=others), 0
    head = pc.and_(pc.equal(others["kind"], "missing"), pc.less(others["ts"], first))
    left = others.filter(pc.invert(head))
    return replace(comparison, differences=left), others.num_rows - left.num_rows


def _promised(rows: pa.Table, scopes: Sequence[Scope]) -> pa.ChunkedArray:
    inserted = pc.coalesce(rows["pg_inserted_at"], rows["lake_inserted_at"])
    promised = pa.chunked_array([pa.repeat(pa.scalar(value=False), rows.num_rows)])
    for scope in scopes:
        if scope.since is None:
            continue
        within = pc.and_(
            pc.greater_equal(rows["ts"], without_zone(scope.window.start)),
            pc.less_equal(rows["ts"], without_zone(scope.window.end)),
        )
        in_time = pc.and_(
            pc.greater(inserted, without_zone(scope.since)),
            pc.less_equal(inserted, without_zone(scope.coverage.watermark)),
        )
        promised = pc.or_(promised, pc.fill_null(pc.and_(within, in_time), fill_value=False))
    return promised
