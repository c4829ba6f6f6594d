"""The backfill by the runbook's own command: the helper creates the job, and we follow it as if it were ours.

It is the run's only backfill. Our own POST is sent in its place only where the helper was never started.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tsse_validation.clients.helper_calls import BACKFILL, backfill_call
from tsse_validation.clients.helper_output import BackfillSaid, backfill_said, job_created, why_it_failed
from tsse_validation.clients.helpers import HelperMissingError, HelperProcess
from tsse_validation.clients.jobs import FinishedJob, JobRunner
from tsse_validation.clients.turn import BackfillTurn
from tsse_validation.domain.contract import BACKFILL_JOB, BackfillResult, Job
from tsse_validation.domain.errors import DeadlineError, NotCheckedError, PromiseBrokenError, SuiteError
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.runlog.records import Note
from tsse_validation.steps.backfilling import OnJob, by_our_post, hold_not_left_out
from tsse_validation.steps.helper_told import HelperTold
from tsse_validation.steps.helping import (
    check_told,
    helpers_of,
    lent_token,
    masked,
    read_said,
    recorded,
    shown_command,
)
from tsse_validation.steps.interrupts import deferred_interrupts
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import Check, ValidationRun

_MAY_HAVE = "It may have created a job all the same, so no other backfill is started."
_NAMING_SECONDS = 5.0
"""How long a helper that is to be stopped may take to name the job that it has just created."""
_ENDING_SECONDS = 15.0
"""How long a helper may take to end after its job has, beside its own pause between two looks."""


@dataclass
class _Followed:
    """The helper's job as last seen, its end, and what kept us from seeing one."""

    job: Job | None = None
    finished: FinishedJob[BackfillResult] | None = None
    error: SuiteError | None = None


@dataclass(frozen=True)
class HelpedBackfill:
    """Backfills by the helper, in our turn."""

    run: ValidationRun
    jobs: JobRunner
    progress: ProgressReporter

    def __call__(self, turn: BackfillTurn, days: int, on_job: OnJob) -> FinishedJob[BackfillResult]:
        """Run the helper and follow its job to the end.

        Raises:
            PromiseBrokenError: the job failed, or is none that the helper can have created.
            SuiteError: the helper has named no job, or the job was not seen to its end. No other was started.
        """
        run, settings, followed = self.run, self.run.settings, _Followed()
        base_url = require(run.stack, "the stack").base_url
        turn.hold_free()
        self.jobs.core.let_another_post("backfill")
        with recorded(run, BACKFILL) as told, lent_token(run) as file:
            run.facts.backfill_helper = told
            call = backfill_call(
                base_url,
                file,
                days=days,
                poll_seconds=self._poll_seconds,
                timeout_seconds=math.ceil(settings.backfill_timeout),
            )
            told.command = shown_command(run, call, file)
            with helpers_of(run).started(call) as process:
                self._follow(process, turn, on_job, followed, told)
            _judge(told, followed, turn)
        if isinstance(told.error, HelperMissingError):
            self.progress.say(f"{told.error.message} The backfill is started by our own POST instead.")
            return by_our_post(run, self.jobs)(turn, days, on_job)
        if followed.error is not None:
            raise followed.error
        return require(followed.finished, "the end of the helper's job")

    @property
    def _poll_seconds(self) -> int:
        return max(1, round(self.run.settings.poll_interval))

    def _follow(
        self, process: HelperProcess, turn: BackfillTurn, on_job: OnJob, followed: _Followed, told: HelperTold
    ) -> None:
        """Follow the job until both it and the helper have ended; the helper does not outlive this."""
        settings = self.run.settings

        def note(job: Job) -> None:
            followed.job = job
            on_job(job)

        try:
            job = self._job_of(process, turn, note, told)
            turn.hold_alone(job)
            times = {"timeout": settings.backfill_timeout, "still_after": settings.leftover_after}
            followed.finished = self.jobs.follow(job, BackfillResult, **times, on_job=note)
        except SuiteError as error:
            followed.error = error
        finally:
            if followed.job is not None and followed.job.terminal:
                process.wait(self._poll_seconds + _ENDING_SECONDS)
            told.end = masked(self.run, told, process.end())

    def _job_of(self, process: HelperProcess, turn: BackfillTurn, note: OnJob, told: HelperTold) -> Job:
        """Return the job that the helper has created, once it has named it.

        A Ctrl-C meanwhile is held until the job is noted: else it could be neither named nor canceled.
        """
        settings = self.run.settings
        seconds = helpers_of(self.run).start_seconds + settings.connect_timeout + settings.request_timeout
        stopped: KeyboardInterrupt | None = None
        try:
            process.wait(seconds, until=lambda: job_created(process.stdout))
        except KeyboardInterrupt as interrupt:
            stopped = interrupt
            process.wait(_NAMING_SECONDS, until=lambda: job_created(process.stdout))
        job = None
        if job_id := job_created(process.stdout):
            with deferred_interrupts():
                job = self._own(job_id)
                note(job)
                turn.started(job)
                self.jobs.core.adopt(job)
        if stopped is not None:
            if job is None:
                said = f"{BACKFILL} was stopped before it had named a job: it may have created one, which goes on."
                self.run.record(Note(text=said))
                self.progress.say(said)
            raise stopped
        if job is not None:
            return job
        if process.running:
            msg = f"{BACKFILL} has named no job within {seconds:.0f} s, and was ended. {_MAY_HAVE}"
            raise DeadlineError(msg, "Run it by hand, as the runbook has it.")
        failed = why_it_failed(BACKFILL, masked(self.run, told, process.end()))
        failed.message = f"{failed.message} {_MAY_HAVE}"
        raise failed

    def _own(self, job_id: str) -> Job:
        """Return a job that the helper says it has created, if that can be so."""
        before = require(self.run.facts.job_before, "a job of ours")
        job = self.jobs.core.job(job_id)
        if job.job_type != BACKFILL_JOB or job.created_at < before.created_at:
            msg = (
                f"{BACKFILL} says that it has created the job {job_id}, and that is a {job.job_type} job of "
                f"{format_rfc3339(job.created_at)}. {_MAY_HAVE}"
            )
            raise PromiseBrokenError(msg, "Look at the controller's jobs, and do not trust this helper.")
        return job


