"""Sessions of an arena's database, as an operator, an administrator or a slow writer has them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, LiteralString

from tsse_validation.domain.errors import StackError
from tsse_validation.domain.instants import day_start, utc_day
from tsse_validation.failures.arena import Arena

if TYPE_CHECKING:
    import psycopg

_INSERT = """
    INSERT INTO metrics (sensor_id, ts, value, quality, inserted_at)
    SELECT %s, %s::timestamptz + n * interval '1 second', n, 0, clock_timestamp() FROM generate_series(1, %s) n
    ON CONFLICT DO NOTHING
"""
_OFF_THE_CLOCK = timedelta(microseconds=271_828)
"""No row of a farm lies there, so that none is in the way of a new one."""
_READERS = """
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND state = 'active' AND query ~* 'metrics' AND pid <> pg_backend_pid()
"""


@contextmanager
def session(arena: Arena, *, autocommit: bool = True) -> "Iterator[psycopg.Connection]":
    """Lend a session of the superuser, whose statements may take as long as they do.

    Raises:
        StackError: the database does not answer, or refuses a statement.
    """
    import psycopg

    try:
        with psycopg.connect(
            arena.conninfo.get_secret_value(), autocommit=autocommit, options="-c statement_timeout=0"
        ) as connection:
            yield connection
    except psycopg.Error as error:
        msg = f"The arena's database refused: {str(error).splitlines()[0]}"
        raise StackError(msg) from None


def execute_about(
    connection: "psycopg.Connection", statement: LiteralString, name: str, *values: str | int
) -> None:
    """Execute a statement that takes no parameters: its first `{}` is a name, the others are values."""
    from psycopg.sql import SQL, Identifier

    connection.execute(SQL(statement).format(Identifier(name), *values))


def insert_late(connection: "psycopg.Connection", sensor_id: str, day: date, rows: int) -> None:
    """Insert rows of a date, with the present as their `inserted_at`."""
    connection.execute(_INSERT, (sensor_id, day_start(day) + _OFF_THE_CLOCK, rows))


def old_day(arena: Arena, days_ago: int) -> date:
    """Return a date within the range of the saved lake's backfill."""
    return utc_day(arena.now()) - timedelta(days=days_ago)


def stamped_now(connection: "psycopg.Connection") -> datetime:
    """Return the present by the database's clock, as rows get it."""
    instant: datetime = _first(connection, "SELECT clock_timestamp()")
    return instant


def somebody_reads(connection: "psycopg.Connection") -> bool:
    """Whether another session reads or writes `metrics` at this moment."""
    return bool(_first(connection, f"SELECT count(*) {_READERS}"))


def end_who_reads(connection: "psycopg.Connection") -> bool:
    """End the sessions that read or write `metrics` at this moment, and return whether there was one."""
    return bool(_first(connection, f"SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) {_READERS}"))


def end_all_others(connection: "psycopg.Connection") -> None:
    """End every other session of this database: new ones get the settings of now."""
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def _first(connection: "psycopg.Connection", statement: LiteralString) -> Any:
    row = connection.execute(statement).fetchone()
    return row[0] if row else None
