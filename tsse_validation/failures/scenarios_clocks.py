"""The controller's clock is set to another time while it runs, and back."""

from datetime import datetime, timedelta

from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import day_start, utc_day
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.backfills import dates_of_backfill, files_of, pause_in_backfill
from tsse_validation.failures.scenario import Ability, Chance, Group, Scenario, Struck
from tsse_validation.failures.scenarios_controller import SHORT_RETENTION
from tsse_validation.lake.reader import LakeReader

_HOUR = timedelta(hours=1).total_seconds()
_NEAR = timedelta(minutes=10)
_BEFORE_MIDNIGHT = timedelta(minutes=2).total_seconds()
_ROWS = 300


def _by_a_clock_that_can_be_set(arena: Arena) -> None:
    arena.stop()
    arena.start(arena.machine.clock().environment)


def _set_and_back(arena: Arena, seconds: float, way: str) -> Struck:
    """Set the clock, replicate by it, set it back, and let as much time go by as it was off by its own hands."""
    clock = arena.machine.clock()
    clock.set_off(seconds)
    at = arena.now()
    arena.insert(_ROWS, oldest_days=arena.days)
    arena.tick()
    _hold_set(arena, at + timedelta(seconds=seconds))
    clock.set_off(0)
    arena.insert(_ROWS, oldest_days=arena.days)
    arena.tick()
    arena.insert(_ROWS, oldest_days=arena.days)
    clock.set_off(abs(seconds) + 2 * arena.lag)
    arena.tick()
    clock.set_off(0)
    return Struck(
        f"the controller's clock went {way} by {abs(seconds) / 60:.0f} minutes, a pass ran, and it was set right; "
        "then those minutes went by on it",
        at=at,
    )


def _hold_set(arena: Arena, near: datetime) -> None:
    """Make sure that the controller has gone by the clock that was set; raises NotCheckedError."""
    ran = require(LakeReader(arena.paths).replication().last_run_at, "last_run_at of the replication state")
    if abs(ran - near) > _NEAR:
        msg = f"The controller does not take its time from the clock that was set: its last pass ran at {ran}."
        raise NotCheckedError(msg, "A program that is linked statically cannot be led by libfaketime.")


def _forward_and_back(arena: Arena, chance: Chance) -> Struck:
    return _set_and_back(arena, chance.rng.uniform(0.9, 1.1) * _HOUR, "forward")


def _back_and_forward(arena: Arena, chance: Chance) -> Struck:
    return _set_and_back(arena, -chance.rng.uniform(0.9, 1.1) * _HOUR, "back")


def _shortly_before_midnight(arena: Arena) -> None:
    """Start the controller by a clock that shows the end of yesterday, with a retention that midnight changes."""
    arena.stop()
    clock = arena.machine.clock()
    clock.set_off(_to_midnight(arena) - _BEFORE_MIDNIGHT)
    arena.start({**clock.environment, **SHORT_RETENTION})
    arena.tick()
    _hold_set(arena, day_start(utc_day(arena.now())))


def _to_midnight(arena: Arena) -> float:
    """Return the seconds, below zero, from now to the midnight that was the last one."""
    now = arena.now()
    return (day_start(utc_day(now)) - now).total_seconds()


def _midnight_in_mid_backfill(arena: Arena, chance: Chance) -> Struck:
    clock = arena.machine.clock()
    arena.insert(_ROWS, oldest_days=arena.days)
    job, written = pause_in_backfill(arena, 1 + int(chance.moment(0, 60)))
    clock.set_off(_to_midnight(arena) + 1)
    at = arena.now()
    arena.resume()
    end = arena.end_of(job.id)
    clock.set_off(0)
    return Struck(
        f"midnight passed on the controller's clock once the backfill had written "
        f"{files_of(written, 'backfill')} files; the job {end.status}",
        at=at,
        touches=frozenset(dates_of_backfill(arena, arena.days + 1)),  # on its clock it began yesterday
    )


CLOCK_SCENARIOS = (
    Scenario(
        "clock-forward-and-back",
        Group.CLOCKS,
        "The controller's clock is set an hour ahead, and back: rows that come in meanwhile are not passed over.",
        _forward_and_back,
        prepare=_by_a_clock_that_can_be_set,
    ),
    Scenario(
        "clock-back-and-forward",
        Group.CLOCKS,
        "The controller's clock is set back by an hour, and right again: the watermark waits, and then goes on.",
        _back_and_forward,
        prepare=_by_a_clock_that_can_be_set,
    ),
    Scenario(
        "midnight-in-a-backfill",
        Group.CLOCKS,
        "A new day begins on the controller's clock in the middle of a backfill.",
        _midnight_in_mid_backfill,
        needs=frozenset({Ability.SIGNALS}),
        prepare=_shortly_before_midnight,
    ),
)
"""The scenarios of the controller's clock."""
