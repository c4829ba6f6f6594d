"""The suite's session on a real PostgreSQL: it cannot write, holds its limits, and is one at a time."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from tests.system.harmless.conftest import Installed
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.errors import AccessError, DeadlineError, NotAllowedError


@pytest.fixture
def client(installed: Installed) -> PostgresClient:
    """Read as the database's owner: what follows is held by the session, not by missing rights."""
    conninfo = SecretStr(installed.controller.conninfo)
    return PostgresClient(conninfo, connect_timeout=5, statement_timeout=1.5, lock_timeout=0.25)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO nodes (id, name) VALUES (gen_random_uuid(), 'x')",
        "UPDATE metrics SET value = 0",
        "DELETE FROM metrics",
        "TRUNCATE metrics",
        "CREATE TABLE mine (x int)",
        "CREATE TEMP TABLE mine (x int)",
        "SELECT * INTO TEMP mine FROM sensors",
        "SELECT nextval('analysis_job_events_id_seq')",
        "SELECT * FROM metrics FOR UPDATE",
        "WITH gone AS (DELETE FROM metrics RETURNING *) SELECT count(*) FROM gone",
        "COPY metrics FROM STDIN",
        "VACUUM metrics",
    ],
)
def test_a_session_can_not_write_whatever_it_is_told(statement: str, client: PostgresClient) -> None:
    refused = (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.ActiveSqlTransaction)
    with pytest.raises(refused), client.snapshot() as snapshot:
        snapshot._connection.execute(statement.encode())


LIMITS = {
    "application_name": "tsse-validation",
    "default_transaction_read_only": "on",
    "transaction_read_only": "on",
    "transaction_isolation": "repeatable read",
    "statement_timeout": "1500ms",
    "lock_timeout": "250ms",
    "idle_in_transaction_session_timeout": "1min",
    "work_mem": "16MB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "row_security": "off",
    "search_path": 'pg_catalog, "public", pg_temp',
}


def test_a_session_carries_its_name_and_its_limits(client: PostgresClient) -> None:
    ask = "SELECT current_setting(%s)"
    with client.snapshot() as snapshot:
        shown = {name: snapshot._connection.execute(ask, (name,)).fetchone() for name in LIMITS}
    assert {name: value[0] for name, value in shown.items() if value} == LIMITS


def test_the_limits_cannot_be_lifted_by_the_dsn(installed: Installed) -> None:
    lifted = SecretStr(
        psycopg.conninfo.make_conninfo(
            installed.controller.conninfo,
            application_name="somebody",
            options="-c default_transaction_read_only=off -c statement_timeout=0 -c work_mem=1GB",
        )
    )
    client = PostgresClient(lifted, connect_timeout=5, statement_timeout=0.0001, lock_timeout=1)
    with pytest.raises(DeadlineError), client.snapshot() as snapshot:
        snapshot._connection.execute("SELECT pg_sleep(10)")


def test_a_session_that_has_lost_its_limits_on_the_way_is_not_used(
    client: PostgresClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect: Callable[..., psycopg.Connection[Any]] = psycopg.connect
    # on one that pools by statement, what is set for a transaction is gone after its only statement
    monkeypatch.setattr(psycopg, "connect", lambda conninfo: connect(conninfo, autocommit=True))
    lost = "lost its limits: .*default_transaction_read_only, .*idle_in_transaction"
    with pytest.raises(AccessError, match=lost), client.snapshot():
        pytest.fail("it was used")


def test_a_lock_is_not_waited_for_long(installed: Installed, client: PostgresClient) -> None:
    with psycopg.connect(installed.controller.conninfo) as other:
        other.execute("LOCK TABLE sensors")
        with pytest.raises(DeadlineError, match="waited too long for a lock"), client.snapshot() as snapshot:
            snapshot.sensor_ids()


def test_a_second_session_is_a_fault_of_the_suite(client: PostgresClient) -> None:
    with client.snapshot(), pytest.raises(NotAllowedError, match="one session"), client.snapshot():
        pytest.fail("it was opened")
    with client.snapshot() as snapshot:
        assert snapshot.sensor_ids()
