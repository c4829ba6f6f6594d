"""Which rows are due, in Postgres's words, and the statements that digest and count them (contract sections 4, 5).

Each condition takes the parameters of a scope by name; `domain.coverage` states the same in Python.
"""

from collections.abc import Sequence

from psycopg import sql

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import DIGEST_SQL

WITHIN = sql.SQL("ts BETWEEN %(start)s AND %(end)s")
OF_SENSORS = sql.SQL("sensor_id = ANY(%(sensor_ids)s)")
DUE = sql.SQL(
    "CASE WHEN inserted_at IS NULL THEN ts < %(untimed_until)s ELSE inserted_at <= %(watermark)s"
    " AND (ts < %(backfill_to)s OR inserted_at > %(backfill_to)s) END"
)
_DUE_OF_CHUNKS = sql.SQL(
    "(inserted_at IS NOT NULL AND inserted_at <= %(watermark)s"
    " AND (ts < %(backfill_to)s OR inserted_at > %(backfill_to)s)"
    " OR inserted_at IS NULL AND ts < %(untimed_until)s)"
)
"""`DUE` as TimescaleDB can try it on many compressed rows at once; on plain tables it is no cheaper."""
_DUE_OF_EXPORTED = sql.SQL("(inserted_at <= %(watermark)s) IS NOT FALSE")
_DUE_OF_EXPORTED_CHUNKS = sql.SQL("(inserted_at <= %(watermark)s OR inserted_at IS NULL)")
"""The two for a window that ends before `Coverage.untimed_until`: half as dear to try."""
DUE_SINCE = sql.SQL("inserted_at > %(since)s AND inserted_at <= %(watermark)s")
"""`Scope.holds` in SQL: `DUE` within the covered range, and this outside of it."""
NOT_DUE = sql.SQL("(inserted_at > %(watermark)s OR (inserted_at IS NULL AND ts >= %(untimed_until)s))")
AHEAD = sql.SQL("(ts >= %(backfill_to)s AND inserted_at <= %(backfill_to)s)")
"""The opposite of `DUE` in two parts, each in the words that the index on `inserted_at` serves."""
NOT_LATER = sql.SQL("(inserted_at IS NULL OR inserted_at <= %(watermark)s)")

TILES_BY_SENSOR = sql.SQL(
    "SELECT sensors.sensor_id, counted.* FROM sensors"
    " CROSS JOIN unnest(%(firsts)s::timestamptz[], %(lasts)s::timestamptz[]) AS spans (first, last)"
    " CROSS JOIN LATERAL (SELECT width_bucket(ts, %(cuts)s::timestamptz[]) - 1 AS tile,"
    " count(*) FILTER (WHERE {due}) AS due, count(*) FILTER (WHERE NOT {due}) AS not_due FROM {metrics}"
    " WHERE metrics.sensor_id = sensors.sensor_id AND {within} AND ts BETWEEN spans.first AND spans.last"
    " GROUP BY tile) AS counted"
)
TILES_BY_WINDOW = sql.SQL(
    "SELECT counted.* FROM unnest(%(firsts)s::timestamptz[], %(lasts)s::timestamptz[]) AS spans (first, last)"
    " CROSS JOIN LATERAL (SELECT sensor_id, width_bucket(ts, %(cuts)s::timestamptz[]) - 1 AS tile,"
    " count(*) FILTER (WHERE {due}) AS due, count(*) FILTER (WHERE NOT {due}) AS not_due FROM {metrics}"
    " WHERE {within} AND ts BETWEEN spans.first AND spans.last GROUP BY sensor_id, tile) AS counted"
)
"""Rows due and not due of each sensor and tile: by the key, sensor by sensor, and by the window alone."""

_DIGESTS = sql.SQL(
    "SELECT sensor_id, day::date, count(*), {digest}"
    " FROM (SELECT {columns}, {day} AS day FROM {metrics}{fence}) AS due"
    " WHERE {within} AND {condition} GROUP BY sensor_id, day"
)
"""Its few groups are hashed: the session keeps the planner from sorting all rows (`session`)."""
_COLUMNS = sql.SQL("sensor_id, ts, value, quality, inserted_at")
_FENCE = sql.SQL(" UNION ALL SELECT {columns}, {day} FROM {metrics} WHERE false")
"""Reads nothing, and leaves no trace in the plan; but days of a union the planner takes for few.

Those of `ts` it takes for as many as rows: it would make room for millions of groups, at a tenth of the price, and
have one process hash what all of them read.
"""
_UNFENCED = sql.SQL("")
_DAY = sql.SQL("ts::date")
_BINNED = sql.SQL("date_bin('1 day', ts, timestamptz '0001-01-01 00:00:00+00')")
"""Cheaper than `ts::date`, which asks for the time zone's rules at each row.

The bins begin before all that the lake can hold: before their beginning some servers put a midnight one bin early.
"""
_BINS_FROM = 140_000
"""The server's version that has `date_bin`."""
_BUCKET = sql.SQL("{}.time_bucket('1 day', ts)")
"""TimescaleDB's own days of UTC, of which its planner knows how many there are."""


def due_of(scope: Scope, sensor_ids: Sequence[str] | None, *, chunked: bool = False) -> sql.Composable:
    """Return the condition of the rows that a scope compares, of some sensors or of all."""
    if scope.since is not None:
        due = DUE_SINCE
    elif scope.window.end < scope.coverage.untimed_until:
        due = _DUE_OF_EXPORTED_CHUNKS if chunked else _DUE_OF_EXPORTED
    else:
        due = _DUE_OF_CHUNKS if chunked else DUE
    return due if sensor_ids is None else sql.SQL("{due} AND {sensors}").format(due=due, sensors=OF_SENSORS)


def digest_statement(
    scope: Scope,
    sensor_ids: Sequence[str] | None,
    metrics: sql.Composable,
    *,
    hashed: bool,
    server_version: int,
    extension_schema: str = "",
) -> sql.Composable:
    """Return the statement of the digests of each sensor and UTC day, in the words that cost the server the least.

    `metrics` is what is read. `extension_schema` is TimescaleDB's, where it keeps the table. Without `hashed` the
    digests are 0.
    """
    binned = _BINNED if server_version >= _BINS_FROM else _DAY
    day = _BUCKET.format(sql.Identifier(extension_schema)) if extension_schema else binned
    fence = _UNFENCED if extension_schema else _FENCE.format(columns=_COLUMNS, day=day, metrics=metrics)
    return _DIGESTS.format(
        columns=_COLUMNS,
        day=day,
        digest=sql.SQL(DIGEST_SQL if hashed else "0"),
        metrics=metrics,
        fence=fence,
        within=WITHIN,
        condition=due_of(scope, sensor_ids, chunked=bool(extension_schema)),
    )
