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

_DUE = sql.SQL("CASE WHEN inserted_at IS NULL THEN ts < %(backfill_to)s ELSE inserted_at <= %(watermark)s END")
_NOT_DUE = sql.SQL("(inserted_at > %(watermark)s OR (inserted_at IS NULL AND ts >= %(backfill_to)s))")
"""The opposite of `_DUE`, in the words that the index on `inserted_at` serves."""
_MOVED = sql.SQL(
    "greatest(extract(epoch FROM clock_timestamp() - updated_at), 0)::float8,"
    " concat_ws(' of ', progress ->> 'completed', progress ->> 'total')"
)
"""How long a job has not moved, in seconds, and how far it came."""
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
    """A job that waits or runs in the controller, started by any user.

    `still_seconds` is how long its row has not changed, `None` where this role may not see that: a job that runs
    updates its progress at each day, and one that a crash has left never does again (contract section 3).
    `progress` is how far it came, in words.
    """

    id: str
    job_type: str
    status: str
    created_at: datetime
    still_seconds: float | None = None
    progress: str = ""

    def left_over(self, after: float) -> bool:
        """Whether it is `running` in name only: it has not moved for `after` seconds."""
        return self.status == "running" and self.still_seconds is not None and self.still_seconds >= after


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
        granted = self._connection.execute(
            "SELECT has_column_privilege('analysis_jobs', 'updated_at', 'SELECT')"
            " AND has_column_privilege('analysis_jobs', 'progress', 'SELECT')"
        ).fetchone()
        columns: sql.Composable = sql.SQL("id::text, job_type, status, created_at")
        if granted is not None and granted[0]:
            columns = sql.SQL(", ").join((columns, _MOVED))
        query = sql.SQL(
            "SELECT {columns} FROM analysis_jobs"
            " WHERE status IN ('pending', 'running') AND job_type LIKE 'lake%' ORDER BY created_at, id"
        )
        return [ActiveJob(*row) for row in self._connection.execute(query.format(columns=columns))]

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
            hash=sql.SQL(ROW_HASH_SQL if hashed else "0::bigint"), within=_WITHIN, condition=_due_of(sensor_ids)
        )
        return self._copy_out(query, _parameters(scope, sensor_ids), DIGEST_SCHEMA)

    def not_due_keys(self, scope: Scope) -> pa.Table:
        """Return `(sensor_id, ts)` of the rows that are not due yet: late arrivals and pending upserts."""
        return self._copy(sql.SQL("sensor_id, ts"), _NOT_DUE, _parameters(scope), KEY_SCHEMA)

    def due_rows(self, scope: Scope, sensor_ids: Sequence[str] | None = None) -> pa.Table:
        """Return the rows that are due in the lake, as the lake keeps them; give at most a day at a time."""
        columns = sql.SQL("sensor_id, ts, value, quality, nullif(inserted_at, '-infinity')")
        return self._copy(columns, _due_of(sensor_ids), _parameters(scope, sensor_ids), ROW_SCHEMA)

    def first_in(self, window: Window) -> datetime | None:
        """Return the first `ts` in a window, by the primary key, sensor by sensor; `None` when it has no row."""
        row = self._connection.execute(
            "SELECT min(first.ts) FROM sensors CROSS JOIN LATERAL (SELECT ts FROM metrics"
            " WHERE metrics.sensor_id = sensors.sensor_id AND ts BETWEEN %(start)s AND %(end)s"
            " ORDER BY ts LIMIT 1) AS first",
            {"start": window.start, "end": window.end},
        ).fetchone()
        return row[0] if row is not None else None

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

    def _copy(
        self,
        columns: sql.Composable,
        condition: sql.Composable,
        parameters: Mapping[str, object],
        schema: pa.Schema,
    ) -> pa.Table:
        query = sql.SQL("SELECT {columns} FROM metrics WHERE {within} AND {condition}").format(
            columns=columns, within=_WITHIN, condition=condition
        )
        return self._copy_out(query, parameters, schema)

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


def _due_of(sensor_ids: Sequence[str] | None) -> sql.Composable:
    return _DUE if sensor_ids is None else sql.SQL("{due} AND {sensors}").format(due=_DUE, sensors=_OF_SENSORS)


def _parameters(scope: Scope, sensor_ids: Sequence[str] | None = None) -> dict[str, object]:
    return {
        "start": scope.window.start,
        "end": scope.window.end,
        "watermark": scope.coverage.watermark,
        "backfill_to": scope.coverage.backfill_to,
        "sensor_ids": list(sensor_ids or ()),
    }
