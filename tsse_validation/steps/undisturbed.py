"""Holds that no backfill replaces the lake's files while both sides are compared: somebody else may start one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.contract import BACKFILL_JOB
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.lake.reader import LakeReader

_AGAIN = "Run again when no other backfill runs."
_LEFT_BY_A_CRASH = (
    "A crash leaves a job that looks so, and runs no more: GRANT SELECT (updated_at, progress) ON analysis_jobs TO"
    " the role of the DSN, and it is told apart."
)


def running_backfill(jobs: Iterable[ActiveJob]) -> ActiveJob | None:
    """Return the backfill that runs, of some jobs that are active."""
    return next((job for job in jobs if job.job_type == BACKFILL_JOB and job.status == "running"), None)


@dataclass(frozen=True)
class Undisturbed:
    """Asked where both sides differ, and did so when they were read again.

    A backfill removes the files of each date before it writes them anew (contract section 3): what is missing then
    is no evidence. `promised` returns the target of the backfill that the comparison rests on. `active` returns
    the lake jobs that wait or run, or `None` where they cannot be seen: then what differs is told.
    """

    lake: LakeReader
    promised: Callable[[], datetime]
    active: Callable[[], Sequence[ActiveJob] | None]

    def __call__(self) -> None:
        """Hold that the lake's files are still those of the backfill that was promised.

        Raises NotCheckedError when another backfill replaces them, or has; other errors as
        `LakeReader.replication`.
        """
        if (job := running_backfill(self.active() or ())) is not None:
            msg = f"Both sides differ, and the backfill {job.id} replaces the lake's dates: that is no evidence."
            raise NotCheckedError(msg, _AGAIN if job.still_seconds is not None else f"{_AGAIN} {_LEFT_BY_A_CRASH}")
        if self.lake.replication().backfill_to_ts != self.promised():
            msg = "Both sides differ, and a backfill has replaced the lake's dates meanwhile: that is no evidence."
            raise NotCheckedError(msg, _AGAIN)
