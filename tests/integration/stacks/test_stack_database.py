import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from fixtures.identity import ProcessIdentity
from fixtures.postgres import EmbeddedPostgres
from fixtures.stacks.database import StackDatabase, database_on_server, prepare_database
from tests.support.given import given
from tsse_validation.domain.errors import StackError

LOGIN = "postgresql://someone:hunter2hunter2"


@contextmanager
def database_at(conninfo: str, *, keep: bool = False) -> Iterator[StackDatabase]:
    with ExitStack() as cleanup:
        yield database_on_server(conninfo, cleanup, keep=keep)


def databases(server: EmbeddedPostgres) -> set[str]:
    with psycopg.connect(server.conninfo) as connection:
        return {row[0] for row in connection.execute("SELECT datname FROM pg_database")}


def test_a_database_of_its_own_is_created_and_dropped_at_the_end(postgres: EmbeddedPostgres) -> None:
    before = databases(postgres)
    with database_at(postgres.conninfo) as database:
        assert database.name_on_server in databases(postgres) - before
        with psycopg.connect(database.conninfo) as connection:
            assert connection.info.dbname == database.name_on_server
    assert databases(postgres) == before


def test_a_used_database_is_refused_and_left_as_it_is(database: str, postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE SCHEMA farm; CREATE TABLE farm.metrics (value float8)")
    before = databases(postgres)
    with (
        pytest.raises(StackError, match=r"'scratch' already holds tables \(farm\.metrics\).*live controller"),
        database_at(database),
    ):
        pass
    assert databases(postgres) == before


def test_the_tables_of_an_extension_do_not_make_a_database_used(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE catalogue (x int); CREATE EXTENSION pgcrypto")
        connection.execute("ALTER EXTENSION pgcrypto ADD TABLE catalogue")
    with database_at(database) as made:
        assert made.name_on_server


def test_a_password_with_every_odd_character_arrives_in_the_url(postgres: EmbeddedPostgres) -> None:
    password = "p@ss:w/rd %41?#&='"
    with psycopg.connect(postgres.conninfo) as connection:
        connection.execute('DROP ROLE IF EXISTS "odd user"')
        connection.execute(psycopg.sql.SQL('CREATE ROLE "odd user" LOGIN CREATEDB PASSWORD {}').format(password))
    odd = psycopg.conninfo.make_conninfo(postgres.conninfo, user="odd user", password=password, dbname="postgres")
    with database_at(odd) as database:
        url = database.conninfo
        assert url.startswith("postgresql://")
        assert conninfo_to_dict(url)["password"] == password
        psycopg.connect(url).close()


def test_the_alias_of_the_scheme_is_understood(postgres: EmbeddedPostgres) -> None:
    alias = postgres.conninfo.replace("postgresql://", "postgresql+psycopg://")
    with database_at(alias) as database:
        assert database.conninfo.startswith("postgresql://")


def test_databases_of_killed_runs_are_dropped_and_no_others(postgres: EmbeddedPostgres) -> None:
    here, dead = socket.gethostname(), ProcessIdentity(os.getpid(), "another start").to_json()
    alive = ProcessIdentity.of_this_process().to_json()
    comments = {
        "tsse_validation_dead": json.dumps({"host": here, "owner": dead}),
        "tsse_validation_elsewhere": json.dumps({"host": "elsewhere", "owner": dead}),
        "tsse_validation_alive": json.dumps({"host": here, "owner": alive}),
        "tsse_validation_kept": "kept",
        "other_dead": json.dumps({"host": here, "owner": dead}),
    }
    with psycopg.connect(postgres.conninfo) as connection:
        for name, comment in comments.items():
            postgres.create_database(name)
            connection.execute(psycopg.sql.SQL(f"COMMENT ON DATABASE {name} IS {{}}").format(comment))
    try:
        with database_at(postgres.conninfo):
            pass
        assert set(comments) - databases(postgres) == {"tsse_validation_dead"}
    finally:
        for name in comments:
            postgres.drop_database(name)


def test_a_kept_database_stays(postgres: EmbeddedPostgres) -> None:
    with database_at(postgres.conninfo, keep=True) as database:
        name = given(database.name_on_server)
    try:
        with database_at(postgres.conninfo):
            pass
        assert name in databases(postgres)
    finally:
        postgres.drop_database(name)


@pytest.mark.parametrize("conninfo", [f"{LOGIN}@127.0.0.1:1/postgres", f"{LOGIN}@[::1/postgres", "hunter2hunter2"])
def test_a_server_that_can_not_be_reached_or_read_is_explained_without_its_password(conninfo: str) -> None:
    with pytest.raises(StackError, match=r"can not be (reached|read)") as caught, database_at(conninfo):
        pass
    assert "hunter2" not in str(caught.value)
    assert caught.value.advice


def test_a_user_without_the_right_to_create_databases_is_told_so(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.conninfo) as connection:
        connection.execute("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD 'guest-password'")
    url = f"postgresql://guest:guest-password@{postgres.host}:{postgres.port}/postgres"
    with pytest.raises(StackError, match="CREATEDB"), database_at(url):
        pass


def test_the_prepared_database_has_the_tables_pgcrypto_and_an_honest_description(database: str) -> None:
    component = prepare_database(database, lambda _: None)
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        extensions = connection.execute("SELECT extname FROM pg_extension").fetchall()
    assert {"nodes", "sensors", "metrics", "api_tokens", "users", "analysis_jobs"} <= {name for (name,) in found}
    with_it = ("timescaledb",) in extensions
    assert ("no TimescaleDB: metrics is a plain table" in component.description) != with_it
    assert ("metrics is a hypertable" in component.description) == with_it
    assert component.version
    assert ("pgcrypto",) in extensions


def test_a_filling_that_fails_is_a_stack_error(database: str) -> None:
    def fill(connection: psycopg.Connection[object]) -> None:
        connection.execute("SELECT 1/0")

    with pytest.raises(StackError, match="could not be filled"):
        prepare_database(database, fill)
