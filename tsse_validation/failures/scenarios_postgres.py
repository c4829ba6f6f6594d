"""Postgres restarts or crashes, ends sessions, runs out of time or space, or commits later than it has stamped."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from tsse_validation.domain.contract import BACKFILL_JOB, TICK_JOB, Job
from tsse_validation.domain.errors import DeadlineError
from tsse_validation.domain.polling import wait_until
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.backfills import (
    REPEATED,
    begin_backfill,
    dates_of_backfill,
    repeat_backfill,
    struck_backfill,
    wait_for_days,
)
from tsse_validation.failures.scenario import Ability, Chance, Group, MissedError, Scenario, Struck
from tsse_validation.failures.sessions import (
    end_all_others,
    end_who_reads,
    execute_about,
    session,
    somebody_reads,
    stamped_now,
)
from tsse_validation.failures.watching import ended
from tsse_validation.lake.reader import LakeReader

if TYPE_CHECKING:
    import psycopg

SERVER = frozenset({Ability.POSTGRES_SERVER})
_MANY_ROWS = 20_000
"""Rows of one pass, so that it takes long enough to be met."""
_SECONDS = 30.0
_SHORT_TIMEOUT = "3ms"
_FULL = ("metrics", "analysis_jobs", "analysis_job_events", "analysis_job_results")
_DISK_FULL = """
    CREATE FUNCTION no_space_left() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$
