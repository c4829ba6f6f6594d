"""What `metrics` consists of, as the client reads it from the server's catalogues."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from fixtures.postgres import EmbeddedPostgres
from tests.support.chunks import inherit, partition
from tests.support.schema import with_tables
from tsse_validation.clients.layout import read_layout
from tsse_validation.domain.instants import DAY, MICROSECOND
from tsse_validation.domain.slicing import TableKind, TableLayout
from tsse_validation.domain.windows import Window

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Connection = psycopg.Connection[tuple[object, ...]]

# As TimescaleDB 2 documents its views and functions; its own chunks are child tables, too.
TIMESCALE = """
    SET allow_system_table_mods = on;
    CREATE SCHEMA extension_place;
    INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
        SELECT 99999, 'timescaledb', 10, oid, false, '2.28.0' FROM pg_namespace WHERE nspname = 'extension_place';
    CREATE SCHEMA timescaledb_information;
    CREATE TABLE timescaledb_information.hypertables (hypertable_schema name, hypertable_name name);
    CREATE TABLE timescaledb_information.chunks (hypertable_schema name, hypertable_name name, chunk_schema name,
        chunk_name name, range_start timestamptz, range_end timestamptz, is_compressed boolean);
    INSERT INTO timescaledb_information.hypertables VALUES ('public', 'metrics');
    INSERT INTO timescaledb_information.chunks
        SELECT 'public', 'metrics', 'public', 'metrics_' || n, '2026-01-01Z'::timestamptz + n * interval '1 day',
            '2026-01-01Z'::timestamptz + (n + 1) * interval '1 day', n < 2 FROM generate_series(0, 3) n;
    CREATE FUNCTION extension_place.approximate_row_count(regclass) RETURNS bigint LANGUAGE sql
        AS 'SELECT 2000000::bigint';
