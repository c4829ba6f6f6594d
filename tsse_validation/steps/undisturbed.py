"""Holds that no backfill replaces the lake's files while both sides are compared: somebody else may start one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.contract import BACKFILL_JOB
from tsse_validation.domain.coverage import ALL_TIME, Coverage
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.lake.reader import LakeReader

_AGAIN = "Run again when no other backfill runs."


def running_backfill(jobs: Iterable[ActiveJob]) -> ActiveJob | None:
    """Return the backfill that runs, of some jobs that are active."""
    return next((job for job in jobs if job.job_type == BACKFILL_JOB and job.status == "running"), None)


@dataclass(frozen=True)
class Undisturbed:
    """Asked where both sides differ, and did so when they were read again.

    A backfill removes the files of each date before it writes them anew (contract section 3): what is missing then
    is no evidence. `active` returns the lake jobs that wait or run, or `None` where they cannot be seen.
    """

    lake: LakeReader
    active: Callable[[], Sequence[ActiveJob] | None]

    def __call__(self, coverage: Coverage) -> None:
        """Hold that the lake's files are still those of which a coverage was promised.

        Raises NotCheckedError when a backfill replaces them, or has; other errors as `LakeReader.replication`.
        """
        if (job := running_backfill(self.active() or ())) is not None:
            msg = f"Both sides differ, and the backfill {job.id} replaces the lake's dates: that is no evidence."
            raise NotCheckedError(msg, _AGAIN)
        target = self.lake.replication().backfill_to_ts
        if coverage.backfill_to not in (target, ALL_TIME.end):
            msg = "Both sides differ, and a backfill has replaced the lake's dates meanwhile: that is no evidence."
            raise NotCheckedError(msg, _AGAIN)
