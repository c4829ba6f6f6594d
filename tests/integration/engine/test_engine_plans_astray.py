"""How Postgres carries out the digest statement where it knows too little of the table, or that has children."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from fixtures.postgres import EmbeddedPostgres
from tests.integration.engine.test_engine_plans import (
    BEGIN,
    COVERAGE,
    COVERED,
    DAYS,
    FILL,
    ROWS_A_DAY,
    SENSORS,
    TEN_DAYS,
    RecordingConnection,
    explained,
)
from tests.support.schema import with_tables
from tsse_validation.clients.session import fix, fixed_settings, search_path
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.clients.tables import find_tables
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.instants import DAY
from tsse_validation.domain.windows import Window

FEWER = 10
"""By this a day has fewer rows than in the tests of other plans."""
ROWS = SENSORS * DAYS * ROWS_A_DAY // FEWER
FILL_WITH_FEWER = FILL.replace(f"{DAYS * ROWS_A_DAY} - 1", f"{DAYS * ROWS_A_DAY // FEWER} - 1").replace(
    f"/ {ROWS_A_DAY}", f"/ {ROWS_A_DAY // FEWER}"
)
CHILD_FROM = BEGIN + 12 * DAY


def _never_analyzed(connection: psycopg.Connection[Any]) -> None:
    connection.execute(FILL_WITH_FEWER.encode())


def _analyzed_when_it_was_empty(connection: psycopg.Connection[Any]) -> None:
    connection.execute("ANALYZE metrics")
    connection.execute(FILL_WITH_FEWER.encode())


def _analyzed_when_it_had_one_sensor(connection: psycopg.Connection[Any]) -> None:
    connection.execute(FILL_WITH_FEWER.encode())
    connection.execute("CREATE TABLE kept AS SELECT * FROM metrics WHERE sensor_id <> 'sensor-1'")
    connection.execute("DELETE FROM metrics WHERE sensor_id <> 'sensor-1'")
    connection.execute("VACUUM (ANALYZE) metrics")
    connection.execute("INSERT INTO metrics SELECT * FROM kept; DROP TABLE kept")


def _analyzed_when_it_had_far_more(connection: psycopg.Connection[Any]) -> None:
    connection.execute(FILL_WITH_FEWER.encode())
    connection.execute("ANALYZE metrics")
    connection.execute("UPDATE pg_class SET reltuples = 4e9, relpages = 40000000 WHERE oid = 'metrics'::regclass")


def _with_a_child(connection: psycopg.Connection[Any]) -> None:
    """Have a child table beside rows of the parent's own, with as much in either as there happens to be."""
    connection.execute(FILL_WITH_FEWER.encode())
    connection.execute(
        f"CREATE TABLE metrics_late (LIKE metrics INCLUDING ALL, CHECK (ts >= '{CHILD_FROM}'))".encode()
    )
    connection.execute(
        f"WITH moved AS (DELETE FROM metrics WHERE ts >= '{CHILD_FROM}' RETURNING *)"
        " INSERT INTO metrics_late SELECT * FROM moved".encode()
    )
    connection.execute("ALTER TABLE metrics_late INHERIT metrics")
    connection.execute("VACUUM (ANALYZE)")


def _with_a_child_never_analyzed(connection: psycopg.Connection[Any]) -> None:
    _with_a_child(connection)
    connection.execute("DELETE FROM pg_statistic WHERE starelid::regclass::text LIKE 'metrics%'")


KINDS: dict[str, Callable[[psycopg.Connection[Any]], None]] = {
    "never analyzed": _never_analyzed,
    "analyzed when it was empty": _analyzed_when_it_was_empty,
    "analyzed when it had one sensor": _analyzed_when_it_had_one_sensor,
    "analyzed when it had far more": _analyzed_when_it_had_far_more,
    "with a child": _with_a_child,
    "with a child, never analyzed": _with_a_child_never_analyzed,
}


@pytest.fixture(scope="module", params=KINDS)
def astray(request: pytest.FixtureRequest, postgres: EmbeddedPostgres) -> Iterator[str]:
    name = "plans_astray"
    conninfo = with_tables(postgres.create_database(name))
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ALTER TABLE metrics SET (autovacuum_enabled = off)")
        KINDS[request.param](connection)
    yield conninfo
    postgres.drop_database(name)


def _ran(conninfo: str, window: Window) -> tuple[int, list[dict[str, Any]]]:
    """Return how many rows were digested, and the nodes of the plan that did it."""
    limits = fixed_settings(statement_timeout=60, lock_timeout=5, transaction_timeout=60, workers=0)
    with RecordingConnection.connect(conninfo) as connection:
        connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
        fix(connection, limits, "here")
        tables = find_tables(connection, ["public"], "here")
        fix(connection, {"search_path": search_path(tables.schema)}, "here")
        snapshot = Snapshot(connection, tables, "here")
        laid_out = snapshot.laid_out(snapshot.layout(), window)
        connection.ran.clear()
        digests = laid_out.digests(Scope(window, COVERAGE))
        (query,) = (one for one in connection.ran if "GROUP BY" in one)
        found = list(explained(connection, query, "ANALYZE, TIMING off, FORMAT JSON"))
    return sum(digests["rows"].to_pylist()), found


@pytest.mark.parametrize("window", [COVERED, TEN_DAYS], ids=["all", "some days"])
def test_the_digest_statement_sorts_no_rows_and_reads_none_twice(window: Window, astray: str) -> None:
    with psycopg.connect(astray) as connection:
        due = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE inserted_at <= %(watermark)s OR inserted_at IS NULL)"
            " FROM metrics WHERE ts BETWEEN %(start)s AND %(end)s",
            {"start": window.start, "end": window.end, "watermark": COVERAGE.watermark},
        ).fetchone()
    assert due is not None
    within, most_due = due
    assert 0 < within <= ROWS
    digested, found = _ran(astray, window)
    assert within * 4 / 5 < digested <= most_due
    assert {node["Node Type"] for node in found}.isdisjoint({"Sort", "Incremental Sort"})
    assert {node["Strategy"] for node in found if node["Node Type"] == "Aggregate"} == {"Hashed"}
    scans = [node for node in found if str(node.get("Relation Name", "")).startswith("metrics")]
    assert scans
    assert len({node["Relation Name"] for node in scans}) == len(scans)
    assert all(node["Actual Loops"] == 1 for node in scans)
    assert sum(map(_looked_at, scans)) <= ROWS


def _looked_at(scan: dict[str, Any]) -> int:
    return int(scan["Actual Rows"]) + int(scan.get("Rows Removed by Filter", 0))
