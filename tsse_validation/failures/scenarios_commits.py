"""Commits that come later than their rows were stamped, and commits that a crash of Postgres takes back."""

import time
from datetime import date, datetime
from typing import TYPE_CHECKING

from tsse_validation.domain.contract import TICK_JOB
from tsse_validation.domain.holding import require
from tsse_validation.domain.polling import wait_until
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.backfills import REPEATED, dates_of_backfill, repeat_backfill
from tsse_validation.failures.scenario import Chance, Group, MissedError, Scenario, Struck
from tsse_validation.failures.scenarios_postgres import SERVER
from tsse_validation.failures.sessions import execute_about, insert_late, old_day, session, stamped_now
from tsse_validation.lake.reader import LakeReader

if TYPE_CHECKING:
    import psycopg

_ROWS = 40
_TRANSACTIONS = 4
_SECONDS = 30.0
_UNFLUSHED = {
    "synchronous_commit": "off",
    "wal_writer_delay": "10s",
    "wal_writer_flush_after": "1GB",
    "bgwriter_lru_maxpages": "0",
    "autovacuum": "off",
}
"""Settings with which a commit is told before it is on disk, and stays so for seconds."""
_SLEEPS_ON = 170_000
"""The version from which on the WAL writer sleeps on while less is written than `wal_writer_flush_after`."""


def _short_transaction(arena: Arena, chance: Chance) -> Struck:
    longest = 0.0
    for _ in range(_TRANSACTIONS):
        day = old_day(arena, chance.rng.randrange(1, arena.days - 1))
        open_for = chance.rng.uniform(0.2, 0.7) * arena.lag
        with session(arena, autocommit=False) as connection:
            began = time.monotonic()
            insert_late(connection, chance.rng.choice(arena.sensors), day, _ROWS)
            arena.create_job(TICK_JOB, {})
            time.sleep(open_for)
            connection.commit()
            longest = max(longest, time.monotonic() - began)
    if longest >= arena.lag:
        msg = f"A transaction stayed open for {longest:.1f} s, which is no less than the lag guard."
        raise MissedError(msg)
    return Struck(
        f"{_TRANSACTIONS} transactions of {_ROWS} late rows stayed open for up to {longest:.1f} s, with a pass in "
        f"each; the lag guard is {arena.lag:.0f} s"
    )


def _long_transaction(arena: Arena, chance: Chance) -> Struck:
    day = old_day(arena, chance.rng.randrange(1, arena.days - 1))
    with session(arena, autocommit=False) as connection:
        insert_late(connection, chance.rng.choice(arena.sensors), day, _ROWS)
        stamped = stamped_now(connection)
        began = time.monotonic()
        passed = wait_until(lambda: _watermark(arena) > stamped, seconds=_SECONDS, every=0.1)
        connection.commit()
    if not passed:
        msg = "The watermark did not pass the open transaction's insertion time."
        raise MissedError(msg)
    return Struck(
        f"a transaction committed {_ROWS} rows {time.monotonic() - began:.1f} s after it had stamped them: the "
        "watermark had passed them",
        touches=frozenset(dates_of_backfill(arena)),
        empties=frozenset({day}),
        by_design="The lag guard covers transactions that are shorter than itself: what a longer one commits, "
        "behind the watermark, no pass reads (contract section 4).",
    )


def _watermark(arena: Arena) -> datetime:
    return require(LakeReader(arena.paths).replication().computed_through_ts, "computed_through_ts")


def _commits_that_a_crash_takes(arena: Arena, chance: Chance) -> Struck:
    day = old_day(arena, chance.rng.randrange(1, arena.days - 1))
    sensor = chance.rng.choice(arena.sensors)
    with session(arena) as connection:
        for name, value in _UNFLUSHED.items():
            execute_about(connection, "ALTER SYSTEM SET {} = {}", name, value)
        connection.execute("SELECT pg_reload_conf()")
    try:
        at = _replicated_and_then_lost(arena, sensor, day)
    finally:
        arena.start_postgres()
        with session(arena) as connection:
            for name in _UNFLUSHED:
                execute_about(connection, "ALTER SYSTEM RESET {}", name)
            connection.execute("SELECT pg_reload_conf()")
    ((left,),) = arena.sql("SELECT count(*) FROM metrics WHERE sensor_id = %s AND inserted_at >= %s", sensor, at)
    if left == _ROWS:
        msg = "The crash of Postgres took no row away."
        raise MissedError(msg)
    return Struck(
        f"Postgres was killed after the lake had got {_ROWS} rows that it had told as committed, and lost "
        f"{_ROWS - left} of them",
        at,
        touches=frozenset(dates_of_backfill(arena)),
        empties=frozenset({day}),
        by_design="With synchronous_commit off a crash of Postgres takes its last commits back: what the lake has "
        "of them already is more than Postgres holds.",
    )


def _replicated_and_then_lost(arena: Arena, sensor: str, day: date) -> datetime:
    """Insert rows, let a pass bring them into the lake, and kill Postgres; return when they were inserted."""
    try:
        with session(arena) as connection:
            _stop_wal_writer(connection)
            at = stamped_now(connection)
            insert_late(connection, sensor, day, _ROWS)
            last = stamped_now(connection)
        wait_until(lambda: (arena.now() - last).total_seconds() > arena.lag, seconds=arena.lag + 5, every=0.1)
        arena.tick()
        if _watermark(arena) < last:
            msg = "The rows were not in the lake before Postgres was killed."
            raise MissedError(msg)
    finally:
        arena.kill_postgres()
    return at


def _stop_wal_writer(connection: "psycopg.Connection") -> None:
    """Let the WAL writer stand still until Postgres is killed, where each full page would wake it.

    What it has written outlives a killed server. From version 17 on, the settings alone keep it asleep.
    """
    from psycopg import sql

    if connection.info.server_version >= _SLEEPS_ON:
        return
    ((pid,),) = connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'").fetchall()
    stop = sql.SQL("COPY (SELECT 1) TO PROGRAM {}").format(sql.Literal(f"kill -STOP {pid}"))
    connection.execute(stop)


COMMIT_SCENARIOS = (
    Scenario(
        "transaction-shorter-than-the-lag",
        Group.POSTGRES,
        "Transactions that are shorter than the lag guard commit rows while passes go on.",
        _short_transaction,
    ),
    Scenario(
        "transaction-longer-than-the-lag",
        Group.POSTGRES,
        "A transaction commits rows after the watermark has passed their insertion time.",
        _long_transaction,
        repair=repeat_backfill,
        repaired_by=REPEATED,
    ),
    Scenario(
        "crash-with-commits-not-flushed",
        Group.POSTGRES,
        "Postgres crashes with synchronous_commit off, and loses rows that the lake has.",
        _commits_that_a_crash_takes,
        needs=SERVER,
        repair=repeat_backfill,
        repaired_by=REPEATED,
    ),
)
"""What a commit means for the watermark."""
