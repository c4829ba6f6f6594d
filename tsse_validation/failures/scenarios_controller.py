"""The controller is killed or stands still: at random moments and at chosen ones, seen by the lake's files."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import date

from tsse_validation.domain.errors import StackError
from tsse_validation.domain.stack import STATE_DIR
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.backfills import (
    REPEATED,
    begin_backfill,
    being_written,
    dates_of_backfill,
    has_new,
    of_day,
    repeat_backfill,
    struck_backfill,
)
from tsse_validation.failures.scenario import Ability, Chance, Group, Scenario, Struck
from tsse_validation.failures.watching import Names, ended, names, strike_when

SHORT_RETENTION = {"CORE_ANALYSIS_HOT_RETENTION_DAYS": "5"}
"""The setting of contract section 7 with which most of the dates are old enough to go to the cold place."""
_SIGNALS = frozenset({Ability.SIGNALS})
_LATE_ROWS = 400
_PASS_SECONDS = 20.0
"""How long the next pass is waited for: the interval is 10 s."""
_Wanted = Callable[[Names, Names, list[date]], bool]
"""Whether a moment has come: by the names now, those before, and the dates of the backfill."""


def _kill_under_traffic(arena: Arena, chance: Chance) -> Struck:
    moment = chance.moment(0.5, 12.0)
    with arena.traffic():
        time.sleep(moment)
        arena.kill()
        struck = Struck(f"SIGKILL {moment:.2f} s after the traffic began")
        time.sleep(1.0)  # what comes in while nobody replicates is due later all the same
    return struck


def _kill_while_starting(arena: Arena, chance: Chance) -> Struck:
    arena.insert(_LATE_ROWS, oldest_days=arena.days - 1)
    arena.kill()
    moment = chance.moment(0.05, 2.0)
    starting = _start_aside(arena)
    time.sleep(moment)
    arena.kill()
    starting.join()
    return Struck(f"SIGKILL, and another {moment:.2f} s after the start that followed")


def _pause_longer_than_the_lag(arena: Arena, chance: Chance) -> Struck:
    seconds = chance.moment(arena.lag + 1, 3 * arena.lag + 6)
    with arena.traffic():
        arena.pause()
        struck = Struck(f"SIGSTOP for {seconds:.1f} s, the lag is {arena.lag:.0f} s")
        time.sleep(seconds)
        arena.resume()
    return struck


def _end_in_a_backfill(end: Callable[[Arena], None], name: str) -> Callable[[Arena, Chance], Struck]:
    def strike(arena: Arena, chance: Chance) -> Struck:
        moment = chance.moment(0.02, 1.2)
        dates = dates_of_backfill(arena)
        job = begin_backfill(arena)
        time.sleep(moment)
        end(arena)
        return struck_backfill(arena, job, dates, f"{name} {moment:.2f} s after a backfill was asked for")

    return strike


def _kill_in_a_backfill_when(wanted: Callable[[Chance, list[date]], _Wanted], what: str) -> Callable[..., Struck]:
    """Return what kills the controller in a backfill, as soon as its files show a moment."""

    def strike(arena: Arena, chance: Chance) -> Struck:
        dates, before = dates_of_backfill(arena), names(arena.paths)
        seen = wanted(chance, dates)
        job = begin_backfill(arena)
        strike_when(arena, lambda now: seen(now, before, dates), what, over=ended(arena, job.id))
        arena.kill()
        return struck_backfill(arena, job, dates, f"SIGKILL when {what[0].lower()}{what[1:]}")

    return strike


def _first_file(_chance: Chance, _dates: list[date]) -> _Wanted:
    return lambda now, before, _dates: has_new(now, before, "backfill")


def _last_date(_chance: Chance, dates: list[date]) -> _Wanted:
    return lambda now, before, _dates: has_new(of_day(now, dates[-1]), before, "backfill")


def _file_in_the_making(_chance: Chance, _dates: list[date]) -> _Wanted:
    in_the_making = being_written("backfill")
    return lambda now, _before, _dates: in_the_making(now)


def _between_two_dates(chance: Chance, dates: list[date]) -> _Wanted:
    at = chance.rng.randrange(1, len(dates) - 1)
    in_the_making = being_written("backfill")

    def seen(now: Names, before: Names, dates: list[date]) -> bool:
        done, next_one = of_day(now, dates[at]), of_day(now, dates[at + 1])
        return (
            has_new(done, before, "backfill") and next_one <= before and bool(next_one) and not in_the_making(now)
        )

    return seen


def _removed_date(chance: Chance, dates: list[date]) -> _Wanted:
    at = chance.rng.randrange(1, len(dates) - 1)
    return lambda now, before, _dates: bool(of_day(before, dates[at])) and not of_day(now, dates[at])


def _kill_in_a_pass_when(seen: Callable[[Names, Names, bool], bool], what: str) -> Callable[..., Struck]:
    """Return what kills the controller in a pass of late rows; `seen` is told whether the state is as before."""

    def strike(arena: Arena, _chance: Chance) -> Struck:
        before, state = names(arena.paths), _state_of(arena)
        arena.insert(_LATE_ROWS, oldest_days=arena.days - 1)
        strike_when(arena, lambda now: seen(now, before, _state_of(arena) == state), what, seconds=_PASS_SECONDS)
        arena.kill()
        return Struck(f"SIGKILL when {what[0].lower()}{what[1:]}")

    return strike


def _state_of(arena: Arena) -> bytes:
    with suppress(FileNotFoundError):
        return (arena.paths.hot / STATE_DIR / "replication.json").read_bytes()
    return b""


def _data_without_state(now: Names, before: Names, old_state: bool) -> bool:
    return old_state and has_new(now, before, "part") and not being_written("part")(now)


def _part_in_the_making(now: Names, _before: Names, _old_state: bool) -> bool:
    return being_written("part")(now)


def _state_in_the_making(now: Names, _before: Names, _old_state: bool) -> bool:
    return any(f"/{STATE_DIR}/" in name and ".tmp" in name for name in now)


def _kill_in_a_compaction_when(seen: Callable[[Names, Names], bool], what: str) -> Callable[..., Struck]:
    def strike(arena: Arena, _chance: Chance) -> Struck:
        below = _crowded_date(names(arena.paths))
        before = names(arena.paths, below)
        arena.crowd()
        # within one date the files are looked at often enough to see one that is there for a millisecond
        strike_when(arena, lambda now: seen(now, before), what, below=below, seconds=_PASS_SECONDS)
        arena.kill()
        return Struck(f"SIGKILL when {what[0].lower()}{what[1:]}")

    return strike


def _crowded_date(found: Names) -> str:
    """Return the path of the date that has the most files."""
    files = Counter(name.partition("/")[2].partition("/shard=")[0] for name in found if name.endswith(".parquet"))
    return max(files, key=lambda path: files[path])


def _merged_beside_its_sources(now: Names, before: Names) -> bool:
    merged = [name for name in now - before if "/compact-" in name and name.endswith(".parquet")]
    return any(os.path.dirname(name) == os.path.dirname(old) for name in merged for old in now & before)  # noqa: PTH120


def _kill_in_a_move(arena: Arena, _chance: Chance) -> Struck:
    arena.stop()
    starting = _start_aside(arena, SHORT_RETENTION)

    def half_moved(now: Names) -> bool:
        cold = {
            name.removeprefix("cold/") for name in now if name.startswith("cold/") and name.endswith(".parquet")
        }
        return any(f"hot/{name}" in now for name in cold)

    what = "A date lay in both places"
    try:
        strike_when(arena, half_moved, what, seconds=_PASS_SECONDS)
    finally:
        arena.kill()
        starting.join()
    return Struck(f"SIGKILL when {what[0].lower()}{what[1:]}, on its way to the cold one")


def _start_with_short_retention(arena: Arena, _struck: Struck) -> None:
    arena.start(SHORT_RETENTION)


def _start_aside(arena: Arena, environment: dict[str, str] | None = None) -> threading.Thread:
    """Start the controller without waiting for it: it may be killed before it answers."""

    def start() -> None:
        with suppress(StackError):
            arena.start(environment)

    thread = threading.Thread(target=start, name="arena-start", daemon=True)
    thread.start()
    return thread


def _in_a_backfill(key: str, title: str, strike: Callable[[Arena, Chance], Struck]) -> Scenario:
    return Scenario(
        key, Group.CONTROLLER, title, strike, needs=_SIGNALS, repair=repeat_backfill, repaired_by=REPEATED
    )


def _by_itself(key: str, title: str, strike: Callable[[Arena, Chance], Struck]) -> Scenario:
    """Return a scenario after which the contract promises that nothing is missing, without anybody's help."""
    return Scenario(key, Group.CONTROLLER, title, strike, needs=_SIGNALS)


