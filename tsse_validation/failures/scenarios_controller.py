"""The controller is killed or stands still: at random moments and at chosen ones, seen by the lake's files."""

import time

from tsse_validation.failures.arena import Arena
from tsse_validation.failures.model import Ability, Chance, Group, Scenario, Struck

_SIGNALS = frozenset({Ability.SIGNALS})


def _kill_under_traffic(arena: Arena, chance: Chance) -> Struck:
    moment = chance.moment(0.5, 12.0)
    with arena.traffic():
        time.sleep(moment)
        arena.kill()
        struck = Struck(f"SIGKILL {moment:.2f} s after the traffic began")
        time.sleep(1.0)  # what comes in while nobody replicates is due later all the same
    return struck


CONTROLLER_SCENARIOS = (
    Scenario(
        "kill-under-traffic",
        Group.CONTROLLER,
        "The controller is killed at a random moment while rows come in.",
        _kill_under_traffic,
        needs=_SIGNALS,
    ),
)
"""The scenarios of the controller itself."""
