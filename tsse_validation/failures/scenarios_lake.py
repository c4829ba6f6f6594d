"""The lake's files are struck: its disk, its state files, slow renames, and the cold place."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from tsse_validation.domain.contract import DATASET, TICK_JOB
from tsse_validation.domain.errors import NotCheckedError, SuiteError
from tsse_validation.domain.holding import require
from tsse_validation.domain.stack import STATE_DIR
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.backfills import (
    REPEATED,
    dates_of_backfill,
    files_of,
    pause_in_backfill,
    repeat_backfill,
    struck_backfill,
)
from tsse_validation.failures.scenario import Ability, Chance, Group, MissedError, Scenario, Struck
from tsse_validation.failures.scenarios_controller import SHORT_RETENTION
from tsse_validation.failures.watching import Names, ended, names, strike_when

_SIGNALS = frozenset({Ability.SIGNALS})
_REPLICATION, _MANIFEST = "replication.json", "manifest.json"
_RENAME_SECONDS = 0.05
_ROWS = 400


def _lake_on_its_own_disk(arena: Arena) -> None:
    arena.stop()
    arena.machine.own_disk()
    arena.start()


def _pass_of_new_rows(arena: Arena) -> tuple[datetime, str]:
    """Insert rows, and let a pass that is to bring them come to whatever end; return when, and that in words."""
    at = arena.now()
    arena.insert(_ROWS, oldest_days=arena.days)
    _wait_until_due(arena)
    job = arena.end_of(arena.create_job(TICK_JOB, {}).id)
    return at, f"the pass {job.status}" + (f": {job.error.message}" if job.error else "")


def _disk_full_in_a_backfill(arena: Arena, chance: Chance) -> Struck:
    disk, dates, before = arena.machine.own_disk(), dates_of_backfill(arena), names(arena.paths)
    whole = files_of(before, "backfill")
    job, written = pause_in_backfill(arena, 1 + int(chance.moment(0, whole / 2)))
    disk.fill()
    at = arena.now()
    arena.resume()
    end = arena.end_of(job.id)
    disk.free()
    moment = f"{disk.by} was full once the backfill had written {files_of(written, 'backfill')} files"
    if end.status != "completed":
        return replace(struck_backfill(arena, job, dates, moment, left=("failed",)), at=at)
    if files_of(names(arena.paths) - before, "backfill") >= whole:
        raise MissedError("The backfill had written its last file before the disk was full.")
    return Struck(f"{moment}, and it said that it had completed", at=at, touches=frozenset(dates))


def _disk_full_in_a_pass(arena: Arena, _chance: Chance) -> Struck:
    disk = arena.machine.own_disk()
    disk.fill()
    at, end = _pass_of_new_rows(arena)
    disk.free()
    return Struck(f"{disk.by} was full during a replication pass; {end}", at=at)


def _read_only_for_a_while(arena: Arena, _chance: Chance) -> Struck:
    disk = arena.machine.own_disk()
    disk.forbid_writing()
    at, end = _pass_of_new_rows(arena)
    disk.allow_writing()
    return Struck(f"the lake could only be read during a replication pass; {end}", at=at)


def _wait_until_due(arena: Arena) -> None:
    """Let the rows that have just been inserted grow older than the lag guard."""
    arena.sql("SELECT pg_sleep(%s)", arena.lag + 0.1)


def _renames_are_slow(arena: Arena) -> None:
    environment = arena.machine.slow_renames(_RENAME_SECONDS)
    arena.stop()
    arena.start(environment)


def _crash_among_slow_renames(arena: Arena, chance: Chance) -> Struck:
    arena.insert(_ROWS, oldest_days=arena.days)
    _wait_until_due(arena)
    known = names(arena.paths)
    job = arena.create_job(TICK_JOB, {})
    renamed = 1 + int(chance.moment(0, 40))
    caught = strike_when(
        arena,
        lambda seen: files_of(seen - known, "part") >= renamed,
        f"File {renamed} of a pass",
        over=ended(arena, job.id),
    )
    arena.kill()
    return Struck(
        f"SIGKILL once a pass had renamed {files_of(caught - known, 'part')} files into place, "
        f"each {_RENAME_SECONDS:g} s after it was written"
    )


def _torn_by_the_crash(name: str, arena: Arena, chance: Chance) -> Struck:
    """Cut a state file short while the controller is down, and see what it makes of that.

    One that refuses to go on by a torn state does right. The operator then puts the file aside and backfills.
    """
    arena.kill()
    path = arena.paths.hot / STATE_DIR / name
    whole = path.read_bytes()
    kept = int(chance.moment(1, len(whole) - 1))
    path.write_bytes(whole[:kept])
    at = arena.now()
    goes_on = _goes_on(arena)
    if not goes_on:
        arena.kill()
        path.unlink()
    then = "replication went on" if goes_on else "replication refused to go on, and the file was put aside"
    dates = frozenset() if goes_on else frozenset(dates_of_backfill(arena))
    return Struck(f"{name} was cut to {kept} of {len(whole)} bytes; {then}", at=at, touches=dates)


def _goes_on(arena: Arena) -> bool:
    try:
        arena.start()
        arena.tick()
    except SuiteError:
        return False
    return True


def _backfill_where_it_refused(arena: Arena, struck: Struck) -> None:
    """Backfill anew where the state was put aside; one that went on by itself must have lost nothing."""
    if struck.touches:
        arena.start()
        repeat_backfill(arena, struck)


def _torn_files_beside(arena: Arena, chance: Chance) -> Struck:
    arena.kill()
    state = arena.paths.hot / STATE_DIR
    segments = sorted((arena.paths.hot / DATASET).glob("date=*/shard=*/*.parquet"))
    segment = segments[chance.rng.randrange(len(segments))]
    left = [(state / f"{name}.tmp", state / name) for name in (_REPLICATION, _MANIFEST)]
    left.append((segment.with_name("part-00000000T000000000000000000-0.parquet.tmp"), segment))
    for torn, source in left:
        whole = source.read_bytes()
        torn.write_bytes(whole[: int(chance.moment(1, len(whole)))])
    at = arena.now()
    arena.start()
    arena.insert(_ROWS, oldest_days=arena.days)
    return Struck(
        f"half of {segment.parent.name} of {segment.parent.parent.name} and of both state files lay beside", at=at
    )


def _cold_gone_in_mid_move(arena: Arena, chance: Chance) -> Struck:
    cold = require(arena.paths.cold, "a cold place")
    away = cold.with_name(f"{cold.name}.away")
    arena.stop()
    known = names(arena.paths)
    moved = 1 + int(chance.moment(0, 20))
    arena.start({**SHORT_RETENTION, **_slowly(arena)})
    caught = strike_when(
        arena, lambda seen: _cold_files(seen - known) >= moved, f"File {moved} of a move to the cold place"
    )
    cold.rename(away)
    arena.resume()
    at, end = _pass_of_new_rows(arena)
    _bring_back(away, cold)
    return Struck(
        f"the cold place was gone once {_cold_files(caught - known)} files had come there, and then was back; "
        f"meanwhile {end}",
        at=at,
    )


def _slowly(arena: Arena) -> Mapping[str, str]:
    """Return what makes a move slow enough to be met in its middle, where that can be had."""
    try:
        return arena.machine.slow_renames(_RENAME_SECONDS)
    except NotCheckedError:
        return {}


def _bring_back(away: Path, cold: Path) -> None:
    """Let a share be where it was; whatever was made in its place meanwhile lies hidden below it."""
    if cold.exists():
        cold.rename(cold.with_name(f"{cold.name}.hidden"))
    away.rename(cold)


def _cold_files(seen: Names) -> int:
    return sum(name.startswith("cold/") and name.endswith(".parquet") for name in seen)


LAKE_SCENARIOS = (
    Scenario(
        "disk-full-in-a-backfill",
        Group.LAKE,
        "The disk of the lake is full in the middle of a backfill.",
        _disk_full_in_a_backfill,
        needs=_SIGNALS,
        prepare=_lake_on_its_own_disk,
        repair=repeat_backfill,
        repaired_by=REPEATED,
    ),
    Scenario(
        "disk-full-in-a-pass",
        Group.LAKE,
        "The disk of the lake is full when a replication pass writes.",
        _disk_full_in_a_pass,
        prepare=_lake_on_its_own_disk,
    ),
    Scenario(
        "lake-read-only",
        Group.LAKE,
        "The lake's directory can only be read for a while.",
        _read_only_for_a_while,
        prepare=_lake_on_its_own_disk,
    ),
    Scenario(
        "slow-renames",
        Group.LAKE,
        "The file system renames slowly, and the controller is killed among the renames of a pass.",
        _crash_among_slow_renames,
        needs=_SIGNALS,
        prepare=_renames_are_slow,
    ),
    Scenario(
        "torn-replication-state",
        Group.LAKE,
        "A crash has torn replication.json.",
        partial(_torn_by_the_crash, _REPLICATION),
        needs=_SIGNALS,
        recover=_backfill_where_it_refused,
    ),
    Scenario(
        "torn-manifest",
        Group.LAKE,
        "A crash has torn manifest.json.",
        partial(_torn_by_the_crash, _MANIFEST),
        needs=_SIGNALS,
        recover=_backfill_where_it_refused,
    ),
    Scenario(
        "torn-files-beside",
        Group.LAKE,
        "A crash has left half-written files beside the whole ones.",
        _torn_files_beside,
        needs=_SIGNALS,
    ),
    Scenario(
        "cold-gone-in-a-move",
        Group.LAKE,
        "The cold place goes away in the middle of a retention move, and comes back.",
        _cold_gone_in_mid_move,
        needs=_SIGNALS,
    ),
)
"""The scenarios of the lake's files."""
