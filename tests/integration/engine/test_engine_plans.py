"""How Postgres carries out our queries on a large table: by its indexes, and only where the window lies."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from fixtures.postgres import EmbeddedPostgres
from tests.support.schema import with_tables
from tsse_validation.clients.session import fix, fixed_settings, search_path
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.clients.tables import find_tables
from tsse_validation.domain.coverage import Coverage, Scope, scopes_since
from tsse_validation.domain.instants import DAY
from tsse_validation.domain.tiling import Tiling
from tsse_validation.domain.windows import Window

SENSORS = 50
DAYS = 20
ROWS_A_DAY = 300
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
END = BEGIN + timedelta(days=DAYS)
WATERMARK = END - timedelta(minutes=10)
COVERAGE = Coverage(BEGIN, END - timedelta(days=1), WATERMARK)
COVERED = Window(BEGIN, WATERMARK)
ONE_DAY = Window(BEGIN + timedelta(days=7), BEGIN + timedelta(days=8, microseconds=-1))
SIXTH_DAY = Window(BEGIN + 6 * DAY, BEGIN + 7 * DAY - timedelta(microseconds=1))
ONE_HOUR = Window(ONE_DAY.start, ONE_DAY.start + timedelta(hours=1))
DAY_PARTITION = f"metrics_{ONE_DAY.start:%Y%m%d}"
SOME = [f"sensor-{number}" for number in (3, 5, 8)]

PARTITIONED = """
    DROP TABLE metrics;
    CREATE TABLE metrics (
        sensor_id   varchar(24) NOT NULL REFERENCES sensors (sensor_id),
        ts          timestamptz NOT NULL,
        value       double precision NOT NULL,
        quality     smallint DEFAULT 0,
        inserted_at timestamptz DEFAULT now(),
        PRIMARY KEY (sensor_id, ts)
    ) PARTITION BY RANGE (ts);
    CREATE INDEX metrics_inserted_at_idx ON metrics (inserted_at);
    CREATE INDEX metrics_ts_idx ON metrics (ts DESC);
"""
FILL = f"""
    INSERT INTO nodes (id, name) VALUES (gen_random_uuid(), 'node');
    INSERT INTO sensors (sensor_id, node_id, name, type, unit)
        SELECT 'sensor-' || n, (SELECT id FROM nodes), 's', 't', 'u' FROM generate_series(1, {SENSORS}) n;
    INSERT INTO metrics (sensor_id, ts, value, quality, inserted_at)
        SELECT 'sensor-' || s, ts, random(), 0, CASE WHEN n % 10 > 0 THEN ts + interval '1 second' END
        FROM generate_series(0, {DAYS * ROWS_A_DAY} - 1) n
        CROSS JOIN LATERAL (SELECT '{BEGIN}'::timestamptz + n * interval '1 day' / {ROWS_A_DAY}) AS at (ts)
        CROSS JOIN generate_series(1, {SENSORS}) s;
