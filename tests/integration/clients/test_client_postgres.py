"""The Postgres client where there is no Postgres; with one it is tried in the stack's tests."""

from collections.abc import Callable

import pytest
from pydantic import SecretStr

from tests.integration.clients.conftest import Serve, Told
from tests.integration.clients.hostile import HostileServer, dead_port, document
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import ServerInfo
from tsse_validation.domain.errors import UnreachableError

PASSWORD = "s3cr3t-pa55word"


def client(port: int, **more: str) -> PostgresClient:
    extra = "".join(f" {name}={value}" for name, value in more.items())
    return PostgresClient(
        SecretStr(f"host=127.0.0.1 port={port} user=u password={PASSWORD} dbname=farm{extra}"),
        connect_timeout=2,
        statement_timeout=5,
        lock_timeout=1,
    )


def ask(asked: PostgresClient) -> None:
    with asked.snapshot() as snapshot:
        snapshot.server()


@pytest.fixture
def dead() -> int:
    return dead_port()


def test_a_postgres_that_is_not_there_is_told_with_its_address(dead: int, told: Told) -> None:
    with told(UnreachableError, f"127.0.0.1:{dead}/farm", "cannot be reached") as caught:
        ask(client(dead))
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("make", [lambda serve: serve(document({})), lambda serve: serve(silent=True)])
def test_a_service_that_is_no_postgres_or_says_nothing_is_told(
    make: Callable[[Serve], HostileServer], serve: Serve, told: Told
) -> None:
    with told(UnreachableError, "cannot be reached") as caught:
        ask(client(make(serve).port, sslmode="disable", gssencmode="disable"))
    assert PASSWORD not in str(caught.value)


def test_the_client_does_not_print_its_password(dead: int) -> None:
    made = client(dead)
    assert PASSWORD not in repr(vars(made))
    assert made.where == f"127.0.0.1:{dead}/farm"


@pytest.mark.parametrize(
    ("conninfo", "where"),
    [("dbname=farm", "local socket:5432/farm"), ("host=h", "h:5432/"), ("postgresql://h:1/d", "h:1/d")],
)
def test_a_database_is_named_by_where_it_is(conninfo: str, where: str) -> None:
    made = PostgresClient(SecretStr(conninfo), connect_timeout=1, statement_timeout=1, lock_timeout=1)
    assert made.where == where


def test_a_server_is_named_with_its_extension_or_without() -> None:
    assert str(ServerInfo("17.6", "2.22.0", 0.1)) == "PostgreSQL 17.6, TimescaleDB 2.22.0"
    assert str(ServerInfo("17.6", None, 0.1)) == "PostgreSQL 17.6, without TimescaleDB"
