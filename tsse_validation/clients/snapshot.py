"""What is asked of one state of the database: bounded, read-only queries (contract section 5)."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
import pyarrow as pa
from psycopg import sql

from tsse_validation.clients.copying import copied_out
from tsse_validation.clients.due_sql import (
    AHEAD,
    DUE,
    DUE_SINCE,
    NOT_DUE,
    NOT_LATER,
    OF_SENSORS,
    TILES_BY_SENSOR,
    TILES_BY_WINDOW,
    WITHIN,
    digest_statement,
    due_of,
)
from tsse_validation.clients.encodings import storable
from tsse_validation.clients.identity import Anchor, Moment, database_moment, describe, server_process, shows_job
from tsse_validation.clients.layout import read_layout
from tsse_validation.clients.session import by_pages
from tsse_validation.clients.tables import Tables
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import (
    DIGEST_SCHEMA,
    KEY_SCHEMA,
    QUALITY_SQL,
    ROW_SCHEMA,
    SUM_TYPE,
    modulo_64_bits,
)
from tsse_validation.domain.slicing import TableLayout
from tsse_validation.domain.tiling import Tiling
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.database_record import DatabaseSeen

_MOVED = sql.SQL(
    "greatest(extract(epoch FROM clock_timestamp() - updated_at), 0)::float8,"
    " concat_ws(' of ', progress ->> 'completed', progress ->> 'total')"
)
"""How long a job has not moved, in seconds, and how far it came."""
_AS_KEPT = sql.SQL(f"sensor_id, ts, value, {QUALITY_SQL}, nullif(inserted_at, '-infinity')")
_METRICS = sql.SQL("metrics")
_KEY = sql.SQL("sensor_id, ts")
_SUM_SCHEMA = DIGEST_SCHEMA.set(DIGEST_SCHEMA.get_field_index("digest"), pa.field("digest", SUM_TYPE))


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

    def __init__(
        self,
        connection: psycopg.Connection,
        tables: Tables,
        where: str,
        *,
        metrics: sql.Composable = _METRICS,
        extension_schema: str = "",
        some: bool = False,
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._where = where
        self._bound = tables.metrics.bound
        self._metrics = metrics
        self._extension_schema = extension_schema
        self._some = some

    def laid_out(self, layout: TableLayout, window: Window, whole: Window | None = None) -> "Snapshot":
        """Return the same state, read as its layout is best read: a hypertable in TimescaleDB's own words.

        Where the layout says so, from `metrics` itself and the child tables that a window meets, by name; and a
        small part of a `whole` by its index.
        """
        return Snapshot(
            self._connection,
            self._tables,
            self._where,
            metrics=_only([chunk.name for chunk in layout.chunks_in(window)]) if layout.by_name else _METRICS,
            extension_schema=layout.extension_schema,
            some=whole is not None and layout.is_some(window, whole),
        )

    @property
    def tables(self) -> Tables:
        """The tables that the unqualified names of every query mean: nothing else is in the search path."""
        return self._tables

    def layout(self) -> TableLayout:
        """Return what `metrics` consists of, and about how many rows it has."""
        return read_layout(self._connection)

    def database(self) -> DatabaseSeen:
        """Return what the database says of itself."""
        return describe(self._connection, self._tables, self._where)

    def moment(self) -> Moment:
        """Return which state of the database this is."""
        return database_moment(self._connection)

    def anchor(self, job_id: str) -> Anchor | None:
        """Return what to hold later sessions to when this state shows a job; errors as in `identity.shows_job`."""
        if not shows_job(self._connection, self._tables, job_id, self._where):
            return None
        return Anchor(job_id, server_process(self._connection))

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
        """Return about how many rows `metrics` has, its chunks or partitions too."""
        return self.layout().rows

    def counts(self, scope: Scope) -> dict[str, DueCount]:
        """Count each sensor's rows in a window: due in the lake, and not due yet.

        By the primary key, sensor by sensor: cheap for a narrow window on a table of any size. Where no foreign
        key says that `sensors` has them all, by the window alone.
        """
        by_window = sql.SQL(
            "SELECT sensor_id, count(*) FILTER (WHERE {due}), count(*) FILTER (WHERE NOT {due})"
            " FROM {metrics} WHERE {within} GROUP BY sensor_id"
        )
        by_sensor = sql.SQL(
            "SELECT sensors.sensor_id, counted.due, counted.not_due FROM sensors CROSS JOIN LATERAL ("
            " SELECT count(*) FILTER (WHERE {due}) AS due, count(*) FILTER (WHERE NOT {due}) AS not_due"
            " FROM {metrics} WHERE metrics.sensor_id = sensors.sensor_id AND {within}"
            ") AS counted WHERE counted.due > 0 OR counted.not_due > 0"
        )
        query = (by_sensor if self._bound else by_window).format(due=DUE, metrics=self._metrics, within=WITHIN)
        rows = self._connection.execute(query, _parameters(scope))
        return {sensor_id: DueCount(due, not_due) for sensor_id, due, not_due in rows}

    def tile_counts(self, scope: Scope, tiling: Tiling) -> dict[tuple[str, int], DueCount]:
        """Count the rows of each sensor and tile in a window, those that `counts` counts, and by the same ways.

        One statement looks at what the tiling's windows cover, and at nothing between them.
        """
        spans = tiling.spans_in(scope.window)
        if not spans:
            return {}
        query = (TILES_BY_SENSOR if self._bound else TILES_BY_WINDOW).format(
            due=DUE, metrics=self._metrics, within=WITHIN
        )
        given = {
            "cuts": tiling.cuts,
            "firsts": [span.start for span in spans],
            "lasts": [span.end for span in spans],
        }
        rows = self._connection.execute(query, _parameters(scope) | given)
        return {(sensor_id, tile): DueCount(due, not_due) for sensor_id, tile, due, not_due in rows}

    def days_with_rows(self, scope: Scope) -> dict[date, bool]:
        """Return the UTC days of a window on which Postgres has a row, and of each whether a row is due.

        A day of which a known sensor has a due row is told by its first, without reading on.
        """
        found = {}
        for part in scope.split_by_day():
            if self._has_due_row(part):
                found[part.window.start.date()] = True
            else:
                found.update(self._day_with_rows(part))
        return found

    def _has_due_row(self, scope: Scope) -> bool:
        query = sql.SQL(
            "SELECT FROM sensors CROSS JOIN LATERAL (SELECT FROM {metrics}"
            " WHERE metrics.sensor_id = sensors.sensor_id AND {within} AND {due} LIMIT 1) AS found LIMIT 1"
        ).format(metrics=self._metrics, within=WITHIN, due=DUE)
        return self._connection.execute(query, _parameters(scope)).fetchone() is not None

    def _day_with_rows(self, scope: Scope) -> dict[date, bool]:
        query = sql.SQL("SELECT ts::date, bool_or({due}) FROM {metrics} WHERE {within} GROUP BY 1").format(
            metrics=self._metrics, within=WITHIN, due=DUE
        )
        return dict(self._connection.execute(query, _parameters(scope)).fetchall())

    def digests(self, scope: Scope, *, sensor_ids: Sequence[str] | None = None, hashed: bool = True) -> pa.Table:
        """Return the digests of the due rows of each sensor and UTC day, in `digest.DIGEST_SCHEMA`.

        One statement passes once over the window. Without `hashed` the digests are 0.
        """
        query = digest_statement(
            scope,
            sensor_ids,
            self._metrics,
            hashed=hashed,
            server_version=self._connection.info.server_version,
            extension_schema=self._extension_schema,
        )
        parameters = _parameters(scope, self._known(sensor_ids))
        with nullcontext() if sensor_ids is not None else by_pages(self._connection, some=self._some):
            summed = copied_out(self._connection, query, parameters, _SUM_SCHEMA)
        return pa.table([*summed.columns[:-1], modulo_64_bits(summed["digest"])], DIGEST_SCHEMA)

    def not_due_keys(self, scope: Scope) -> pa.Table:
        """Return `(sensor_id, ts)` of the rows that are not due.

        Those are late arrivals, pending upserts, and rows ahead of the backfill's target that it did not export.
        """
        keys = self._copy(_KEY, NOT_DUE, _parameters(scope), KEY_SCHEMA)
        if scope.since is not None or scope.window.end < scope.coverage.backfill_to:
            return keys
        return pa.concat_tables([keys, self._copy(_KEY, AHEAD, _parameters(scope), KEY_SCHEMA)])

    def due_rows(self, scope: Scope, sensor_ids: Sequence[str] | None = None) -> pa.Table:
        """Return the rows that are due in the lake, as the lake keeps them; give at most a day at a time.

        No quality is 0, as the lake has it. What has no `inserted_at` has none here: nothing says when it came in.
        """
        return self._copy(
            _AS_KEPT, due_of(scope, sensor_ids), _parameters(scope, self._known(sensor_ids)), ROW_SCHEMA
        )

    def held_rows(self, scope: Scope, sensor_ids: Sequence[str]) -> pa.Table:
        """Return the rows that were not inserted after the watermark, due or not; give at most a day at a time."""
        held = sql.SQL("{} AND {}").format(NOT_LATER, OF_SENSORS)
        return self._copy(_AS_KEPT, held, _parameters(scope, self._known(sensor_ids)), ROW_SCHEMA)

    def days_since(self, scope: Scope) -> set[date]:
        """Return the UTC days with rows that were inserted since the scope's `since`, up to its watermark."""
        query = sql.SQL("SELECT DISTINCT ts::date FROM {metrics} WHERE {within} AND {since}").format(
            metrics=self._metrics, within=WITHIN, since=DUE_SINCE
        )
        return {row[0] for row in self._connection.execute(query, _parameters(scope))}

    def count(self, window: Window) -> int:
        """Return how many rows lie in a window."""
        query = sql.SQL("SELECT count(*) FROM {metrics} WHERE {within}").format(
            metrics=self._metrics, within=WITHIN
        )
        row = self._connection.execute(query, {"start": window.start, "end": window.end}).fetchone()
        return int(row[0]) if row is not None else 0

    def first_and_last(self, window: Window) -> tuple[datetime, datetime] | None:
        """Return the first and the last instant of a window at which a row lies; or `None`.

        By the primary key, sensor by sensor. Where no foreign key says that `sensors` has them all, by the window.
        """
        found = sql.SQL(
            "(SELECT ts FROM {metrics} WHERE metrics.sensor_id = sensors.sensor_id AND {within} ORDER BY ts"
        )
        by_sensor = sql.SQL("SELECT min({found} LIMIT 1)), max({found} DESC LIMIT 1)) FROM sensors")
        by_window = sql.SQL("SELECT min(ts), max(ts) FROM {metrics} WHERE {within}")
        parts = {"metrics": self._metrics, "within": WITHIN}
        query = by_sensor.format(found=found.format(**parts)) if self._bound else by_window.format(**parts)
        row = self._connection.execute(query, {"start": window.start, "end": window.end}).fetchone()
        return None if row is None or row[0] is None else (row[0], row[1])

    def first_timestamp(self, sensor_ids: Sequence[str], window: Window) -> datetime | None:
        """Return the first instant of a window at which the first of some sensors that has a row there has one."""
        query = sql.SQL(
            "SELECT ts FROM {metrics} WHERE sensor_id = %(sensor)s AND {within} ORDER BY ts LIMIT 1"
        ).format(metrics=self._metrics, within=WITHIN)
        for sensor_id in sensor_ids:
            given = {"sensor": sensor_id, "start": window.start, "end": window.end}
            if (row := self._connection.execute(query, given).fetchone()) is not None:
                instant: datetime = row[0]
                return instant
        return None

    def _known(self, sensor_ids: Sequence[str] | None) -> Sequence[str] | None:
        """Leave out what this database cannot hold: asked for it, it would fail."""
        encoding = self._connection.info.parameter_status("server_encoding") or "UTF8"
        return None if sensor_ids is None else storable(sensor_ids, encoding)

    def _copy(
        self,
        columns: sql.Composable,
        condition: sql.Composable,
        parameters: Mapping[str, object],
        schema: pa.Schema,
    ) -> pa.Table:
        query = sql.SQL("SELECT {columns} FROM {metrics} WHERE {within} AND {condition}").format(
            columns=columns, metrics=self._metrics, within=WITHIN, condition=condition
        )
        return copied_out(self._connection, query, parameters, schema)


def _only(tables: Sequence[str]) -> sql.Composable:
    """Read some tables one by one, where a statement on their parent would lock all of its children."""
    columns = "SELECT sensor_id, ts, value, quality, inserted_at FROM ONLY"
    # the names come from the server's catalogue, which writes them as SQL takes them
    names = ("metrics", *(name.replace("%", "%%") for name in tables))
    selects = [sql.SQL(f"{columns} {name}") for name in names]
    return sql.SQL("({}) AS metrics").format(sql.SQL(" UNION ALL ").join(selects))


def _parameters(scope: Scope, sensor_ids: Sequence[str] | None = None) -> dict[str, object]:
    return {
        "start": scope.window.start,
        "end": scope.window.end,
        "watermark": scope.coverage.watermark,
        "untimed_until": scope.coverage.untimed_until,
        "backfill_to": scope.coverage.backfill_to,
        "since": scope.since,
        "sensor_ids": list(sensor_ids or ()),
    }
