"""What is asked of one state of the database: bounded, read-only queries (contract section 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import sql

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import DIGEST_SCHEMA, KEY_SCHEMA, ROW_HASH_SQL, ROW_SCHEMA
from tsse_validation.domain.windows import Window

_DUE = sql.SQL(
    "CASE WHEN ts < %(backfill_to)s THEN coalesce(inserted_at <= %(watermark)s, true)"
    " ELSE coalesce(inserted_at > %(backfill_to)s AND inserted_at <= %(watermark)s, false) END"
)
_DUE_SINCE = sql.SQL("inserted_at > %(since)s AND inserted_at <= %(watermark)s")
"""`Scope.holds` in SQL: within the covered range, and outside of it."""
_NOT_DUE = sql.SQL("(inserted_at > %(watermark)s OR (inserted_at IS NULL AND ts >= %(backfill_to)s))")
_AHEAD = sql.SQL(
    "SELECT sensor_id, ts FROM metrics"
    " WHERE ts BETWEEN %(ahead_from)s AND %(end)s AND inserted_at <= %(backfill_to)s"
)
"""The opposite of `_DUE` in two parts, each in the words that the index on `inserted_at` serves."""
_NOT_LATER = sql.SQL("(inserted_at IS NULL OR inserted_at <= %(watermark)s)")
_WITHIN = sql.SQL("ts BETWEEN %(start)s AND %(end)s")
_OF_SENSORS = sql.SQL("sensor_id = ANY(%(sensor_ids)s)")
_DIGESTS = sql.SQL(
    "SELECT sensor_id, day, count(*), min(ts), max(ts),"
    " mod(mod(sum(hash), 18446744073709551616) + 18446744073709551616, 18446744073709551616) FROM ("
    "SELECT sensor_id, ts::date AS day, ts, {hash} AS hash FROM metrics WHERE {within} AND {condition}"
    " UNION ALL SELECT '', now()::date, now(), 0::bigint WHERE false"
    ") AS rows GROUP BY sensor_id, day"
)
"""Sums of signed hashes, mod 2⁶⁴ as `digest` has it; Postgres adds bigints up without overflow.