"""


@pytest.fixture
def connection(postgres: EmbeddedPostgres) -> Iterator[Connection]:
    conninfo = with_tables(postgres.create_database("layouts"))
    with psycopg.connect(conninfo, autocommit=True, options="-c timezone=UTC") as made:
        made.execute("INSERT INTO nodes (id, name) VALUES (gen_random_uuid(), 'node')")
        made.execute(
            "INSERT INTO sensors (sensor_id, node_id, name, type, unit)"
            " SELECT 's', (SELECT id FROM nodes), 's', 't', 'u'"
        )
        made.execute(
            "INSERT INTO metrics SELECT 's', '2026-01-01Z'::timestamptz + n * interval '1 minute', 1, 0, now()"
            " FROM generate_series(0, 4 * 1440 - 1) n"
        )
        yield made
    postgres.drop_database("layouts")


def ranges(layout: TableLayout) -> dict[str, tuple[datetime | None, datetime | None]]:
    return {chunk.name: (chunk.start, chunk.end) for chunk in layout.chunks}


DAYS = {f"metrics_{n}": (BEGIN + n * DAY, BEGIN + (n + 1) * DAY) for n in range(4)}


def test_a_plain_table_has_no_chunks_and_rows_by_its_size_or_its_statistics(connection: Connection) -> None:
    layout = read_layout(connection)
    assert (layout.kind, layout.chunks, layout.locks_each) == (TableKind.PLAIN, (), 4)
    assert 3_000 < layout.rows < 10_000
    assert layout.lock_room == 6_400
    connection.execute("ANALYZE metrics")
    assert read_layout(connection).rows == 5_760


def test_a_plain_table_is_in_order_where_its_statistics_say_so_and_an_index_finds_rows_by_time(
    connection: Connection,
) -> None:
    assert not read_layout(connection).in_order
    connection.execute("ANALYZE metrics")
    assert read_layout(connection).in_order
    connection.execute("DROP INDEX metrics_ts_idx; CREATE INDEX metrics_ts_idx ON metrics (ts) WHERE quality > 0")
    assert not read_layout(connection).in_order, "of the index on the key, or of one on a part of the rows"


def test_a_plain_table_whose_rows_came_in_any_order_is_not_in_order(connection: Connection) -> None:
    connection.execute("CREATE TABLE kept AS SELECT * FROM metrics; TRUNCATE metrics")
    connection.execute("INSERT INTO metrics SELECT * FROM kept ORDER BY md5(ts::text); ANALYZE metrics")
    assert not read_layout(connection).in_order


def test_partitions_are_told_with_their_bounds(connection: Connection) -> None:
    partition(connection, BEGIN, DAY, 4)
    layout = read_layout(connection)
    assert str(layout) == "partitioned table, 5 partitions"
    assert ranges(layout) == DAYS | {"metrics_rest": (None, None)}
    assert all(500 < chunk.rows < 4_000 for chunk in layout.chunks if chunk.bounded)
    assert not layout.by_name


def test_partitions_of_partitions_have_the_bounds_of_those_above(connection: Connection) -> None:
    partition(connection, BEGIN, DAY, 1)
    connection.execute(
        "CREATE TABLE late PARTITION OF metrics FOR VALUES FROM ('2027-01-01Z') TO (MAXVALUE)"
        " PARTITION BY HASH (sensor_id)"
    )
    for n in range(2):
        connection.execute(
            f"CREATE TABLE late_{n} PARTITION OF late FOR VALUES WITH (MODULUS 2, REMAINDER {n})".encode()
        )
    found = ranges(read_layout(connection))
    assert found["late_0"] == found["late_1"] == (datetime(2027, 1, 1, tzinfo=UTC), None)
    assert "late" not in found


def test_child_tables_are_told_by_their_constraints_and_read_by_name(connection: Connection) -> None:
    inherit(connection, BEGIN, DAY, 4)
    layout = read_layout(connection)
    assert str(layout) == "table with 4 child tables"
    assert ranges(layout) == DAYS
    assert layout.by_name


def test_a_constraint_that_has_its_end_in_it_lets_a_row_lie_there(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE child (CHECK (ts BETWEEN '2026-01-05Z' AND '2026-01-06Z')) INHERITS (metrics)"
    )
    (chunk,) = read_layout(connection).chunks
    midnight = datetime(2026, 1, 6, tzinfo=UTC)
    assert chunk.meets(Window(midnight, midnight))
    assert not chunk.meets(Window(midnight + MICROSECOND, midnight + DAY))


@pytest.mark.parametrize(
    "check",
    [
        "ts >= '2026-01-05Z' OR ts < '2026-01-01Z'",
        "NOT (ts >= '2020-01-01Z' AND ts < '2021-01-01Z')",
        "inserted_at >= '2020-01-01Z' AND inserted_at < '2021-01-01Z'",
        "ts >= '2020-01-01Z' AND ts < now()",
        "(ts >= '2020-01-01Z' AND ts < '2021-01-01Z') IS NOT TRUE",
    ],
)
def test_what_does_not_say_for_certain_where_rows_lie_is_not_taken_for_it(
    check: str, connection: Connection
) -> None:
    """A row that lies outside of what we believe would be in no piece, and then in no proof."""
    connection.execute(f"CREATE TABLE child (CHECK ({check})) INHERITS (metrics)".encode())
    assert ranges(read_layout(connection)) == {"child": (None, None)}


def test_a_constraint_that_old_rows_need_not_hold_is_not_taken_for_bounds(connection: Connection) -> None:
    connection.execute("CREATE TABLE child () INHERITS (metrics)")
    connection.execute("ALTER TABLE child ADD CHECK (ts >= '2026-01-05Z' AND ts < '2026-01-06Z') NOT VALID")
    assert ranges(read_layout(connection)) == {"child": (None, None)}


def test_a_hypertable_is_told_with_its_chunks_and_its_compressed_rows(connection: Connection) -> None:
    inherit(connection, BEGIN, DAY, 4)
    connection.execute(TIMESCALE)
    connection.execute("ANALYZE metrics_2; ANALYZE metrics_3; DELETE FROM metrics_0; DELETE FROM metrics_1")
    layout = read_layout(connection)
    assert str(layout) == "hypertable, 4 chunks, 2 compressed"
    assert {name.removeprefix("public."): bounds for name, bounds in ranges(layout).items()} == DAYS
    assert [chunk.rows for chunk in layout.chunks if not chunk.compressed] == [1_440] * 2
    assert sum(chunk.rows for chunk in layout.chunks) == 2_000_000
    assert layout.locks_each > 4
    assert not layout.by_name


def test_an_extension_beside_a_table_that_is_no_hypertable_says_nothing_of_it(connection: Connection) -> None:
    connection.execute(TIMESCALE)
    connection.execute("DELETE FROM timescaledb_information.hypertables")
    assert str(read_layout(connection)) == "plain table"
