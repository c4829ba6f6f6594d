"""Databases with rows, and readers of them under roles that are set up as an operator's may be."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from fixtures.postgres import EmbeddedPostgres
from tests.support.schema import with_tables
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.windows import Window

READER = "reader"
READER_PASSWORD = "r3ader-pa55word"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SCOPE = Scope(
    Window(NOON - timedelta(days=3), NOON),
    Coverage(NOON - timedelta(days=3), NOON - timedelta(hours=1), NOON - timedelta(minutes=10)),
)
_NODE = "00000000-0000-4000-8000-000000000000"
RIGHTS = "GRANT SELECT ON metrics, sensors, analysis_jobs TO reader"


def execute(conninfo: str, *statements: str) -> None:
    """Run statements, each by itself."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def new_database(server: EmbeddedPostgres, name: str, encoding: str = "UTF8", options: str | None = None) -> str:
    """Create a database with the contract's tables, in an encoding; its DSN has the options."""
    server.drop_database(name)
    execute(server.conninfo, f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
    return with_tables(make_conninfo(server.conninfo_for(name), options=options))


def put_rows(
    conninfo: str, sensor_ids: Iterable[str], instants: Iterable[datetime] = (NOON - timedelta(days=1),)
) -> None:
    """Insert sensors, and a row of each at each instant, that came in at once."""
    instants = list(instants)
    with psycopg.connect(conninfo, autocommit=True, client_encoding="UTF8") as connection:
        connection.execute("INSERT INTO nodes (id, name) VALUES (%s, 'n') ON CONFLICT DO NOTHING", (_NODE,))
        for sensor_id in sensor_ids:
            connection.execute(
                "INSERT INTO sensors (sensor_id, node_id, name, type, unit) VALUES (%s, %s, 's', 't', 'u')",
                (sensor_id, _NODE),
            )
            for instant in instants:
                connection.execute(
                    "INSERT INTO metrics (sensor_id, ts, value, quality, inserted_at) VALUES (%s, %s, 0.1, 0, %s)",
                    (sensor_id, instant, instant),
                )


def put_job(conninfo: str, job_id: str) -> None:
    """Insert a job, as a controller does that was asked for one."""
    execute(
        conninfo,
        f"INSERT INTO analysis_jobs (id, job_type, status) VALUES ('{job_id}', 'lake_inspect_v1', 'completed')",
    )


@contextmanager
def as_reader(conninfo: str, *statements: str, rights: str = RIGHTS) -> Iterator[str]:
    """Make a role with rights and what else is set up for it, and lend its DSN."""
    made = f"CREATE ROLE {READER} LOGIN PASSWORD '{READER_PASSWORD}'"
    try:
        execute(conninfo, made, *filter(None, [rights]), *statements)
        yield make_conninfo(conninfo, user=READER, password=READER_PASSWORD)
    finally:
        execute(conninfo, f"DROP OWNED BY {READER}", f"DROP ROLE {READER}")


def reading(conninfo: str) -> PostgresClient:
    """Open the suite's client, with short limits."""
    return PostgresClient(SecretStr(conninfo), connect_timeout=5, statement_timeout=20, lock_timeout=1)
