"""Makes `metrics` what large installations have: partitions, or child tables by inheritance."""

from datetime import datetime, timedelta

import psycopg
from psycopg import sql

_COLUMNS = """
    sensor_id   varchar(24) NOT NULL REFERENCES sensors (sensor_id),
    ts          timestamptz NOT NULL,
    value       double precision NOT NULL,
    quality     smallint DEFAULT 0,
    inserted_at timestamptz DEFAULT now(),
"""
_INDEXES = """
    CREATE INDEX metrics_inserted_at_idx ON metrics (inserted_at);
    CREATE INDEX metrics_ts_idx ON metrics (ts DESC);
"""
_PARTITIONED = f"""
    ALTER TABLE metrics RENAME TO was_metrics;
    ALTER INDEX metrics_pkey RENAME TO was_pkey;
    DROP INDEX metrics_inserted_at_idx, metrics_ts_idx;
    CREATE TABLE metrics ({_COLUMNS} PRIMARY KEY (sensor_id, ts)) PARTITION BY RANGE (ts);
    {_INDEXES}
    CREATE TABLE metrics_rest PARTITION OF metrics DEFAULT;
"""
# each in a transaction of its own: thousands of tables in one would take all locks of the server
_PARTITIONS = """
DO $$ BEGIN
    FOR n IN 0 .. {last} LOOP
        EXECUTE format('CREATE TABLE metrics_%s PARTITION OF metrics FOR VALUES FROM (%L) TO (%L)',
            n, {begin}::timestamptz + n * {length}, {begin}::timestamptz + (n + 1) * {length});
        COMMIT;
    END LOOP;
END $$
"""
_CHILDREN = """
DO $$ BEGIN
    FOR n IN 0 .. {last} LOOP
        EXECUTE format('CREATE TABLE metrics_%s (LIKE metrics INCLUDING ALL, CHECK (ts >= %L AND ts < %L))',
            n, {begin}::timestamptz + n * {length}, {begin}::timestamptz + (n + 1) * {length});
        EXECUTE format('INSERT INTO metrics_%s SELECT * FROM ONLY metrics WHERE ts >= %L AND ts < %L',
            n, {begin}::timestamptz + n * {length}, {begin}::timestamptz + (n + 1) * {length});
        EXECUTE format('ALTER TABLE metrics_%s INHERIT metrics', n);
        COMMIT;
    END LOOP;
    DELETE FROM ONLY metrics WHERE ts >= {begin} AND ts < {begin}::timestamptz + ({last} + 1) * {length};
END $$
"""

Connection = psycopg.Connection[tuple[object, ...]]


def partition(connection: Connection, begin: datetime, length: timedelta, number: int) -> None:
    """Divide the table into partitions by `ts`, and one for the rest; it keeps its rows. Wants autocommit."""
    connection.execute("SET search_path = public")
    connection.execute(_PARTITIONED.encode())
    _run(connection, _PARTITIONS, begin, length, number)
    connection.execute("INSERT INTO metrics SELECT * FROM was_metrics")
    connection.execute("DROP TABLE was_metrics")


def inherit(connection: Connection, begin: datetime, length: timedelta, number: int) -> None:
    """Divide the table into child tables by `ts`; the table itself keeps the rest. Wants autocommit."""
    connection.execute("SET search_path = public")
    _run(connection, _CHILDREN, begin, length, number)


def _run(connection: Connection, text: str, begin: datetime, length: timedelta, number: int) -> None:
    statement = sql.SQL(text).format(
        last=sql.Literal(number - 1), begin=sql.Literal(begin), length=sql.Literal(length)
    )
    connection.execute(statement)
