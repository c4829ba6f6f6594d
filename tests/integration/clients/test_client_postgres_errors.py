"""What goes wrong on the way to Postgres and in it is told by its kind, with what to do about it."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fixtures.postgres import EmbeddedPostgres
from tests.support.databases import READER, READER_PASSWORD, as_reader, execute, new_database, reading
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.postgres_errors import explained, refused
from tsse_validation.domain.errors import (
    AccessError,
    BusyError,
    DeadlineError,
    SettingsError,
    SuiteError,
    UnreachableError,
)

WRONG_ADVICE = "Is it running, is the DSN right?"


@pytest.fixture(scope="module")
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    yield new_database(postgres, "errors")
    postgres.drop_database("errors")


def told(client: PostgresClient) -> SuiteError:
    with pytest.raises(SuiteError) as caught, client.snapshot():
        pytest.fail("it was opened")
    assert READER_PASSWORD not in str(caught.value)
    return caught.value


def where(conninfo: str) -> str:
    given = conninfo_to_dict(conninfo)
    return f"{given['host']}:{given['port']}"


def test_a_database_that_is_not_there(database: str) -> None:
    error = told(reading(make_conninfo(database, dbname="fram")))
    assert str(error) == (
        f'Postgres at {where(database)}/fram has no such database: database "fram" does not exist. '
        "Correct the database's name in the DSN."
    )
    assert isinstance(error, AccessError)


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"user": "nobody_here"}])
def test_a_wrong_user_or_password(wrong: dict[str, str], database: str) -> None:
    error = told(reading(make_conninfo(database, **wrong)))
    assert "does not let us in: password authentication failed" in str(error)
    assert "Check user and PGPASSFILE." in str(error)
    assert isinstance(error, AccessError)


def test_no_password_at_all(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    given = conninfo_to_dict(database)
    del given["password"]
    assert "Check user and PGPASSFILE." in str(told(reading(make_conninfo("", **given))))


def test_a_role_that_has_as_many_sessions_as_it_may(database: str) -> None:
    with as_reader(database, f"ALTER ROLE {READER} CONNECTION LIMIT 0") as conninfo:
        error = told(reading(conninfo))
    assert "has no connection free for us: too many connections for role" in str(error)
    assert WRONG_ADVICE not in str(error)


def test_a_database_that_the_role_may_not_connect_to(database: str) -> None:
    execute(database, "REVOKE CONNECT ON DATABASE errors FROM PUBLIC")
    with as_reader(database) as conninfo:
        error = told(reading(conninfo))
    execute(database, "GRANT CONNECT ON DATABASE errors TO PUBLIC")
    assert "permission denied for database" in str(error)
    assert "GRANT CONNECT" in str(error)


def test_encryption_that_the_server_does_not_offer(database: str) -> None:
    error = told(reading(make_conninfo(database, sslmode="require")))
    assert "does not let us in: server does not support SSL" in str(error)
    assert "sslmode" in error.advice


def test_a_service_that_is_in_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "services").write_text("[farm]\nhost=127.0.0.1\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGSYSCONFDIR", str(tmp_path))
    error = told(reading("service=fram"))
    assert isinstance(error, SettingsError)
    assert "service fram" in str(error)
    assert "PGSERVICEFILE" in str(error)


def test_the_server_that_the_environment_names_is_told(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = conninfo_to_dict(database)
    monkeypatch.setenv("PGHOST", str(given["host"]))
    monkeypatch.setenv("PGPORT", str(given["port"]))
    monkeypatch.setenv("PGUSER", str(given["user"]))
    monkeypatch.setenv("PGPASSWORD", str(given["password"]))
    client = reading("dbname=errors")
    assert client.where == f"{where(database)}/errors"
    with client.snapshot():
        pass
    assert f"{where(database)}/fram has no such database" in str(told(reading("dbname=fram")))


def test_a_host_without_an_address(database: str) -> None:
    error = told(reading(make_conninfo(database, host="no-such-host.invalid")))
    assert isinstance(error, UnreachableError)
    assert "no-such-host.invalid" in str(error)
    assert "resolve" in error.advice


@contextmanager
def refusing(code: str, message: str) -> Iterator[int]:
    """Answer every session as a server does that refuses it."""
    fields = b"".join(
        kind + text.encode() + b"\0" for kind, text in ((b"S", "FATAL"), (b"C", code), (b"M", message))
    )
    answer = b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(65_536)
                    client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("57P03", "the database system is starting up", "takes no sessions now.*run again when it is up"),
        ("57P03", "the database system is in recovery mode", "takes no sessions now"),
        ("57P03", "the database system is not yet accepting connections", "takes no sessions now"),
        ("53300", "sorry, too many clients already", "has no connection free for us"),
        ("53300", "remaining connection slots are reserved for roles", "has no connection free for us"),
        ("08P01", "no more connections allowed (max_client_conn)", "has no connection free for us"),
        ("08P01", "unsupported startup parameter: geqo", "A pooler refuses what libpq asks for"),
        ("08P01", "no such database: farm", "has no such database"),
        ("28000", 'no pg_hba.conf entry for host "10.0.0.7", user "u", no encryption', "pg_hba.conf has no line"),
        ("53300", "tut mir leid, schon zu viele Verbindungen", "refuses our session: tut mir leid.*own words"),
        ("XX000", "something nobody has seen", "refuses our session: something nobody has seen"),
    ],
)
def test_a_refused_session_is_told_by_its_kind(code: str, message: str, said: str) -> None:
    with refusing(code, message) as port:
        error = told(reading(f"host=127.0.0.1 port={port} dbname=farm user=u sslmode=disable gssencmode=disable"))
    assert WRONG_ADVICE not in str(error)
    assert f"Postgres at 127.0.0.1:{port}/farm" in str(error)
    with pytest.raises(type(error), match=said):
        raise error


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (
            psycopg.errors.SerializationFailure("canceling statement due to conflict with recovery"),
            BusyError,
            "in the way of what this standby replays",
        ),
        (
            psycopg.OperationalError("terminating connection due to conflict with recovery"),
            BusyError,
            "in the way of what this standby replays",
        ),
        (psycopg.errors.OutOfMemory("out of shared memory"), BusyError, "max_locks_per_transaction"),
        (psycopg.errors.OutOfMemory("out of memory"), UnreachableError, "no memory left"),
        (psycopg.errors.DiskFull("could not write to file"), UnreachableError, "disk is full"),
        (psycopg.errors.AdminShutdown("terminating connection"), UnreachableError, "ended our session"),
        (psycopg.OperationalError("server closed the connection unexpectedly"), UnreachableError, "ended our"),
        (psycopg.errors.ConfigurationLimitExceeded("temporary file size"), UnreachableError, "temp_file_limit"),
        (psycopg.errors.DataCorrupted("invalid page in block 7"), UnreachableError, "data is damaged"),
        (psycopg.errors.IdleInTransactionSessionTimeout("idle"), DeadlineError, "waited too long for us"),
        (
            psycopg.errors.TransactionTimeout("terminating connection due to transaction timeout"),
            DeadlineError,
            "--transaction-timeout",
        ),
        (psycopg.errors.QueryCanceled("due to statement timeout"), DeadlineError, "--statement-timeout"),
        (psycopg.errors.QueryCanceled("canceling statement due to user request"), DeadlineError, "pg_cancel"),
        (psycopg.errors.LockNotAvailable("due to lock timeout"), BusyError, "waited too long for a lock"),
        (psycopg.errors.UndefinedColumn('column "quality" does not exist'), AccessError, "tables of a controller"),
        (psycopg.errors.InternalError_("strange"), SuiteError, r"failed at a query of ours: strange \(XX000\)"),
    ],
)
def test_a_failed_query_is_told_by_its_kind(raised: psycopg.Error, kind: type[SuiteError], said: str) -> None:
    error = explained(raised, "db:5432/farm")
    assert type(error) is kind
    assert "Postgres at db:5432/farm" in str(error)
    assert WRONG_ADVICE not in str(error)
    with pytest.raises(kind, match=said):
        raise error


def test_of_several_addresses_the_last_one_is_told() -> None:
    lines = (
        'connection to server at "db" (::1), port 5432 failed: Connection refused\n'
        'connection to server at "db" (10.0.0.7), port 5432 failed: FATAL:  the database system is starting up'
    )
    error = refused(psycopg.OperationalError(lines), "db:5432/farm")
    assert str(error).startswith(
        "Postgres at db:5432/farm takes no sessions now: the database system is starting up."
    )


def test_a_session_that_an_administrator_ends_is_told(database: str) -> None:
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tsse-validation'"
    ours = pytest.raises(UnreachableError, match="ended our session")
    with ours, reading(database).snapshot() as snapshot:
        execute(database, ended)
        snapshot.sensor_ids()


def test_a_transaction_may_be_left_and_the_next_begins_anew(database: str) -> None:
    client = reading(database)
    with pytest.raises(AccessError), client.snapshot() as snapshot:
        snapshot._connection.execute("SELECT nothing FROM sensors")
    with client.snapshot() as snapshot:
        assert snapshot.sensor_ids() == []
