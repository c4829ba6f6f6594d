"""The stack's hypertable, on a server that has TimescaleDB: name one by `TSSE_TIMESCALE_URL`, with CREATEDB."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pydantic import SecretStr

from fixtures.stacks.database import database_on_server, prepare_database
from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import add_digests
from tsse_validation.domain.slicing import MOST_CHUNKS
from tsse_validation.domain.windows import Window
from tsse_validation.parity.postgres_side import PostgresSide

pytestmark = pytest.mark.slow

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60
COVERAGE = Coverage(BEGIN, BEGIN + timedelta(days=DAYS), BEGIN + timedelta(days=DAYS))
SCOPE = Scope(Window(BEGIN, BEGIN + timedelta(days=DAYS)), COVERAGE)
ROWS = DAYS * 24 * 12


@pytest.fixture(scope="module")
def server() -> str:
    if (given := os.environ.get("TSSE_TIMESCALE_URL")) is None:
        pytest.skip("not run: no server with TimescaleDB here; name one by TSSE_TIMESCALE_URL")
    return given


@pytest.fixture
def conninfo(server: str) -> Iterator[str]:
    with ExitStack() as cleanup:
        yield database_on_server(server, cleanup, keep=False).conninfo


def fill(connection: psycopg.Connection[object]) -> None:
    connection.execute("INSERT INTO nodes (id, name) VALUES (gen_random_uuid(), 'node')")
    connection.execute(
        "INSERT INTO sensors (sensor_id, node_id, name, type, unit)"
        " SELECT 's', (SELECT id FROM nodes), 's', 't', 'u'"
    )
    connection.execute(
        "INSERT INTO metrics SELECT 's', ts, 1, 0, ts"
        " FROM generate_series(%s::timestamptz, %s::timestamptz - interval '5 minutes', '5 minutes') ts",
        (BEGIN, BEGIN + timedelta(days=DAYS)),
    )


def client(conninfo: str) -> PostgresClient:
    return PostgresClient(SecretStr(conninfo), connect_timeout=10, statement_timeout=60, lock_timeout=5)


def chunks(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    return len(connection.execute("SELECT show_chunks('metrics')").fetchall())


def test_the_stack_has_a_hypertable_and_says_so(conninfo: str) -> None:
    component = prepare_database(conninfo, fill)
    with psycopg.connect(conninfo) as connection:
        assert f"metrics is a hypertable, {chunks(connection)} chunks, 0 compressed" in component.description
    assert "TimescaleDB 2." in component.description


def test_compressed_chunks_are_told_estimated_and_read_in_bounded_pieces(conninfo: str) -> None:
    prepare_database(conninfo, fill)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SELECT set_chunk_time_interval('metrics', interval '1 hour')")
        connection.execute("CREATE TEMP TABLE kept AS TABLE metrics")
        connection.execute("SELECT drop_chunks('metrics', now() + interval '10 years')")
        connection.execute("INSERT INTO metrics SELECT * FROM kept")
        connection.execute(
            "ALTER TABLE metrics SET (timescaledb.compress, timescaledb.compress_segmentby = 'sensor_id')"
        )
        connection.execute("SELECT compress_chunk(c) FROM show_chunks('metrics') c ORDER BY c::text LIMIT 100")
        number = chunks(connection)
    asked = client(conninfo)
    layout = BoundedReader(asked).layout()
    assert str(layout) == f"hypertable, {number:,} chunks, 100 compressed"
    assert number > 1_000
    assert 0.3 < layout.rows / ROWS < 3
    sides = list(PostgresSide(asked).slices(SCOPE, hashed=True))
    digests = add_digests([side.digests for side in sides])
    assert sum(digests["rows"].to_pylist()) == ROWS
    assert asked.use.locks_most < (MOST_CHUNKS + 2) * layout.locks_each + 60


def test_a_chunk_that_is_decompressed_under_a_snapshot_is_read_again(conninfo: str) -> None:
    """The older snapshot finds no row of it; a new one finds all."""
    prepare_database(conninfo, fill)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE metrics SET (timescaledb.compress, timescaledb.compress_segmentby = 'sensor_id')"
        )
        connection.execute("SELECT compress_chunk(c) FROM show_chunks('metrics') c")
        with client(conninfo).snapshot() as snapshot:
            snapshot.sensor_ids()
            connection.execute("SELECT decompress_chunk(c) FROM show_chunks('metrics') c")
            before = sum(count.due for count in snapshot.counts(SCOPE).values())
    counts, _ = PostgresSide(client(conninfo)).counts(SCOPE)
    assert before <= ROWS == counts["s"].due