"""


def _let_a_pass_have_much_to_read(arena: Arena) -> None:
    """Insert rows, and wait until the lag guard lets them into the next pass."""
    arena.insert(_MANY_ROWS, oldest_days=arena.days - 2)
    due = arena.newest()
    wait_until(lambda: (arena.now() - due).total_seconds() > arena.lag, seconds=arena.lag + 5)


def _a_pass(arena: Arena, _chance: Chance) -> Job:
    _let_a_pass_have_much_to_read(arena)
    return arena.create_job(TICK_JOB, {})


def _a_backfill(arena: Arena, chance: Chance) -> Job:
    job = begin_backfill(arena)
    wait_for_days(arena, job, chance.day(dates_of_backfill(arena)))
    return job


def _wait_until_it_reads(arena: Arena, job: Job, look: "Callable[[psycopg.Connection], bool]") -> None:
    """Look until the job is seen to read `metrics`; raises MissedError when it ends before."""
    over, seen = ended(arena, job.id), False

    def looked(connection: "psycopg.Connection") -> bool:
        nonlocal seen
        seen = look(connection)
        return seen or over()

    with session(arena) as connection:
        wait_until(lambda: looked(connection), seconds=_SECONDS, every=0)
    if not seen:
        msg = f"The {job.job_type} job was never seen reading metrics."
        raise MissedError(msg)


def _after(arena: Arena, job: Job, moment: str) -> Struck:
    """Return what a strike has done to a job; raises MissedError when the job has completed all the same."""
    with suppress(DeadlineError):  # where the controller could not write its end, it stays as it is
        job = arena.end_of(job.id, _SECONDS)
    if job.job_type == BACKFILL_JOB:
        return struck_backfill(arena, job, dates_of_backfill(arena), moment, left=("running", "failed"))
    if job.status == "completed":
        msg = "The pass completed all the same."
        raise MissedError(msg)
    return Struck(moment)


_Begins = Callable[[Arena, Chance], Job]


def _server_ended_while(
    begins: _Begins, what: str, end: Callable[[Arena], None], how: str
) -> Callable[[Arena, Chance], Struck]:
    def strike(arena: Arena, chance: Chance) -> Struck:
        job = begins(arena, chance)
        _wait_until_it_reads(arena, job, somebody_reads)
        end(arena)
        arena.start_postgres()
        return _after(arena, job, f"Postgres was {how} while {what} read from it")

    return strike


def _restart_while(begins: _Begins, what: str) -> Callable[[Arena, Chance], Struck]:
    return _server_ended_while(begins, what, lambda arena: arena.stop_postgres(), "restarted")


def _crash_while(begins: _Begins, what: str) -> Callable[[Arena, Chance], Struck]:
    return _server_ended_while(begins, what, lambda arena: arena.kill_postgres(), "killed")


def _session_ended_while(begins: _Begins, what: str) -> Callable[[Arena, Chance], Struck]:
    def strike(arena: Arena, chance: Chance) -> Struck:
        job = begins(arena, chance)
        _wait_until_it_reads(arena, job, end_who_reads)
        return _after(arena, job, f"pg_terminate_backend ended the session of {what} while it read")

    return strike


def _statement_timeout(arena: Arena, _chance: Chance) -> Struck:
    _let_a_pass_have_much_to_read(arena)
    with session(arena) as connection:
        _set_timeout(connection, _SHORT_TIMEOUT)
        try:
            at = stamped_now(connection)
            failed = wait_until(lambda: _has_failed_since(arena, at), seconds=_SECONDS, every=0.2)
        finally:
            _set_timeout(connection, None)
    if not failed:
        msg = f"No pass failed by a statement timeout of {_SHORT_TIMEOUT}."
        raise MissedError(msg)
    return Struck(f"a statement timeout of {_SHORT_TIMEOUT} was set for all sessions, until a pass had failed", at)


def _set_timeout(connection: "psycopg.Connection", timeout: str | None) -> None:
    """Set or reset the timeout of all sessions to come, and end those that are there."""
    database = connection.info.dbname
    if timeout is None:
        execute_about(connection, "ALTER DATABASE {} RESET statement_timeout", database)
    else:
        execute_about(connection, "ALTER DATABASE {} SET statement_timeout = {}", database, timeout)
    end_all_others(connection)


def _has_failed_since(arena: Arena, at: datetime) -> bool:
    state = LakeReader(arena.paths).replication()
    return state.last_run_status == "failed" and state.last_run_at is not None and state.last_run_at >= at


def _disk_full(arena: Arena, chance: Chance) -> Struck:
    with arena.traffic():
        job = _a_backfill(arena, chance)
        with session(arena) as connection:
            connection.execute(_DISK_FULL)
            try:
                for table in _FULL:
                    execute_about(
                        connection,
                        "CREATE TRIGGER no_space_left BEFORE INSERT OR UPDATE ON {}"
                        " FOR EACH STATEMENT EXECUTE FUNCTION no_space_left()",
                        table,
                    )
                time.sleep(chance.moment(2.0, 6.0))
            finally:
                connection.execute("DROP FUNCTION no_space_left CASCADE")
        return _after(arena, job, "an injected error: for seconds every write of Postgres found the disk full")


POSTGRES_SCENARIOS = (
    Scenario(
        "postgres-restarts-in-a-pass",
        Group.POSTGRES,
        "Postgres is restarted while a replication pass reads from it.",
        _restart_while(_a_pass, "a pass"),
        needs=SERVER,
    ),
    Scenario(
        "postgres-restarts-in-a-backfill",
        Group.POSTGRES,
        "Postgres is restarted while a backfill reads from it.",
        _restart_while(_a_backfill, "a backfill"),
        needs=SERVER,
        repair=repeat_backfill,
        repaired_by=REPEATED,
    ),
    Scenario(
        "postgres-crashes-in-a-backfill",
        Group.POSTGRES,
        "Postgres is killed while a backfill reads from it, and recovers.",
        _crash_while(_a_backfill, "a backfill"),
        needs=SERVER,
        repair=repeat_backfill,
        repaired_by=REPEATED,
    ),
    Scenario(
        "session-ended-in-a-pass",
        Group.POSTGRES,
        "An administrator ends the controller's session in the middle of a replication pass.",
        _session_ended_while(_a_pass, "a pass"),
    ),
    Scenario(
        "session-ended-in-a-backfill",
        Group.POSTGRES,
        "An administrator ends the controller's session in the middle of a backfill.",
        _session_ended_while(_a_backfill, "a backfill"),
        repair=repeat_backfill,
        repaired_by=REPEATED,
    ),
    Scenario(
        "statement-timeout",
        Group.POSTGRES,
        "A statement timeout that is too short for replication is set for a while.",
        _statement_timeout,
    ),
    Scenario(
        "postgres-disk-full",
        Group.POSTGRES,
        "Postgres can write nothing for a while, as on a full disk (an injected error).",
        _disk_full,
        repair=repeat_backfill,
        repaired_by=REPEATED,
    ),
)
"""What happens to a database, and to replication with it."""