"""
"""Every tenth row has no `inserted_at`, as old rows may."""


class RecordingCursor(psycopg.ClientCursor[tuple[Any, ...]]):
    """Keeps the queries that run, with their values in place."""

    def __init__(self, connection: psycopg.Connection[Any], **more: Any) -> None:
        super().__init__(connection, **more)
        self._kept: list[str] = connection.ran  # type: ignore[attr-defined]

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        self._kept.append(self.mogrify(query, params))
        return super().execute(query, params, **more)

    @contextmanager
    def copy(self, statement: Any, params: Any = None, **more: Any) -> Iterator[psycopg.Copy]:
        self._kept.append(self.mogrify(statement, params))
        with super().copy(statement, params, **more) as copy:
            yield copy


class RecordingConnection(psycopg.Connection[tuple[Any, ...]]):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.ran: list[str] = []
        self.cursor_factory = RecordingCursor


def load(postgres: EmbeddedPostgres, name: str, *, partitioned: bool) -> str:
    conninfo = with_tables(postgres.create_database(name))
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if partitioned:
            connection.execute(PARTITIONED)
            for number in range(DAYS):
                day = BEGIN + timedelta(days=number)
                connection.execute(
                    f"CREATE TABLE metrics_{day:%Y%m%d} PARTITION OF metrics FOR VALUES"
                    f" FROM ('{day}') TO ('{day + timedelta(days=1)}')".encode()
                )
        connection.execute(FILL.encode())
        connection.execute("VACUUM (ANALYZE)")
    return conninfo


@pytest.fixture(scope="module", params=[False, True], ids=["one table", "partitions by day"])
def conninfo(request: pytest.FixtureRequest, postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"plans_{request.param}".lower()
    yield load(postgres, name, partitioned=request.param)
    postgres.drop_database(name)


@pytest.fixture
def partitioned(request: pytest.FixtureRequest) -> bool:
    return "partitions" in request.node.callspec.id


Ask = Callable[[Snapshot], object]


class Plan:
    """What a query does to `metrics`: the nodes that scan it, and the names of what they scan."""

    def __init__(self, nodes: list[dict[str, Any]]) -> None:
        scans = [node for node in nodes if str(node.get("Relation Name", "")).startswith("metrics")]
        self.how = {node["Node Type"] for node in scans}
        self.tables = {node["Relation Name"] for node in scans}
        self.indexes = {node["Index Name"] for node in nodes if "Index Name" in node}

    @property
    def columns(self) -> set[str]:
        names = {"pkey": "primary key", "inserted_at_idx": "inserted_at", "ts_idx": "ts"}
        return {what for index in self.indexes for ending, what in names.items() if index.endswith(ending)}


@pytest.fixture
def plan(conninfo: str) -> Iterator[Callable[[Ask], Plan]]:
    with RecordingConnection.connect(conninfo, options="-c timezone=UTC") as connection:

        def planned(ask: Ask) -> Plan:
            tables = find_tables(connection, ["public"], "the test's server")
            connection.ran.clear()
            ask(Snapshot(connection, tables, "the test's server"))
            return Plan([node for query in list(connection.ran) for node in explained(connection, query)])

        yield planned


def explained(
    connection: psycopg.Connection[Any], query: str, how: str = "FORMAT JSON"
) -> Iterator[dict[str, Any]]:
    if query.startswith("SELECT set_config("):  # what follows is planned under it
        connection.execute(query.encode())
        return
    inner = re.fullmatch(r"COPY \((.*)\) TO STDOUT \(FORMAT csv, HEADER\)", query, re.DOTALL)
    explain = f"EXPLAIN ({how}) {inner[1] if inner else query}"
    (answer,) = connection.execute(explain.encode()).fetchone() or ("[]",)
    told = json.loads(answer) if isinstance(answer, str) else answer
    yield from nodes(told[0]["Plan"])


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from nodes(below)


@pytest.mark.parametrize("window", [ONE_HOUR, ONE_DAY], ids=["an hour", "a day"])
def test_a_window_is_counted_by_its_key(window: Window, plan: Callable[[Ask], Plan], *, partitioned: bool) -> None:
    found = plan(lambda snapshot: snapshot.counts(Scope(window, COVERAGE)))
    assert "Seq Scan" not in found.how
    assert "primary key" in found.columns
    assert found.tables == {DAY_PARTITION if partitioned else "metrics"}


SPREAD = Tiling([Window(BEGIN + n * DAY, BEGIN + n * DAY + timedelta(minutes=n)) for n in range(1, DAYS, 5)])


def test_many_windows_are_counted_by_their_key_in_one_statement(
    plan: Callable[[Ask], Plan], *, partitioned: bool
) -> None:
    found = plan(lambda snapshot: snapshot.tile_counts(Scope(COVERED, COVERAGE), SPREAD))
    assert "Seq Scan" not in found.how
    assert found.columns == {"primary key"}
    assert partitioned or found.tables == {"metrics"}


def test_a_piece_of_many_windows_reads_only_the_piece(plan: Callable[[Ask], Plan], *, partitioned: bool) -> None:
    found = plan(lambda snapshot: snapshot.tile_counts(Scope(SIXTH_DAY, COVERAGE), SPREAD))
    assert found.tables == {f"metrics_{SIXTH_DAY.start:%Y%m%d}" if partitioned else "metrics"}


def test_of_a_partition_without_a_window_no_row_is_read(conninfo: str, *, partitioned: bool) -> None:
    """The partitions of a window are chosen for each as it is looked at: `EXPLAIN ANALYZE` tells which were."""
    with RecordingConnection.connect(conninfo, options="-c timezone=UTC") as connection:
        tables = find_tables(connection, ["public"], "the test's server")
        connection.ran.clear()
        Snapshot(connection, tables, "the test's server").tile_counts(Scope(COVERED, COVERAGE), SPREAD)
        (query,) = connection.ran
        found = [
            node
            for node in explained(connection, query, "ANALYZE, TIMING off, FORMAT JSON")
            if str(node.get("Relation Name", "")).startswith("metrics")
        ]
    read = {node["Relation Name"] for node in found if node["Actual Loops"]}
    assert read == ({f"metrics_{span.start:%Y%m%d}" for span in SPREAD.spans} if partitioned else {"metrics"})
    rows = sum(node["Actual Rows"] * node["Actual Loops"] for node in found)
    assert rows <= SENSORS * len(SPREAD.spans) * (DAYS * ROWS_A_DAY / 24 / 60 + 1)


@pytest.mark.parametrize("sensors", [SOME[:1], SOME], ids=["a sensor", "a few sensors"])
def test_the_rows_of_a_few_sensors_of_a_day_are_read_by_the_primary_key(
    sensors: list[str], plan: Callable[[Ask], Plan], *, partitioned: bool
) -> None:
    found = plan(lambda snapshot: snapshot.due_rows(Scope(ONE_DAY, COVERAGE), sensors))
    assert "Seq Scan" not in found.how
    assert found.columns == {"primary key"}
    assert found.tables == {DAY_PARTITION if partitioned else "metrics"}


def test_digests_of_a_few_sensors_are_taken_by_the_key(plan: Callable[[Ask], Plan], *, partitioned: bool) -> None:
    found = plan(lambda snapshot: snapshot.digests(Scope(ONE_DAY, COVERAGE), sensor_ids=SOME))
    assert "Seq Scan" not in found.how
    assert found.columns == {"primary key"}
    assert found.tables == {DAY_PARTITION if partitioned else "metrics"}


TEN_DAYS = Window(BEGIN + 5 * DAY, BEGIN + 15 * DAY - timedelta(microseconds=1))


@pytest.mark.parametrize("window", [COVERED, TEN_DAYS, ONE_HOUR], ids=["all", "some days", "an hour"])
def test_digests_of_all_sensors_are_read_page_by_page(window: Window, plan: Callable[[Ask], Plan]) -> None:
    """The index on `ts` alone would come back to each page for each of its instants."""
    found = plan(lambda snapshot: snapshot.digests(Scope(window, COVERAGE)))
    assert found.how <= {"Seq Scan", "Bitmap Heap Scan"}


@pytest.mark.parametrize(
    ("days", "how"), [(6, "Bitmap Heap Scan"), (16, "Seq Scan")], ids=["a small part", "a large one"]
)
def test_a_small_part_of_a_table_in_order_is_read_by_its_index(
    days: int, how: str, plan: Callable[[Ask], Plan], *, partitioned: bool
) -> None:
    """The planner takes its rows to be scattered over the table, and would read all of that."""
    window = Window(BEGIN, BEGIN + days * DAY - timedelta(microseconds=1))

    def ask(snapshot: Snapshot) -> None:
        snapshot.laid_out(snapshot.layout(), window, COVERED).digests(Scope(window, COVERAGE))

    assert plan(ask).how == {"Seq Scan" if partitioned else how}


def test_after_the_digests_indexes_are_read_as_before(plan: Callable[[Ask], Plan]) -> None:
    def ask(snapshot: Snapshot) -> None:
        state = snapshot.laid_out(snapshot.layout(), ONE_HOUR, COVERED)
        state.digests(Scope(ONE_HOUR, COVERAGE))
        state.first_and_last(COVERED)

    assert plan(ask).how & {"Index Scan", "Index Only Scan"}


@pytest.mark.parametrize("workers", [0, 2])
def test_digests_are_hashed_and_never_sorted_and_by_workers_only_where_they_are_asked_for(
    workers: int, conninfo: str
) -> None:
    """The planner takes days for instants: left to itself it would sort all rows, and let no worker hash them."""
    limits = fixed_settings(statement_timeout=60, lock_timeout=5, transaction_timeout=60, workers=workers)
    with RecordingConnection.connect(conninfo) as connection:
        connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
        fix(connection, limits, "here")
        tables = find_tables(connection, ["public"], "here")
        fix(connection, {"search_path": search_path(tables.schema)}, "here")
        connection.ran.clear()
        Snapshot(connection, tables, "here").digests(Scope(COVERED, COVERAGE))
        found = [
            node
            for query in list(connection.ran)
            for node in explained(connection, query, "ANALYZE, TIMING off, FORMAT JSON")
        ]
    kinds = {node["Node Type"] for node in found}
    assert ("Gather" in kinds) == (workers > 0)
    assert any(node.get("Partial Mode") == "Partial" for node in found) == (workers > 0), "rows are handed on"
    assert kinds.isdisjoint({"Sort", "Incremental Sort"})
    assert kinds.isdisjoint({"Subquery Scan", "Result"}), "each row goes through more hands than it must"
    hashes = [node for node in found if node["Node Type"] == "Aggregate"]
    assert {node["Strategy"] for node in hashes} == {"Hashed"}
    assert not any(node.get("Disk Usage") for node in hashes)


@pytest.mark.parametrize("window", [COVERED, ONE_DAY], ids=["all of the covered range", "a day"])
def test_the_keys_that_are_not_due_are_found_by_indexes(window: Window, plan: Callable[[Ask], Plan]) -> None:
    found = plan(lambda snapshot: snapshot.not_due_keys(Scope(window, COVERAGE)))
    assert "Seq Scan" not in found.how
    assert "inserted_at" in found.columns


def test_the_keys_that_are_not_due_are_found_by_the_index_on_insertion_times_when_no_row_lacks_one(
    conninfo: str, plan: Callable[[Ask], Plan]
) -> None:
    """A table as a real one is today: the branch for rows without `inserted_at` must cost nothing."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("UPDATE metrics SET inserted_at = ts WHERE inserted_at IS NULL")
        connection.execute("VACUUM (ANALYZE) metrics")
    found = plan(lambda snapshot: snapshot.not_due_keys(Scope(COVERED, COVERAGE)))
    assert "Seq Scan" not in found.how
    assert "inserted_at" in found.columns