CONTROLLER_SCENARIOS = (
    _by_itself(
        "kill-under-traffic",
        "The controller is killed at a random moment while rows come in.",
        _kill_under_traffic,
    ),
    _by_itself(
        "kill-while-starting",
        "The controller is killed, and once more while it starts again.",
        _kill_while_starting,
    ),
    _by_itself(
        "pause-longer-than-lag",
        "The controller stands still for longer than its lag guard, while rows come in.",
        _pause_longer_than_the_lag,
    ),
    _in_a_backfill(
        "kill-in-backfill",
        "The controller is killed at a random moment of a backfill.",
        _end_in_a_backfill(lambda arena: arena.kill(), "SIGKILL"),
    ),
    _in_a_backfill(
        "stop-in-backfill",
        "The controller is stopped, as for an upgrade, in the middle of a backfill.",
        _end_in_a_backfill(lambda arena: arena.stop(), "SIGTERM"),
    ),
    _in_a_backfill(
        "kill-early-in-backfill",
        "The controller is killed as the first file of a backfill appears.",
        _kill_in_a_backfill_when(_first_file, "The first file of the backfill appeared"),
    ),
    _in_a_backfill(
        "kill-late-in-backfill",
        "The controller is killed as the first file of a backfill's last date appears.",
        _kill_in_a_backfill_when(_last_date, "The first file of the backfill's last date appeared"),
    ),
    _in_a_backfill(
        "kill-between-dates",
        "The controller is killed when a backfill has written one date and not begun the next.",
        _kill_in_a_backfill_when(_between_two_dates, "One date was written and the next one not begun"),
    ),
    _in_a_backfill(
        "kill-at-removed-date",
        "The controller is killed when a backfill has removed a date and not written it again.",
        _kill_in_a_backfill_when(_removed_date, "A date was removed and not written again"),
    ),
    _in_a_backfill(
        "kill-in-backfill-file",
        "The controller is killed while a file of a backfill is in the making.",
        _kill_in_a_backfill_when(_file_in_the_making, "A file of the backfill was in the making"),
    ),
    _by_itself(
        "kill-before-state",
        "The controller is killed when a pass has written its files, and the state does not know of them yet.",
        _kill_in_a_pass_when(_data_without_state, "The files of a pass stood there and the state was the old one"),
    ),
    _by_itself(
        "kill-in-pass-file",
        "The controller is killed while a file of a replication pass is in the making.",
        _kill_in_a_pass_when(_part_in_the_making, "A file of the pass was in the making"),
    ),
    _by_itself(
        "kill-in-state-file",
        "The controller is killed while a state file is in the making.",
        _kill_in_a_pass_when(_state_in_the_making, "A state file was in the making"),
    ),
    _by_itself(
        "kill-in-compaction-file",
        "The controller is killed while a compacted file is in the making.",
        _kill_in_a_compaction_when(
            lambda now, _before: being_written("compact")(now), "A compacted file was in the making"
        ),
    ),
    _by_itself(
        "kill-after-compaction",
        "The controller is killed when a compacted file stands beside those that it replaces.",
        _kill_in_a_compaction_when(_merged_beside_its_sources, "A compacted file stood beside its sources"),
    ),
    Scenario(
        "kill-in-retention-move",
        Group.CONTROLLER,
        "The controller is killed while it moves old dates to the cold place.",
        _kill_in_a_move,
        needs=_SIGNALS,
        recover=_start_with_short_retention,
    ),
)
"""The scenarios of the controller itself."""
