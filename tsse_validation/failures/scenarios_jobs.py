"""Backfills that are canceled, that meet each other, that fail half-way, or that are asked for differently."""

import re
import time
from collections.abc import Iterable
from datetime import date, timedelta

from tsse_validation.domain.contract import BACKFILL_JOB, Job
from tsse_validation.domain.errors import DeadlineError, PromiseBrokenError
from tsse_validation.domain.instants import utc_day
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.model import Chance, Group, MissedError, Scenario, Struck
from tsse_validation.failures.watching import ended, names

LEFT_EMPTY = "A backfill that is stopped in between leaves the date it had removed empty (contract section 3)."
FIRST_DATE_CUT = "Of a backfill's first date everything before its range is gone (contract section 3)."
A_BACKFILL = "a backfill with replace_existing"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_POLL_SECONDS = 0.02
_AWAY = "metrics_while_it_is_renamed"


def start_backfill(arena: Arena, days: int, *, replace_existing: bool = True) -> Job:
    """Start a backfill, and return its job at once."""
    return arena.create_job(BACKFILL_JOB, {"days": days, "replace_existing": replace_existing})


def dates_of(arena: Arena, days: int) -> frozenset[date]:
    """Return the dates that a backfill of so many days replaces, if it begins now or around midnight."""
    today = utc_day(arena.now())
    return frozenset(today - timedelta(days=ago) for ago in range(-1, days + 2))


def left_empty(arena: Arena, job: Job) -> frozenset[date]:
    """Return the date at which a backfill was stopped, by its progress, if it has no file any more."""
    found = _DATE.search(job.progress.message or "")
    if found is None:
        return frozenset()
    day = date.fromisoformat(found[0])
    files = (name for name in names(arena.paths) if f"/date={day}/" in name)
    return frozenset() if any(name.endswith(".parquet") for name in files) else frozenset({day})


def repair_by_a_backfill(arena: Arena, _struck: Struck) -> None:
    """Do what the runbook says about a mismatch: backfill the affected range again."""
    arena.backfill()


def wait_for_days(arena: Arena, job: Job, days: int, seconds: float = 60.0) -> Job:
    """Wait until a backfill has done so many days, and return it; raises MissedError when it ends before."""
    over = ended(arena, job.id, every=0.0)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = arena.job(job.id)
        if now.progress.completed >= days and not now.terminal:
            return now
        if over():
            break
        time.sleep(_POLL_SECONDS)
    msg = f"The backfill had ended, or not begun, before its day {days}."
    raise MissedError(msg)


def _cancel(arena: Arena, chance: Chance) -> Struck:
    at = chance.rng.randrange(1, max(2, arena.days - 2 - 2 * chance.attempt))
    job = start_backfill(arena, arena.days)
    wait_for_days(arena, job, at)
    arena.cancel(job.id)
    job = arena.end_of(job.id)
    if job.status != "canceled":
        msg = f"The backfill ended {job.status} before its cancellation."
        raise MissedError(msg)
    return stopped(arena, job, f"the backfill was canceled after {job.progress.completed} days")


def stopped(arena: Arena, job: Job, moment: str) -> Struck:
    """Return what a backfill that did not complete has done: a date may be empty, and the first one cut."""
    empty = left_empty(arena, job)
    by_design = [FIRST_DATE_CUT, *([LEFT_EMPTY] if empty else [])]
    return Struck(
        moment + (f", which left {_named(empty)} empty" if empty else ""),
        touches=dates_of(arena, arena.days),
        empties=empty | _first_dates(arena, job),
        by_design=" ".join(by_design),
    )


def _first_dates(arena: Arena, job: Job) -> frozenset[date]:
    """Return the date on which a backfill of the saved range begins; around midnight it may be one of two."""
    latest = job.created_at - timedelta(days=arena.days)
    return frozenset({utc_day(latest), utc_day(latest - timedelta(seconds=arena.lag))})


def _named(days: Iterable[date]) -> str:
    return ", ".join(map(str, sorted(days)))


def _two_at_once(arena: Arena, chance: Chance) -> Struck:
    gap = chance.moment(0.0, 0.5)
    days = max(2, arena.days - chance.rng.randrange(3)), arena.days
    first = start_backfill(arena, days[0])
    time.sleep(gap)
    start_backfill(arena, days[1])
    if arena.job(first.id).terminal:
        msg = "The first backfill had ended before the second was created."
        raise MissedError(msg)
    return Struck(
        f"a backfill of {days[1]} days was started {gap:.2f} s after one of {days[0]}, which went on",
        touches=dates_of(arena, arena.days),
    )


def _fewer_days(arena: Arena, chance: Chance) -> Struck:
    days = chance.rng.randrange(2, max(3, arena.days - 3))
    start_backfill(arena, days)
    return Struck(
        f"a backfill of {days} days over a lake of {arena.days}",
        touches=dates_of(arena, days),
        by_design=FIRST_DATE_CUT,
    )


def _over_what_is_there(arena: Arena, chance: Chance) -> Struck:
    days = chance.rng.randrange(2, arena.days + 1)
    start_backfill(arena, days, replace_existing=False)
    return Struck(
        f"a backfill of {days} days with replace_existing false, over dates that were there",
        touches=dates_of(arena, days),
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
    at = chance.rng.randrange(1, max(2, arena.days - 2 - 2 * chance.attempt))
    job = start_backfill(arena, arena.days)
    wait_for_days(arena, job, at)
    arena.sql(f"ALTER TABLE metrics RENAME TO {_AWAY}")
    try:
        job = arena.end_of(job.id)
    finally:
        arena.sql(f"ALTER TABLE {_AWAY} RENAME TO metrics")
    if job.status != "failed":
        msg = f"The backfill ended {job.status} before the table was renamed."
        raise MissedError(msg)
    return stopped(arena, job, f"metrics was renamed under the backfill after {job.progress.completed} days")


JOBS_SCENARIOS = (
    Scenario(
        "cancel-in-a-backfill",
        Group.JOBS,
        "A backfill with replace_existing is canceled when it has done a part of its days.",
        _cancel,
        repair=repair_by_a_backfill,
        repaired_by=A_BACKFILL,
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
        repair=repair_by_a_backfill,
        repaired_by=A_BACKFILL,
    ),
)
"""What goes wrong with backfills, or only looks so."""
