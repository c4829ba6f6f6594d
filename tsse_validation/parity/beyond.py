"""Compares what lies outside of the covered range: what is promised there, and what else the lake holds.

The watermark is a mark of insertion time (contract section 4). A forecast for the day after tomorrow and an import
of last year's rows are promised like any other row, once they were inserted after the backfill's target.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import ALL_TIME, Coverage, Scope, scopes_beyond
from tsse_validation.domain.windows import Window, cut_at, on_days
from tsse_validation.parity.comparing import DayComparison
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.records import CountRow
from tsse_validation.settings.fields import Level

PARTS_AT_ONCE = 64
"""Chunks or partitions that one statement may open outside of the covered range, where their bounds are known."""
SensorDays = Sequence[tuple[Scope, Sequence[CountRow]]]
"""Scopes that were compared, each with a row for each sensor and day of either side."""


@dataclass(frozen=True)
class PostgresOutside:
    """What Postgres holds outside of the covered range: its first and last row there, and how many, if counted."""

    first: datetime | None = None
    last: datetime | None = None
    rows: int | None = None


def look_outside(postgres: PostgresClient, coverage: Coverage, *, counted: bool) -> PostgresOutside:
    """Find the rows that Postgres has outside of the covered range, in one short transaction for each piece."""
    ends: list[datetime] = []
    rows = 0
    for window in replace(coverage, kept_from=ALL_TIME.start).outside():
        for piece in in_pieces(postgres, window):
            with postgres.snapshot() as snapshot:
                found = snapshot.first_and_last(piece)
                if found is not None:
                    ends += found
                    rows += snapshot.count(piece) if counted else 0
    return PostgresOutside(min(ends, default=None), max(ends, default=None), rows if counted else None)


def in_pieces(postgres: PostgresClient, window: Window) -> list[Window]:
    """Split a window so that no statement opens many chunks or partitions."""
    with postgres.snapshot() as snapshot:
        return cut_at(window, snapshot.starts_of_parts(), PARTS_AT_ONCE)


def compare_promised(
    proof: DirectProof,
    postgres: PostgresClient,
    coverage: Coverage,
    earlier: Coverage | None,
    since: datetime,
    level: Level,
) -> SensorDays:
    """Compare what is promised outside of the covered range, at or after the instant `since`.

    Give the first instant of Postgres: what the lake holds of earlier dates is the lake's alone.
    """
    held = Window(since, ALL_TIME.end)
    scopes = [
        scope.narrowed(window)
        for scope in scopes_beyond(coverage, earlier)
        if (window := scope.window.clamp(held)) is not None
    ]
    parts = [scope.narrowed(piece) for scope in scopes for piece in in_pieces(postgres, scope.window)]
    return [(part, proof.compare_sensor_days(part, level=level)) for part in parts]


def compare_other_dates(
    proof: DirectProof, coverage: Coverage, days: Collection[date], since: datetime, level: Level
) -> SensorDays:
    """Compare every row of some dates outside of the covered range, promised or not; `since` as above."""
    windows = [window for outside in coverage.outside() for window in on_days(outside, days)]
    held = Window(since, ALL_TIME.end)
    scopes = [
        Scope(part, coverage.of_every_row()) for window in windows if (part := window.clamp(held)) is not None
    ]
    parts = [part for scope in scopes for part in proof.slices(scope)]
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
    head = pc.and_(pc.equal(others["kind"], "missing"), pc.less(others["ts"], _naive(first)))
    left = others.filter(pc.invert(head))
    return replace(comparison, differences=left), others.num_rows - left.num_rows


def _promised(rows: pa.Table, scopes: Sequence[Scope]) -> pa.ChunkedArray:
    inserted = pc.coalesce(rows["pg_inserted_at"], rows["lake_inserted_at"])
    promised = pa.chunked_array([pa.repeat(pa.scalar(value=False), rows.num_rows)])
    for scope in scopes:
        if scope.since is None:
            continue
        within = pc.and_(
            pc.greater_equal(rows["ts"], _naive(scope.window.start)),
            pc.less_equal(rows["ts"], _naive(scope.window.end)),
        )
        in_time = pc.and_(
            pc.greater(inserted, _naive(scope.since)),
            pc.less_equal(inserted, _naive(scope.coverage.watermark)),
        )
        promised = pc.or_(promised, pc.fill_null(pc.and_(within, in_time), fill_value=False))
    return promised


def _naive(instant: datetime) -> pa.Scalar:
    at = instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)
    return pa.scalar(at, pa.timestamp("us"))
