"""Whatever is set for server, database, role, service, environment or pooler: what is read is the same."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fixtures.postgres import EmbeddedPostgres
from tests.support.databases import (
    NOON,
    READER,
    SCOPE,
    as_reader,
    execute,
    new_database,
    put_rows,
    reading,
)
from tests.support.poolers import pgbouncer, startup_recorder
from tsse_validation.domain.errors import AccessError

MIDNIGHT = NOON.replace(hour=0) - timedelta(days=1)
INSTANTS = [MIDNIGHT + timedelta(minutes=minutes, microseconds=7) for minutes in (-90, -1, 0, 1, 90)]
BENT = (
    "TimeZone = 'Europe/Berlin'",
    "DateStyle = 'SQL, DMY'",
    "IntervalStyle = 'iso_8601'",
    "extra_float_digits = -15",
    "bytea_output = 'escape'",
    "client_encoding = 'LATIN1'",
    "standard_conforming_strings = off",
    "backslash_quote = off",
    "escape_string_warning = on",
    "array_nulls = off",
    "transform_null_equals = on",
    "search_path = '$user', public",
    "row_security = on",
    "jit = on",
    "work_mem = '1GB'",
    "max_parallel_workers_per_gather = 8",
    "default_transaction_isolation = 'read committed'",
    "default_transaction_read_only = off",
    "default_transaction_deferrable = on",
    "statement_timeout = 0",
    "lock_timeout = 0",
    "idle_in_transaction_session_timeout = 0",
    "idle_session_timeout = '20s'",
    "transaction_timeout = '20s'",
    "plan_cache_mode = 'force_generic_plan'",
    "enable_partition_pruning = off",
    "constraint_exclusion = off",
    "enable_hashagg = off",
    "lc_time = 'C'",
)


@pytest.fixture(scope="module")
def database(postgres: EmbeddedPostgres) -> str:
    made = new_database(postgres, "bent")
    put_rows(made, ["a", "grün"], INSTANTS)
    return made


def read(conninfo: str) -> list[Any]:
    """Return all that the suite reads of a database, by each of its ways."""
    with reading(conninfo).snapshot() as snapshot:
        return [
            sorted(snapshot.sensor_ids()),
            sorted(map(str, snapshot.digests(SCOPE).to_pylist())),
            sorted(map(str, snapshot.due_rows(SCOPE, ["a", "grün"]).to_pylist())),
            sorted(map(str, snapshot.not_due_keys(SCOPE).to_pylist())),
            snapshot.counts(SCOPE),
            snapshot.days_with_rows(SCOPE),
            snapshot.first_timestamp(["a", "grün"], SCOPE.window),
        ]


@pytest.fixture(scope="module")
def wanted(database: str) -> list[Any]:
    found = read(database)
    assert len(found[1]) == 4
    assert {row["ts"] for row in rows_of_a(database)} == {instant.replace(tzinfo=None) for instant in INSTANTS}
    return found


def rows_of_a(conninfo: str) -> list[dict[str, Any]]:
    with reading(conninfo).snapshot() as snapshot:
        return list(snapshot.due_rows(SCOPE, ["a"]).to_pylist())


@pytest.mark.parametrize("whom", [f"ROLE {READER}", "DATABASE bent", f"ROLE {READER} IN DATABASE bent"])
def test_settings_of_role_and_database_change_nothing(whom: str, database: str, wanted: list[Any]) -> None:
    with as_reader(database, *(f"ALTER {whom} SET {setting}" for setting in BENT)) as conninfo:
        try:
            assert read(conninfo) == wanted
        finally:
            execute(database, f"ALTER {whom} RESET ALL")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PGTZ", "Europe/Berlin"),
        ("PGDATESTYLE", "German"),
        ("PGCLIENTENCODING", "LATIN1"),
        ("PGOPTIONS", "-c timezone=Asia/Kolkata -c extra_float_digits=-15 -c standard_conforming_strings=off"),
        ("PGAPPNAME", "somebody"),
    ],
)
def test_the_environment_changes_nothing(
    variable: str, value: str, database: str, wanted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert read(database) == wanted


def test_a_service_files_options_are_kept_and_bend_nothing(
    database: str, wanted: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = conninfo_to_dict(database)
    lines = [f"{name}={value}" for name, value in given.items()]
    options = "options=-c timezone=Europe/Berlin -c geqo_threshold=17"
    (tmp_path / "services").write_text("\n".join(["[farm]", *lines, options, ""]))
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    assert read("service=farm") == wanted
    client = reading("service=farm")
    assert client.where == "service farm"
    with client.snapshot() as snapshot:
        shown = snapshot._connection.execute("SELECT current_setting('geqo_threshold')").fetchone()
    assert shown == ("17",)
    assert client.where == f"{given['host']}:{given['port']}/bent"


def test_a_session_asks_for_no_options_when_it_connects(database: str, wanted: list[Any]) -> None:
    given = conninfo_to_dict(database)
    with startup_recorder(str(given["host"]), int(str(given["port"]))) as recorder:
        through = make_conninfo(database, port=recorder.port, sslmode="disable", gssencmode="disable")
        assert read(through) == wanted
    assert [sorted(parameters) for parameters in recorder.started] == [
        ["application_name", "client_encoding", "database", "user"]
    ]


def test_a_pooler_that_pools_by_statement_is_told(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect: Callable[..., psycopg.Connection[Any]] = psycopg.connect
    # what is set for a transaction is gone after its only statement, as on such a pooler
    monkeypatch.setattr(psycopg, "connect", lambda conninfo: connect(conninfo, autocommit=True))
    with pytest.raises(AccessError, match=r"has lost its limits: .*statement_timeout.*pools by statement"):
        read(database)


@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="no pgbouncer here: the stand-ins above are tried")
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_real_pooler_bends_nothing(mode: str, database: str, wanted: list[Any]) -> None:
    zone = f"ALTER ROLE {READER} SET TimeZone = 'Europe/Berlin'"
    with as_reader(database, zone) as reader, pgbouncer(reader, mode) as through:
        for _ in range(3):
            assert read(through) == wanted
