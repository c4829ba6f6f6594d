"""Backfills that are canceled, that meet each other, that fail half-way, or that are asked for differently."""

import time

from tsse_validation.domain.contract import BACKFILL_JOB
from tsse_validation.domain.errors import DeadlineError, PromiseBrokenError
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.backfills import (
    REPEATED,
    begin_backfill,
    dates_of_backfill,
    repeat_backfill,
    struck_backfill,
    wait_for_days,
)
from tsse_validation.failures.scenario import Chance, Group, MissedError, Scenario, Struck

_FIRST_DATE_CUT = "Of a backfill's first date everything before its range is gone (contract section 3)."
_AWAY = "metrics_while_it_is_renamed"


def _cancel(arena: Arena, chance: Chance) -> Struck:
    job, dates = begin_backfill(arena), dates_of_backfill(arena)
    wait_for_days(arena, job, chance.day(dates))
    arena.cancel(job.id)
    arena.end_of(job.id)
    return struck_backfill(arena, job, dates, "the backfill was canceled", left=("canceled",))


def _two_at_once(arena: Arena, chance: Chance) -> Struck:
    gap = chance.moment(0.0, 0.5)
    days = max(2, arena.days - chance.rng.randrange(3)), arena.days
    first = begin_backfill(arena, days[0])
    time.sleep(gap)
    begin_backfill(arena, days[1])
    if arena.job(first.id).terminal:
        msg = "The first backfill had ended before the second was created."
        raise MissedError(msg)
    return Struck(
        f"a backfill of {days[1]} days was started {gap:.2f} s after one of {days[0]}, which went on",
        touches=frozenset(dates_of_backfill(arena)),
    )


def _fewer_days(arena: Arena, chance: Chance) -> Struck:
    days = chance.rng.randrange(2, max(3, arena.days - 3))
    begin_backfill(arena, days)
    return Struck(
        f"a backfill of {days} days over a lake of {arena.days}",
        touches=frozenset(dates_of_backfill(arena, days)),
        by_design=_FIRST_DATE_CUT,
    )


def _over_what_is_there(arena: Arena, chance: Chance) -> Struck:
    days = chance.rng.randrange(2, arena.days + 1)
    begin_backfill(arena, days, replace_existing=False)
    return Struck(
        f"a backfill of {days} days with replace_existing false, over dates that were there",
        touches=frozenset(dates_of_backfill(arena, days)),
        by_design="Rows stand in several files until compaction, and count once (contract section 4).",
    )


def hold_backfills_completed(arena: Arena, _struck: Struck) -> None:
    """Wait for the end of every backfill; raises PromiseBrokenError when one does not complete."""
    for (job_id,) in arena.sql(
        "SELECT id::text FROM analysis_jobs WHERE job_type = %s ORDER BY created_at", BACKFILL_JOB
    ):
        try:
            job = arena.end_of(job_id)
        except DeadlineError as error:
            raise PromiseBrokenError(error.message, error.advice) from error
        if job.status != "completed":
            why = job.error.message if job.error else "no error said"
            msg = f"The backfill {job_id} ended {job.status}: {why}."
            raise PromiseBrokenError(msg, "Look at the controller's log.")


def _fails_half_way(arena: Arena, chance: Chance) -> Struck:
    job, dates = begin_backfill(arena), dates_of_backfill(arena)
    wait_for_days(arena, job, chance.day(dates))
    arena.sql(f"ALTER TABLE metrics RENAME TO {_AWAY}")
    try:
        arena.end_of(job.id)
    finally:
        arena.sql(f"ALTER TABLE {_AWAY} RENAME TO metrics")
    return struck_backfill(arena, job, dates, "metrics was renamed under the backfill", left=("failed",))


JOBS_SCENARIOS = (
    Scenario(
        "cancel-in-a-backfill",
        Group.JOBS,
        "A backfill with replace_existing is canceled when it has done a part of its days.",
        _cancel,
        repair=repeat_backfill,
        repaired_by=REPEATED,
    ),
    Scenario(
        "two-backfills-at-once",
        Group.JOBS,
        "A second backfill is started while the first one goes on.",
        _two_at_once,
        recover=hold_backfills_completed,
    ),
    Scenario(
        "fewer-days-after-more",
        Group.JOBS,
        "A backfill of fewer days follows one of more.",
        _fewer_days,
        recover=hold_backfills_completed,
    ),
    Scenario(
        "backfill-over-a-lake",
        Group.JOBS,
        "A backfill with replace_existing false goes over dates that the lake has.",
        _over_what_is_there,
        recover=hold_backfills_completed,
    ),
    Scenario(
        "backfill-fails-half-way",
        Group.JOBS,
        "The table is renamed under a backfill, and named back; the backfill is then repeated.",
        _fails_half_way,
        repair=repeat_backfill,
        repaired_by=REPEATED,
    ),
)
"""What goes wrong with backfills, or only looks so."""