def check_backfill_helper(run: ValidationRun, check: Check) -> None:
    """Hold that the helper has said what its job did."""
    hold_not_left_out(run)
    check_told(require(run.facts.backfill_helper, "what the backfill helper has said"), check)


def _judge(told: HelperTold, followed: _Followed, turn: BackfillTurn) -> None:
    """Hold what the helper has printed against its job, as the API tells of it."""
    end, job = require(told.end, "the helper's end"), followed.job
    if job is None:
        raise require(followed.error, "why no job was followed")
    told.said = f"job {job.id}"
    if not job.terminal:
        msg = f"{BACKFILL} was ended with its job {job.id} {job.status}."
        raise NotCheckedError(msg, followed.error.message if followed.error else "")
    if end.exit_code is None:
        raise why_it_failed(BACKFILL, end)
    # where the job has failed, the helper fails with it
    said = read_said(told, backfill_said) if job.status == "completed" else backfill_said(end.stdout)
    told.said = f"job {job.id}, {said.status}, {said.completed} of {said.total or 'unknown'}"
    told.differences += _unlike_its_job(said, job, end.exit_code, followed.finished)
    if beside := turn.others_than(job):
        msg = f"The backfill {beside[0].id} is active beside the helper's, {job.id}: has it started two?"
        raise NotCheckedError(msg, "Run again when it has ended, and look at who has started it.")


def _unlike_its_job(
    said: BackfillSaid, job: Job, exit_code: int, finished: FinishedJob[BackfillResult] | None
) -> Iterator[str]:
    if job.status != "completed" and exit_code == 0:
        yield f"its exit code is 0, and its job {job.id} is {job.status}"
    if others := [other for other in said.jobs if other != job.id]:
        yield f"it has created other jobs beside {job.id}: {', '.join(others)}"
    if said.status != job.status:
        yield f"the last status that it tells is {said.status}, and its job is {job.status}"
    elif (said.completed, said.total) != (job.progress.completed, job.progress.total):
        yield f"it tells {said.completed} of {said.total}, and its job is at {job.progress.in_words}"
    if said.result is not None and finished is not None and said.result != finished.result:
        yield f"it prints another result than that of its job {job.id}"