QUERIES: dict[str, Ask] = {
    "counts": lambda snapshot: snapshot.counts(Scope(ONE_DAY, COVERAGE)),
    "digests": lambda snapshot: snapshot.digests(Scope(ONE_DAY, COVERAGE)),
    "due rows": lambda snapshot: snapshot.due_rows(Scope(ONE_DAY, COVERAGE)),
    "keys not due": lambda snapshot: snapshot.not_due_keys(Scope(ONE_DAY, COVERAGE)),
    "days with rows": lambda snapshot: snapshot.days_with_rows(Scope(ONE_DAY, COVERAGE)),
}


@pytest.mark.parametrize("ask", QUERIES.values(), ids=QUERIES)
def test_a_days_query_reads_only_the_day(ask: Ask, plan: Callable[[Ask], Plan], *, partitioned: bool) -> None:
    """One partition, or an index into the one table."""
    found = plan(ask)
    assert found.tables == {DAY_PARTITION if partitioned else "metrics"}
    assert partitioned or "Seq Scan" not in found.how


SLICE = scopes_since(COVERAGE, WATERMARK - timedelta(minutes=16))
"""What became due in a minute of a soak, and in the overlap behind it."""


@pytest.mark.parametrize("ask", ["days_since", "digests", "not_due_keys"])
def test_what_was_inserted_since_a_moment_is_found_by_the_index_on_insertion_times(
    ask: str, plan: Callable[[Ask], Plan], *, partitioned: bool
) -> None:
    """Of all time, as wherever a row is dated: no statement reads a table but by an index."""
    (scope,) = SLICE
    found = plan(lambda snapshot: getattr(snapshot, ask)(scope))
    assert "Seq Scan" not in found.how
    assert "inserted_at" in found.columns
    assert partitioned or found.tables == {"metrics"}


@pytest.mark.parametrize("ask", ["digests", "not_due_keys"])
def test_what_was_inserted_since_a_moment_on_one_date_reads_only_the_date(
    ask: str, plan: Callable[[Ask], Plan], *, partitioned: bool
) -> None:
    (scope,) = SLICE
    found = plan(lambda snapshot: getattr(snapshot, ask)(scope.narrowed(ONE_DAY)))
    assert "Seq Scan" not in found.how
    assert found.tables == {DAY_PARTITION if partitioned else "metrics"}
