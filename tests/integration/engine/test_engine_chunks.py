"""A table of thousands of chunks, on a server with its default room for locks, that others use meanwhile."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from fixtures.postgres import EmbeddedPostgres
from tests.support.chunks import inherit, partition
from tests.support.schema import with_tables
from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.clients.tables import find_tables
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import add_digests
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import DAY, MICROSECOND
from tsse_validation.domain.slicing import MOST_CHUNKS
from tsse_validation.domain.tiling import Tiling
from tsse_validation.domain.windows import Window
from tsse_validation.parity.postgres_side import PostgresSide
from tsse_validation.parity.tile_sums import TileSums
from tsse_validation.steps.drawing import find_landmarks
from tsse_validation.steps.watermark import _days_with_rows

CHUNKS = 2_160
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = BEGIN + CHUNKS * timedelta(hours=1)
WATERMARK = END - timedelta(minutes=30)
COVERAGE = Coverage(BEGIN, END - DAY, WATERMARK)
COVERED = Scope(Window(BEGIN, WATERMARK), COVERAGE)
LOCKS_OF_A_CHUNK = 4
"""Itself, its key and its two indexes."""
MOST_LOCKS = (MOST_CHUNKS + 2) * LOCKS_OF_A_CHUNK + 40
"""Those of the chunks, of the table they belong to, of `sensors` and of the catalogues that a statement reads."""
SENSORS = ("a", "b", "c")
FILL = """
    INSERT INTO nodes (id, name) VALUES (gen_random_uuid(), 'node');
    INSERT INTO sensors (sensor_id, node_id, name, type, unit)
        SELECT unnest(%s::text[]), (SELECT id FROM nodes), 's', 't', 'u';
    INSERT INTO metrics (sensor_id, ts, value, quality, inserted_at)
        SELECT s, ts, n, 0, ts + CASE WHEN n %% 500 = 0 THEN interval '1 year' ELSE interval '1 s' END
        FROM generate_series(0, %s) n CROSS JOIN unnest(%s::text[]) s
        CROSS JOIN LATERAL (SELECT %s::timestamptz + n * interval '20 minutes') AS at (ts);
