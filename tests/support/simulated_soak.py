"""A week's soak in seconds, by the suite's own loop: a laptop's night, an upgrade of the controller, a breach."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from tests.support.soak_world import BEGIN, World, WorldProver, soak_in
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.contract import BACKFILL_JOB
from tsse_validation.runlog.log import RunLog
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.redaction import Redactor

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
SLEPT_AT, SLEPT = 1.9 * DAY, 8.4 * HOUR
UPGRADED_AT, UPGRADED = 3.4 * DAY, 3 * MINUTE
STUCK_AT, STUCK = 5.2 * DAY, 22 * MINUTE


def eventful_week() -> World:
    """Return a world in which a week passes with all that can happen to a soak."""
    world = World()
    world.machine_sleeps(SLEPT_AT, SLEPT)
    world.set(UPGRADED_AT, up=False)
    world.set(UPGRADED_AT + UPGRADED, up=True)
    backfill = ActiveJob(
        "7f0c9d1e-6a41-4f0e-9d55-0b1f6a3c2d10", BACKFILL_JOB, "running", BEGIN + timedelta(seconds=STUCK_AT)
    )
    world.set(STUCK_AT, replicates=False, jobs=(backfill,))
    world.set(STUCK_AT + STUCK, replicates=True, jobs=())
    return world


def soak_a_week(directory: Path, begin: Iterable[Record], pace: float = 10.0) -> Path:
    """Soak a week in a log of its own, and return it; `begin` are the records before the soak."""
    log, world = RunLog(directory / "run.jsonl", Redactor()), eventful_week()
    for record in begin:
        log.append(record)
    soak_in(world, "7d", pace=pace, prover=WorldProver(world, record=log.append), record=log.append)
    log.close()
    return log.path
