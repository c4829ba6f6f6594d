import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from fixtures.identity import ProcessIdentity
from fixtures.postgres import EmbeddedPostgres
from fixtures.stacks.database import database_on_server, prepare_database
from tsse_validation.domain.errors import StackError


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def databases(server: EmbeddedPostgres) -> set[str]:
    with psycopg.connect(server.conninfo) as connection:
        return {row[0] for row in connection.execute("SELECT datname FROM pg_database")}


def test_a_database_of_its_own_is_created_and_dropped_at_the_end(postgres: EmbeddedPostgres) -> None:
    before = databases(postgres)
    with ExitStack() as cleanup:
        database = database_on_server(postgres.conninfo, cleanup, keep=False)
        assert database.name_on_server in databases(postgres) - before
        with psycopg.connect(database.conninfo) as connection:
            assert connection.info.dbname == database.name_on_server
    assert databases(postgres) == before


def test_a_used_database_is_left_as_it_is(database: str, postgres: EmbeddedPostgres, cleanup: ExitStack) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE SCHEMA farm; CREATE TABLE farm.metrics (value float8)")
    before = databases(postgres)
    with pytest.raises(StackError, match=r"'scratch' already holds tables \(farm\.metrics\).*live controller"):
        database_on_server(database, cleanup, keep=False)
    assert databases(postgres) == before


def test_the_tables_of_an_extension_do_not_make_a_database_used(database: str, cleanup: ExitStack) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "CREATE TABLE catalogue (x int); CREATE EXTENSION pgcrypto;"
            "ALTER EXTENSION pgcrypto ADD TABLE catalogue"
        )
    assert database_on_server(database, cleanup, keep=False).name_on_server


def test_a_password_with_every_odd_character_arrives_in_the_url(postgres: EmbeddedPostgres) -> None:
    password = "p@ss:w/rd %41?#&='"
    with psycopg.connect(postgres.conninfo) as connection:
        connection.execute('DROP ROLE IF EXISTS "odd user"')
        connection.execute(psycopg.sql.SQL('CREATE ROLE "odd user" LOGIN CREATEDB PASSWORD {}').format(password))
    given = psycopg.conninfo.make_conninfo(
        host=postgres.host, port=postgres.port, user="odd user", password=password, dbname="postgres"
    )
    with ExitStack() as cleanup:
        url = database_on_server(given, cleanup, keep=False).conninfo
        assert url.startswith("postgresql://")
        assert conninfo_to_dict(url)["password"] == password
        psycopg.connect(url).close()


def test_the_alias_of_the_scheme_is_understood(postgres: EmbeddedPostgres, cleanup: ExitStack) -> None:
    alias = postgres.conninfo.replace("postgresql://", "postgresql+psycopg://")
    assert database_on_server(alias, cleanup, keep=False).conninfo.startswith("postgresql://")


def comment_on_server(server: EmbeddedPostgres, name: str, comment: str) -> None:
    server.create_database(name)
    with psycopg.connect(server.conninfo) as connection:
        connection.execute(
            psycopg.sql.SQL("COMMENT ON DATABASE {} IS {}").format(psycopg.sql.Identifier(name), comment)
        )


def test_databases_of_killed_runs_are_dropped_and_no_others(postgres: EmbeddedPostgres) -> None:
    dead = ProcessIdentity(os.getpid(), "another start").to_json()
    alive = ProcessIdentity.of_this_process().to_json()
    comments = {
        "tsse_validation_dead": json.dumps({"host": socket.gethostname(), "owner": dead}),
        "tsse_validation_elsewhere": json.dumps({"host": "elsewhere", "owner": dead}),
        "tsse_validation_alive": json.dumps({"host": socket.gethostname(), "owner": alive}),
        "tsse_validation_kept": "kept",
        "other_dead": json.dumps({"host": socket.gethostname(), "owner": dead}),
    }
    for name, comment in comments.items():
        comment_on_server(postgres, name, comment)
    try:
        with ExitStack() as cleanup:
            database_on_server(postgres.conninfo, cleanup, keep=False)
        assert set(comments) - databases(postgres) == {"tsse_validation_dead"}
    finally:
        for name in comments:
            postgres.drop_database(name)


def test_a_kept_database_stays(postgres: EmbeddedPostgres) -> None:
    with ExitStack() as cleanup:
        name = database_on_server(postgres.conninfo, cleanup, keep=True).name_on_server
    assert name is not None
    try:
        with ExitStack() as cleanup:
            database_on_server(postgres.conninfo, cleanup, keep=False)
        assert name in databases(postgres)
    finally:
        postgres.drop_database(name)


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://someone:hunter2hunter2@127.0.0.1:1/postgres",
        "postgresql://someone:hunter2hunter2@[::1/postgres",
        "hunter2hunter2",
    ],
)
def test_a_server_that_cannot_be_reached_is_told_without_its_password(conninfo: str, cleanup: ExitStack) -> None:
    with pytest.raises(StackError, match=r"can not be (reached|read)") as caught:
        database_on_server(conninfo, cleanup, keep=False)
    assert "hunter2" not in str(caught.value)
    assert caught.value.advice


def test_a_user_who_may_not_create_databases_is_told(postgres: EmbeddedPostgres, cleanup: ExitStack) -> None:
    with psycopg.connect(postgres.conninfo) as connection:
        connection.execute("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD 'guest-password'")
    url = f"postgresql://guest:guest-password@{postgres.host}:{postgres.port}/postgres"
    with pytest.raises(StackError, match="CREATEDB"):
        database_on_server(url, cleanup, keep=False)


def test_the_prepared_database_has_the_tables_pgcrypto_and_an_honest_description(database: str) -> None:
    component = prepare_database(database, lambda _: None)
    with psycopg.connect(database) as connection:
        tables = {
            row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }
        extensions = {row[0] for row in connection.execute("SELECT extname FROM pg_extension")}
    assert {"nodes", "sensors", "metrics", "api_tokens", "users", "analysis_jobs"} <= tables
    assert "no TimescaleDB" in component.description
    assert component.version
    assert "pgcrypto" in extensions


def test_a_filling_that_fails_is_a_stack_error(database: str) -> None:
    def fill(connection: psycopg.Connection[object]) -> None:
        connection.execute("SELECT 1/0")

    with pytest.raises(StackError, match="could not be filled"):
        prepare_database(database, fill)
