"""What scenarios share that strike in the middle of a backfill."""

import re
import time
from collections.abc import Callable, Collection
from datetime import date, timedelta
from itertools import repeat
from pathlib import Path

from tsse_validation.domain.contract import BACKFILL_JOB, Job
from tsse_validation.domain.instants import utc_day
from tsse_validation.domain.polling import looks
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.scenario import MissedError, Struck
from tsse_validation.failures.watching import Names, ended, names, strike_when

BY_DESIGN = (
    "The contract lets a backfill that does not come to its end leave the date under way empty, and its job "
    "running (section 3)."
)
REPEATED = "the same backfill once more, with replace_existing (runbook, “If parity mismatches occur”)"
_PAUSE_SECONDS = 0.02
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_STATE = "SELECT status, progress->>'completed', progress->>'message' FROM analysis_jobs WHERE id = %s::uuid"


def begin_backfill(arena: Arena, days: int | None = None, *, replace_existing: bool = True) -> Job:
    """Start a backfill, by default one that replaces the saved lake's days, and return its job at once."""
    return arena.create_job(BACKFILL_JOB, {"days": days or arena.days, "replace_existing": replace_existing})


def dates_of_backfill(arena: Arena, days: int | None = None) -> list[date]:
    """Return the dates that a backfill, by default of the arena's days, replaces now, the oldest first."""
    last = utc_day(arena.now())
    return [last - timedelta(days=back) for back in range(days or arena.days, -1, -1)]


def wait_for_days(arena: Arena, job: Job, days: int, seconds: float = 60.0) -> None:
    """Wait until a backfill has done so many days and goes on; raises MissedError when it ends before."""
    clock, sleep = time.monotonic, time.sleep
    for now in looks(
        lambda: arena.job(job.id), timeout=seconds, pauses=repeat(_PAUSE_SECONDS), clock=clock, sleep=sleep
    ):
        if now.terminal:
            break
        if now.progress.completed >= days:
            return
    msg = f"The backfill was {now.status} and had not been seen at its day {days}."
    raise MissedError(msg)


def pause_in_backfill(arena: Arena, files: int) -> tuple[Job, Names]:
    """Begin a backfill, and let the controller stand still once it has written so many files.

    Returns its job, and the names of what it has written by then. Raises MissedError when it never had so many.
    """
    before = names(arena.paths)
    job = begin_backfill(arena)
    caught = strike_when(
        arena,
        lambda now: files_of(now - before, "backfill") >= files,
        f"File {files} of the backfill",
        over=ended(arena, job.id),
    )
    return job, caught - before


def struck_backfill(
    arena: Arena, job: Job, dates: list[date], moment: str, *, left: Collection[str] = ("running",)
) -> Struck:
    """Say what a strike has met that kept a backfill from its end; raises MissedError where that had ended before.

    `left` are the statuses that such a job may have: by default the one that a dead controller leaves.

    The date under way, by the job's last progress, may stand empty. So may the head of the first date: what lies
    before the new start is removed, while the state promises it still.
    """
    ((status, completed, message),) = arena.sql(_STATE, job.id)
    if status not in left:
        msg = f"The backfill was {status} before the strike."
        raise MissedError(msg)
    under_way = {date.fromisoformat(day) for day in _DAY.findall(message or "")}
    under_way |= set(dates[int(completed or 0) :][:1])
    return Struck(
        f"{moment}, {completed or 0} of {len(dates)} dates into the backfill",
        touches=frozenset(dates),
        empties=frozenset({dates[0], *under_way}),
        by_design=BY_DESIGN,
    )


def repeat_backfill(arena: Arena, _struck: Struck) -> None:
    """Do as the runbook tells: backfill the affected range again."""
    arena.backfill()


def of_day(names: Names, day: date) -> Names:
    """Return the files and directories of a date, wherever it lies."""
    return frozenset(name for name in names if f"/date={day}/" in name or name.endswith(f"/date={day}"))


def has_new(names: Names, before: Names, kind: str, suffix: str = ".parquet") -> bool:
    """Whether there is a file of a kind (`backfill`, `part`, `compact`) that was not there before."""
    return any(f"/{kind}-" in name and name.endswith(suffix) for name in names - before)


def files_of(found: Names, kind: str) -> int:
    """Count the finished files of a kind."""
    return sum(Path(name).name.startswith(f"{kind}-") and name.endswith(".parquet") for name in found)


def being_written(kind: str) -> Callable[[Names], bool]:
    """Return what says whether a file of a kind is in the making."""
    return lambda names: any(f"/{kind}-" in name and name.endswith(".parquet.tmp") for name in names)
