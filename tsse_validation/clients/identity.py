"""Whose database this is: what it says of itself, and whether it shows a job that the controller has just made.

Nothing that a DSN, a name or an address says proves that a database is the controller's. A job does: the
controller writes it into `analysis_jobs` of its own database (contract section 3), and only there, or on a standby
that replays it, can it be seen. A copy made before never shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from tsse_validation.clients.tables import Tables, hold_jobs, table_flaws
from tsse_validation.domain.errors import NotCheckedError, SuiteError
from tsse_validation.runlog.database_record import DatabaseSeen

_SELF = """
SELECT inet_server_addr()::text, inet_server_port(), current_database()::text, current_user::text,
       pg_is_in_recovery(), current_setting('server_version'),
       has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
"""
_SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"
_PROCESS = (
    "SELECT inet_server_addr()::text, inet_server_port(), current_database()::text, pg_postmaster_start_time()"
)
_NOW = "SELECT clock_timestamp()"
_MOMENT = """
SELECT txid_current_snapshot()::text, now(), pg_is_in_recovery(), pg_last_xact_replay_timestamp()
"""
_SHOWS = "SELECT EXISTS (SELECT FROM analysis_jobs WHERE id::text = %s)"


@dataclass(frozen=True)
class ServerProcess:
    """One server process and the database in it: it never goes back to an earlier state."""

    address: str | None
    port: int | None
    database: str
    started_at: datetime


@dataclass(frozen=True)
class Moment:
    """What tells one state of a database from all others: `snapshot` is the server's name of it, on one process.

    `at` is the server's clock as the transaction began. A standby has replayed what the primary had committed up
    to `replayed_until`, `None` where it has replayed nothing yet, and on a primary.
    """

    process: ServerProcess
    snapshot: str
    at: datetime
    standby: bool
    replayed_until: datetime | None


@dataclass(frozen=True)
class Anchor:
    """A job of ours that a server has shown: later sessions must show it too, or be on the same process."""

    job_id: str
    process: ServerProcess


@dataclass(frozen=True)
class DatabaseSurvey:
    """What a session finds before it needs any table: what the database says of itself, and what it lacks.

    `flaws` says of each of the controller's tables why this role cannot read all of it, or `None`. `now` is the
    server's clock.
    """

    seen: DatabaseSeen
    flaws: Mapping[str, SuiteError | None]
    now: datetime


def survey(connection: psycopg.Connection, searched: Sequence[str], where: str) -> DatabaseSurvey:
    """Look at the database; the schemas `searched` are as in `tables.find_tables`."""
    row = connection.execute(_NOW).fetchone()
    assert row is not None  # noqa: S101
    return DatabaseSurvey(_of_itself(connection, where), table_flaws(connection, searched, where), row[0])


def describe(connection: psycopg.Connection, tables: Tables, where: str) -> DatabaseSeen:
    """Return what the database says of itself."""
    seen = _of_itself(connection, where)
    return seen.model_copy(update={"tables_in": tables.schema, "policies": tables.policies})


def _of_itself(connection: psycopg.Connection, where: str) -> DatabaseSeen:
    row = connection.execute(_SELF).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    address, port, database, role, standby, version, may_ask = row
    system = connection.execute(_SYSTEM).fetchone() if may_ask else None
    return DatabaseSeen(
        server=where,
        address=f"{address.split('/')[0]}:{port}" if address else None,
        database=database,
        role=role,
        tables_in="",
        standby=standby,
        version=version.split()[0],
        system_identifier=system[0] if system else None,
    )


def server_process(connection: psycopg.Connection) -> ServerProcess:
    """Return which server process this session is on."""
    row = connection.execute(_PROCESS).fetchone()
    assert row is not None  # noqa: S101
    return ServerProcess(*row)


def database_moment(connection: psycopg.Connection) -> Moment:
    """Return which state of the database this transaction sees."""
    row = connection.execute(_MOMENT).fetchone()
    assert row is not None  # noqa: S101
    return Moment(server_process(connection), *row)


def shows_job(connection: psycopg.Connection, tables: Tables, job_id: str, where: str) -> bool:
    """Return whether `analysis_jobs` beside `metrics` has a job, in this state of the database.

    Raises:
        AccessError: there is no such table, or a row-level policy hides jobs from this role.
        NotCheckedError: this role may not read it.
    """
    hold_jobs(tables.jobs, tables.metrics, where)
    row = connection.execute(_SHOWS, (job_id,)).fetchone()
    return row is not None and bool(row[0])


def hold_to(anchor: Anchor, connection: psycopg.Connection, tables: Tables, where: str) -> None:
    """Hold that this session sees a state that is no older than the one which showed the anchor's job.

    The process alone is enough: a controller may clear old jobs away. Another one must show the job.

    Raises NotCheckedError when it does neither.
    """
    if server_process(connection) == anchor.process or shows_job(connection, tables, anchor.job_id, where):
        return
    msg = (
        f"Postgres at {where} is another server now, and does not show the job {anchor.job_id} that the first did."
    )
    raise NotCheckedError(
        msg, "Name one server in the DSN: of several, one may be behind the others. Then run again."
    )