"""
KINDS: dict[str, Callable[..., None]] = {"partitions": partition, "inheritance": inherit}


@pytest.fixture(scope="module", params=KINDS)
def chunked(request: pytest.FixtureRequest, postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"chunks_{request.param}"
    conninfo = with_tables(postgres.create_database(name))
    with psycopg.connect(conninfo, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(FILL, (list(SENSORS), CHUNKS * 3 - 1, list(SENSORS), BEGIN))
        KINDS[request.param](connection, BEGIN, timedelta(hours=1), CHUNKS)
        connection.execute("ANALYZE metrics_7")
    yield conninfo
    postgres.drop_database(name)


@pytest.fixture
def client(chunked: str) -> PostgresClient:
    return PostgresClient(SecretStr(chunked), connect_timeout=10, statement_timeout=60, lock_timeout=5)


MANY = Tiling([Window(BEGIN + n * 3 * DAY, BEGIN + n * 3 * DAY + n * timedelta(hours=2)) for n in range(30)])


def in_one_statement(conninfo: str, ask: Callable[[Snapshot], Any]) -> Any:
    """Ask the whole table, as nobody should who is not alone on the server."""
    with psycopg.connect(conninfo, options="-c timezone=UTC", cursor_factory=psycopg.ClientCursor) as connection:
        return ask(Snapshot(connection, find_tables(connection, ["public"], "here"), "here"))


def proven(client: PostgresClient) -> Any:
    sides = list(PostgresSide(client).slices(COVERED, hashed=True))
    return add_digests([side.digests for side in sides]), sum(side.not_due.num_rows for side in sides)


WORK: dict[str, Callable[[PostgresClient], object]] = {
    "digests": proven,
    "counts": lambda client: PostgresSide(client).counts(COVERED),
    "counts of many windows": lambda client: list(PostgresSide(client).tile_counts(COVERED, MANY)),
    "the dates with rows": lambda client: _days_with_rows(BoundedReader(client), COVERED),
    "the landmarks": lambda client: find_landmarks(COVERED, client),
    "the layout": lambda client: BoundedReader(client).layout(),
    "rows of a day": lambda client: PostgresSide(client).due_rows(
        COVERED.narrowed(Window(BEGIN + 3 * DAY, BEGIN + 4 * DAY - MICROSECOND)), SENSORS
    ),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_no_transaction_locks_more_than_its_share(
    work: Callable[[PostgresClient], object], client: PostgresClient
) -> None:
    work(client)
    assert 0 < client.use.locks_most <= MOST_LOCKS


def test_the_pieces_say_together_what_one_statement_says(chunked: str, client: PostgresClient) -> None:
    digests, not_due = proven(client)
    one = in_one_statement(chunked, lambda snapshot: snapshot.digests(COVERED))
    order = [("sensor_id", "ascending"), ("day", "ascending")]
    assert digests.sort_by(order) == one.sort_by(order)
    assert digests.num_rows == len(SENSORS) * CHUNKS // 24
    assert not_due == in_one_statement(chunked, lambda snapshot: snapshot.not_due_keys(COVERED)).num_rows > 0
    counts, _ = PostgresSide(client).counts(COVERED)
    assert counts == in_one_statement(chunked, lambda snapshot: snapshot.counts(COVERED))
    sums = TileSums()
    for _, tiles, _ in PostgresSide(client).tile_counts(COVERED, MANY):
        sums.add_postgres(tiles)
    for window in MANY.windows:
        part = COVERED.narrowed(window)
        assert sums.of(MANY.tiles_of(window))[0] == in_one_statement(chunked, partial(Snapshot.counts, scope=part))


def test_every_date_with_rows_is_found(client: PostgresClient) -> None:
    days = _days_with_rows(BoundedReader(client), COVERED)
    assert days == {date(2026, 1, 1) + number * DAY: True for number in range(CHUNKS // 24)}


def test_landmarks_are_found_all_over_the_window(client: PostgresClient) -> None:
    found = find_landmarks(COVERED, client).row_instants
    assert len(found) > 50
    assert min(found) < BEGIN + 2 * DAY < END - 4 * DAY < max(found)


def test_the_table_is_described_as_it_is(chunked: str, client: PostgresClient) -> None:
    layout = BoundedReader(client).layout()
    one = "partitions" if "partitions" in chunked else "child tables"
    assert f"{CHUNKS + (one == 'partitions'):,} {one}" in str(layout)
    assert layout.locks_each == LOCKS_OF_A_CHUNK
    assert 0.2 < layout.rows / (CHUNKS * 3 * len(SENSORS)) < 20
    assert {(chunk.end - chunk.start) for chunk in layout.chunks if chunk.start and chunk.end} == {
        timedelta(hours=1)
    }


def test_the_controller_finds_room_for_its_locks_beside_us(chunked: str, client: PostgresClient) -> None:
    """Its own query over most of the table holds three quarters of the locks that there are."""
    stop, failures, rounds = threading.Event(), list[str](), list[int]()

    def beside() -> None:
        with psycopg.connect(chunked, cursor_factory=psycopg.ClientCursor) as connection:
            while not stop.is_set():
                try:
                    connection.execute(
                        "SELECT count(*) FROM metrics WHERE ts >= %s AND ts < %s",
                        (BEGIN, BEGIN + timedelta(hours=1_300)),
                    )
                    rounds.append(1)
                    connection.commit()
                except psycopg.errors.OutOfMemory as error:
                    failures.append(str(error))
                    connection.rollback()

    thread = threading.Thread(target=beside)
    thread.start()
    try:
        digests, _ = proven(client)
    finally:
        stop.set()
        thread.join()
    assert failures == []
    assert rounds
    assert digests.num_rows == len(SENSORS) * CHUNKS // 24


def test_children_that_this_role_may_not_read_are_read_by_their_parent_or_not_at_all(
    chunked: str, postgres: EmbeddedPostgres
) -> None:
    with psycopg.connect(chunked, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'reads-the-parent'")
        connection.execute("GRANT SELECT ON metrics, sensors TO reader")
    address = f"postgresql://reader:reads-the-parent@{postgres.host}:{postgres.port}/{chunked.rpartition('/')[2]}"
    reader = PostgresClient(SecretStr(address), connect_timeout=10, statement_timeout=60, lock_timeout=5)
    try:
        if "inheritance" in chunked:
            with pytest.raises(NotCheckedError, match=r"2,160 child tables.*would take 8,6\d\d of the"):
                proven(reader)
        else:
            assert proven(reader)[0].num_rows == len(SENSORS) * CHUNKS // 24
    finally:
        with psycopg.connect(chunked, autocommit=True) as connection:
            connection.execute("DROP OWNED BY reader; DROP ROLE reader")
