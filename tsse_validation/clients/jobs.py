"""Runs one analysis job from POST to result, polling with backoff under a deadline (contract section 3)."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from tsse_validation.clients.core import CoreClient
from tsse_validation.domain.contract import Job, JobEvent
from tsse_validation.domain.errors import DeadlineError, JobFailedError, UnreachableError
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.polling import StillSince, growing, looks

_Model = TypeVar("_Model", bound=BaseModel)
_FIRST_PAUSE = 0.1
CANCEL_SECONDS = 60.0
"""How long the end of a job that we cancel is waited for."""

JOB_ADVICE = {
    "db_query_failed": "The controller cannot query Postgres: look at its log and its database.",
    "duckdb_read_failed": "The controller cannot read its lake: look for a torn file in the named partition.",
    "replication_tick_failed": "Look at replication.last_run_error and the controller's log.",
    "invalid_window": "The window starts at or after the watermark: choose an earlier one.",
    "no_sensors": "The database has no sensor that is not deleted.",
    "unsupported_job_type": "This controller does not know the job: is its version right?",
}


@dataclass(frozen=True)
class FinishedJob(Generic[_Model]):
    """A job that has completed, with its result, its events and the seconds from its creation to its end.

    `progress` holds each `(completed, total)` that a poll has seen, in order.
    """

    job: Job
    result: _Model
    events: tuple[JobEvent, ...]
    progress: tuple[tuple[int, int | None], ...]
    seconds: float

    def milestones(self) -> list[JobEvent]:
        """Return the events that are not mere progress."""
        return [event for event in self.events if event.kind != "progress"]


@dataclass
class JobRunner:
    """Runs jobs on one core-server. `clock` and `sleep` are in seconds; `poll_interval` is the longest pause."""

    core: CoreClient
    _: KW_ONLY
    poll_interval: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(
        self,
        job_type: str,
        params: dict[str, object],
        model: type[_Model],
        *,
        purpose: str,
        timeout: float,
        on_job: Callable[[Job], None] = lambda _job: None,
    ) -> FinishedJob[_Model]:
        """Create a job, follow it to its end and return it with its result; `on_job` sees every poll.

        Raises:
            JobFailedError: the job failed or was canceled.
            DeadlineError: it had not ended within `timeout` seconds; it is left running, and named.
            UnreachableError: the controller went away while the job was followed.
        """
        job = self.core.create_job(job_type, params, purpose=purpose)
        on_job(job)
        return self.follow(job, model, timeout=timeout, on_job=on_job)

    def follow(
        self,
        job: Job,
        model: type[_Model],
        *,
        timeout: float,
        still_after: float = math.inf,
        on_job: Callable[[Job], None] = lambda _job: None,
    ) -> FinishedJob[_Model]:
        """Follow a job that was just created to its end, and return it with its result; errors as in `run`.

        A job that runs and has not moved for `still_after` seconds, while the controller answers, is not waited
        for any longer: a crash leaves it so for ever (contract section 3). That is a DeadlineError, too.
        """
        began = self.clock()
        seen: list[tuple[int, int | None]] = []
        still = StillSince(self.clock)
        for polled in self._polls(job, timeout=timeout):
            job = polled
            seen.append((job.progress.completed, job.progress.total))
            on_job(job)
            if job.status != "running":
                still.seconds(None)
            elif (for_seconds := still.seconds((job.updated_at, job.progress))) >= still_after:
                raise _left_over(job, for_seconds)
        if not job.terminal:
            msg = f"The {job.job_type} job {job.id} is {job.status} after {timeout:.0f} s; it was left running."
            raise DeadlineError(msg, f"Look at GET /api/analysis/jobs/{job.id}, then run again.")
        if job.status != "completed":
            raise failure_of(job)
        return FinishedJob(
            job=job,
            result=self.core.result(job.id, model),
            events=tuple(self.core.events(job.id)),
            progress=tuple(seen),
            seconds=self.clock() - began,
        )

    def cancel(self, job: Job, *, timeout: float) -> Job:
        """Cancel a job of ours, wait up to `timeout` seconds for its end, and return it as last seen.

        A running job ends when it looks whether it should, and may complete before (contract section 3).
        """
        job = self.core.cancel(job.id)
        for polled in self._polls(job, timeout=timeout):
            job = polled
        return job

    def _polls(self, job: Job, *, timeout: float) -> Iterator[Job]:
        """Look at a job that was just answered with growing pauses, up to its end or until the time is over."""
        if job.terminal:
            return
        self.sleep(_FIRST_PAUSE)
        pauses = growing(_FIRST_PAUSE, self.poll_interval)
        last = job

        def look() -> Job:
            nonlocal last
            last = self._poll(last)
            return last

        for seen in looks(look, timeout=timeout, pauses=pauses, clock=self.clock, sleep=self.sleep):
            yield seen
            if seen.terminal:
                return

    def _poll(self, job: Job) -> Job:
        try:
            return self.core.job(job.id)
        except UnreachableError as error:
            msg = (
                f"The controller went away while the {job.job_type} job {job.id} was {job.status}: {error.message}"
            )
            raise UnreachableError(
                msg, "Restart it, look at its log and at the job (jobs are durable), then run again."
            ) from None


def _left_over(job: Job, seconds: float) -> DeadlineError:
    msg = (
        f"The {job.job_type} job {job.id} stands still at {job.progress.in_words} since "
        f"{format_rfc3339(job.updated_at)}, for {seconds:.0f} s, while the controller answers: a controller that "
        "was killed in the middle leaves such a job, running for ever."
    )
    return DeadlineError(
        msg, "Look into the controller's log for a restart, then run again (--leftover-after waits longer)."
    )


def failure_of(job: Job) -> JobFailedError:
    """Return what a job that failed or was canceled means, in words."""
    if job.error is None:
        return JobFailedError(
            f"The {job.job_type} job {job.id} was {job.status}.", "Somebody canceled it: run again."
        )
    advice = JOB_ADVICE.get(job.error.code, "Look at the job's events and the controller's log, then run again.")
    msg = f"The {job.job_type} job {job.id} {job.status} with {job.error.code}: {job.error.message}."
    return JobFailedError(msg, advice, code=job.error.code)