The empty branch is a fence: without it the planner takes the days of `ts` for as many as there are instants, and
sorts all rows on the server's disk in place of hashing a few thousand groups in its memory.
"""
_STARTS = """
WITH RECURSIVE tables AS (
    SELECT 'metrics'::regclass::oid AS oid
    UNION SELECT inhrelid FROM pg_inherits JOIN tables ON inhparent = tables.oid
), words AS (
    SELECT pg_get_expr(relpartbound, pg_class.oid) AS said FROM pg_class JOIN tables USING (oid)
    UNION ALL SELECT pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint JOIN tables ON conrelid = tables.oid
    WHERE contype = 'c'
)
SELECT DISTINCT substring(said FROM $$(?:FROM \\(|ts >= )'([^']+)'$$)::timestamptz AS start
FROM words WHERE said ~ $$(FROM \\(|ts >= )'\\d{4}-$$ ORDER BY start
"""
"""Native partitions say it in their bounds, a hypertable's chunks in a constraint."""


@dataclass(frozen=True)
class ServerInfo:
    """The server's version, and TimescaleDB's where it is installed; `seconds` the query took."""

    version: str
    timescaledb: str | None
    seconds: float

    def __str__(self) -> str:
        extension = f"TimescaleDB {self.timescaledb}" if self.timescaledb else "without TimescaleDB"
        return f"PostgreSQL {self.version}, {extension}"


@dataclass(frozen=True)
class DueCount:
    """Rows of one sensor in a window: `due` in the lake, and `not_due` yet."""

    due: int
    not_due: int


@dataclass(frozen=True)
class ActiveJob:
    """A job that waits or runs in the controller, started by any user."""

    id: str
    job_type: str
    status: str
    created_at: datetime


class Snapshot:
    """One state of the database. Every query is bounded to a window, so that chunks and indexes prune it."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def server(self) -> ServerInfo:
        """Return the server's versions, and how long it took to answer."""
        row = self._connection.execute(
            "SELECT current_setting('server_version'),"
            " (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),"
            " extract(epoch FROM clock_timestamp() - now())::float8"
        ).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM has one row
        return ServerInfo(row[0].split()[0], row[1], row[2])

    def cancel(self) -> None:
        """End the query that another thread is running here, if there is one."""
        self._connection.cancel_safe()

    def now(self) -> datetime:
        """Return the database's clock as this transaction sees it."""
        row = self._connection.execute("SELECT now()").fetchone()
        assert row is not None  # noqa: S101
        instant: datetime = row[0]
        return instant

    def sensor_ids(self) -> list[str]:
        """Return the ids of all sensors, deleted ones too: their rows stay in `metrics`."""
        return [row[0] for row in self._connection.execute("SELECT sensor_id FROM sensors ORDER BY sensor_id")]

    def active_lake_jobs(self) -> list[ActiveJob]:
        """Return the lake jobs that wait or run, oldest first, by the controller's own table (section 7)."""
        rows = self._connection.execute(
            "SELECT id::text, job_type, status, created_at FROM analysis_jobs"
            " WHERE status IN ('pending', 'running') AND job_type LIKE 'lake%' ORDER BY created_at, id"
        )
        return [ActiveJob(*row) for row in rows]

    def estimated_rows(self) -> int:
        """Return how many rows `metrics` has, its chunks or partitions too, by the planner's statistics."""
        row = self._connection.execute(
            "WITH RECURSIVE tables AS (SELECT 'metrics'::regclass::oid AS oid UNION"
            " SELECT inhrelid FROM pg_inherits JOIN tables ON inhparent = tables.oid)"
            " SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class JOIN tables USING (oid)"
        ).fetchone()
        return int(row[0]) if row is not None else 0

    def counts(self, scope: Scope) -> dict[str, DueCount]:
        """Count each sensor's rows in a window: due in the lake, and not due yet.

        By the primary key, sensor by sensor: cheap for a narrow window on a table of any size.
        """
        query = sql.SQL(
            "SELECT sensors.sensor_id, counted.due, counted.not_due FROM sensors CROSS JOIN LATERAL ("
            " SELECT count(*) FILTER (WHERE {due}) AS due, count(*) FILTER (WHERE NOT {due}) AS not_due"
            " FROM metrics WHERE metrics.sensor_id = sensors.sensor_id AND {within}"
            ") AS counted WHERE counted.due > 0 OR counted.not_due > 0"
        ).format(due=_DUE, within=_WITHIN)
        rows = self._connection.execute(query, _parameters(scope))
        return {sensor_id: DueCount(due, not_due) for sensor_id, due, not_due in rows}

    def days_with_rows(self, scope: Scope) -> dict[date, bool]:
        """Return the UTC days of a window on which Postgres has a row, and of each whether a row is due."""
        query = sql.SQL("SELECT ts::date, bool_or({due}) FROM metrics WHERE {within} GROUP BY 1").format(
            within=_WITHIN, due=_DUE
        )
        return dict(self._connection.execute(query, _parameters(scope)).fetchall())

    def digests(self, scope: Scope, *, sensor_ids: Sequence[str] | None = None, hashed: bool = True) -> pa.Table:
        """Return the digests of the due rows of each sensor and UTC day, in `digest.DIGEST_SCHEMA`.

        One statement passes once over the window. Without `hashed` the digests are 0.
        """
        query = _DIGESTS.format(
            hash=sql.SQL(ROW_HASH_SQL if hashed else "0::bigint"),
            within=_WITHIN,
            condition=_due_of(scope, sensor_ids),
        )
        return self._copy_out(query, _parameters(scope, sensor_ids), DIGEST_SCHEMA)

    def not_due_keys(self, scope: Scope) -> pa.Table:
        """Return `(sensor_id, ts)` of the rows that are not due.

        Those are late arrivals, pending upserts, and rows ahead of the backfill's target that it did not export.
        """
        parameters = _parameters(scope)
        query = sql.SQL("SELECT sensor_id, ts FROM metrics WHERE {within} AND {condition}").format(
            within=_WITHIN, condition=_NOT_DUE
        )
        if scope.since is None and scope.coverage.backfill_to <= scope.window.end:
            query = sql.SQL("{query} UNION ALL {ahead}").format(query=query, ahead=_AHEAD)
        return self._copy_out(query, parameters, KEY_SCHEMA)

    def due_rows(self, scope: Scope, sensor_ids: Sequence[str] | None = None) -> pa.Table:
        """Return the rows that are due in the lake, as the lake keeps them; give at most a day at a time."""
        return self._rows(_due_of(scope, sensor_ids), scope, sensor_ids)

    def held_rows(self, scope: Scope, sensor_ids: Sequence[str]) -> pa.Table:
        """Return the rows that were not inserted after the watermark, due or not; give at most a day at a time."""
        return self._rows(sql.SQL("{} AND {}").format(_NOT_LATER, _OF_SENSORS), scope, sensor_ids)

    def count(self, window: Window) -> int:
        """Return how many rows lie in a window."""
        query = sql.SQL("SELECT count(*) FROM metrics WHERE {}").format(_WITHIN)
        row = self._connection.execute(query, {"start": window.start, "end": window.end}).fetchone()
        return int(row[0]) if row is not None else 0

    def first_and_last(self, window: Window) -> tuple[datetime, datetime] | None:
        """Return the first and the last instant of a window at which a row lies, by the primary key; or `None`."""
        found = sql.SQL(
            "(SELECT ts FROM metrics WHERE metrics.sensor_id = sensors.sensor_id AND {} ORDER BY ts {} LIMIT 1)"
        )
        query = sql.SQL("SELECT min({}), max({}) FROM sensors").format(
            found.format(_WITHIN, sql.SQL("ASC")), found.format(_WITHIN, sql.SQL("DESC"))
        )
        row = self._connection.execute(query, {"start": window.start, "end": window.end}).fetchone()
        return None if row is None or row[0] is None else (row[0], row[1])

    def starts_of_parts(self) -> list[datetime]:
        """Return the instants at which chunks or partitions of `metrics` begin, as their definitions say."""
        return [row[0] for row in self._connection.execute(_STARTS)]

    def some_timestamps(self, window: Window, limit: int) -> list[datetime]:
        """Return up to `limit` instants at which a row lies, spread over the window and the sensors."""
        sensors = self.sensor_ids()
        found = set()
        for number in range(limit if sensors else 0):
            start = window.start + number * (window.end - window.start) / limit
            row = self._connection.execute(
                "SELECT ts FROM metrics WHERE sensor_id = %(sensor)s AND ts BETWEEN %(start)s AND %(end)s"
                " ORDER BY ts LIMIT 1",
                {"sensor": sensors[number % len(sensors)], "start": start, "end": window.end},
            ).fetchone()
            if row is not None:
                found.add(row[0])
        return sorted(found)

    def _rows(self, condition: sql.Composable, scope: Scope, sensor_ids: Sequence[str] | None) -> pa.Table:
        query = sql.SQL(
            "SELECT sensor_id, ts, value, quality, nullif(inserted_at, '-infinity') FROM metrics"
            " WHERE {within} AND {condition}"
        ).format(within=_WITHIN, condition=condition)
        return self._copy_out(query, _parameters(scope, sensor_ids), ROW_SCHEMA)

    def _copy_out(self, query: sql.Composable, parameters: Mapping[str, object], schema: pa.Schema) -> pa.Table:
        statement = sql.SQL("COPY ({query}) TO STDOUT (FORMAT csv)").format(query=query)
        buffer = BytesIO()
        with self._connection.cursor() as cursor, cursor.copy(statement, parameters) as copy:
            for block in copy:
                buffer.write(block)
        return _parse_csv(buffer, schema)


def _parse_csv(buffer: BytesIO, schema: pa.Schema) -> pa.Table:
    if not buffer.tell():
        return schema.empty_table()
    buffer.seek(0)
    # Postgres writes timestamptz with its zone, +00 under timezone=UTC; the lake's columns have none
    zoned = {
        field.name: pa.timestamp("us", "UTC") if pa.types.is_timestamp(field.type) else field.type
        for field in schema
    }
    table = pa_csv.read_csv(
        buffer,
        read_options=pa_csv.ReadOptions(column_names=schema.names),
        convert_options=pa_csv.ConvertOptions(
            column_types=zoned, null_values=[""], strings_can_be_null=False, quoted_strings_can_be_null=False
        ),
    )
    return table.cast(schema)


def _due_of(scope: Scope, sensor_ids: Sequence[str] | None) -> sql.Composable:
    due = _DUE if scope.since is None else _DUE_SINCE
    return due if sensor_ids is None else sql.SQL("{due} AND {sensors}").format(due=due, sensors=_OF_SENSORS)


def _parameters(scope: Scope, sensor_ids: Sequence[str] | None = None) -> dict[str, object]:
    return {
        "start": scope.window.start,
        "end": scope.window.end,
        "watermark": scope.coverage.watermark,
        "backfill_to": scope.coverage.backfill_to,
        "ahead_from": max(scope.window.start, scope.coverage.backfill_to),
        "since": scope.since,
        "sensor_ids": list(sensor_ids or ()),
    }
