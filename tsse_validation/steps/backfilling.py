"""Runs the runbook's backfill, shows its progress, and records its end, also after an interrupt."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.jobs import CANCEL_SECONDS, FinishedJob, JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.turn import BackfillTurn, backfill_turn, left_over_in_words
from tsse_validation.domain.contract import BACKFILL_JOB, BackfillResult, Job
from tsse_validation.domain.errors import NotCheckedError, SuiteError
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.runlog.records import BackfillSeen, Note
from tsse_validation.steps.guarding import GuardedBackfill, guard_of_run
from tsse_validation.steps.inspecting import settled_inspection
from tsse_validation.steps.interrupts import deferred_interrupts
from tsse_validation.steps.loss_guard import WouldLoseError
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import ValidationRun

_MAY_BE_EMPTY = "The date that it was replacing may be empty: the next backfill writes it again."


OnJob: TypeAlias = Callable[[Job], None]
Performing: TypeAlias = Callable[[BackfillTurn, int, OnJob], FinishedJob[BackfillResult]]
"""Starts a backfill of so many days in our turn, and follows it; each look at the job goes to `OnJob`."""


def by_our_post(run: ValidationRun, jobs: JobRunner) -> Performing:
    """Return what performs a backfill by our own POST."""

    def perform(turn: BackfillTurn, days: int, on_job: OnJob) -> FinishedJob[BackfillResult]:
        settings = run.settings
        job = start_backfill(turn, jobs.core, days, replace_existing=True, on_job=on_job)
        times = {"timeout": settings.backfill_timeout, "still_after": settings.leftover_after}
        return jobs.follow(job, BackfillResult, **times, on_job=on_job)

    return perform


def run_backfill(
    run: ValidationRun,
    jobs: JobRunner,
    progress: ProgressReporter,
    *,
    one_day_more: bool = False,
    perform: Performing | None = None,
) -> FinishedJob[BackfillResult]:
    """Backfill as the runbook does, `replace_existing` and all, and record how it went and what it took away.

    With `one_day_more` it may take a day more than set, where that day less would cut the lake's first date.
    `perform` starts and follows it; by default our own POST does.

    Raises NotCheckedError when it would take something away, or must not be started now; nothing was POSTed then.
    """
    run.hold_one_backfill()
    settings = run.settings
    last: list[Job] = []

    def on_job(job: Job) -> None:
        last[:] = [job]
        update(job.progress.completed, job.progress.total, job.progress.message or "")

    with _turn(run, jobs, progress) as turn:
        guarded = _guarded(run, jobs, progress, settings.backfill_days, one_day_more=one_day_more)
        with (
            _end_is_said(run, jobs, progress, turn, last, guarded),
            progress.track("backfill", at_once=True) as update,
        ):
            finished = (perform or by_our_post(run, jobs))(turn, guarded.days, on_job)
    run.record(_seen(finished))
    run.facts.inspection_after = settled_inspection(jobs, settings)
    run.facts.taken_away = guarded.taken_by(finished.result, run.facts.inspection_after, run.record)
    return finished


def _guarded(
    run: ValidationRun, jobs: JobRunner, progress: ProgressReporter, days: int, *, one_day_more: bool
) -> GuardedBackfill:
    """Look at what a backfill would take away, and remember why it was left out."""
    guard = guard_of_run(run, jobs, progress)
    progress.say(f"Looking at what a backfill of {days} days would take out of the lake, by {guard.look.by}.")
    try:
        try:
            return guard.of(days, run.record)
        except WouldLoseError as error:
            if not one_day_more or error.safe != days + 1:
                raise
            return guard.of(error.safe, run.record)
    except WouldLoseError as error:
        run.facts.refused = error
        raise


def start_backfill(
    turn: BackfillTurn,
    core: CoreClient,
    days: int,
    *,
    replace_existing: bool,
    on_job: OnJob = lambda _job: None,
) -> Job:
    """Create the backfill job in our turn, if it still is; `on_job` gets it as soon as there is one.

    Raises NotCheckedError when another backfill was started meanwhile.
    """

    def note(job: Job) -> None:
        on_job(job)
        turn.started(job)

    turn.hold_free()
    params: dict[str, object] = {"days": days, "replace_existing": replace_existing}
    # a job that we have not noted could be neither named nor canceled
    job = core.create_job(BACKFILL_JOB, params, purpose="backfill", note=note, undisturbed=deferred_interrupts)
    turn.hold_alone(job)
    return job


def completed_backfill(run: ValidationRun) -> FinishedJob[BackfillResult]:
    """Return the backfill that this run has completed.

    Raises NotCheckedError when it was left out; BlockedError when it did not complete.
    """
    hold_not_left_out(run)
    return require(run.facts.backfill, "a completed backfill")


def hold_not_left_out(run: ValidationRun) -> None:
    """Raise NotCheckedError where this run has left its backfill out."""
    if run.settings.skip_backfill:
        raise NotCheckedError("left out by --skip-backfill")
    if run.facts.refused is not None and run.facts.backfill is None:
        raise NotCheckedError("left out: it would have taken rows out of the lake", run.facts.refused.advice)


@contextmanager
def _turn(run: ValidationRun, jobs: JobRunner, progress: ProgressReporter) -> Iterator[BackfillTurn]:
    """Wait for our turn, and record where others' jobs could not be seen."""
    settings, stack = run.settings, require(run.stack, "the stack")
    postgres = PostgresClient.from_settings(stack.conninfo, settings, run.sessions) if stack.conninfo else None
    if postgres is not None:
        # of several servers one may be behind, and show no job of the last minutes
        postgres.anchor = run.facts.anchor
    with backfill_turn(
        jobs.core,
        postgres,
        timeout=settings.active_job_timeout,
        pause=settings.poll_interval,
        say=progress.say,
        leftover_after=settings.leftover_after,
        alone=stack.owned,
    ) as turn:
        run.record(*(Note(text=left_over_in_words(job)) for job in turn.left_over.values()))
        if turn.unseen:
            run.record(Note(text=f"Lake jobs that others may have started were not seen: {turn.unseen}."))
        yield turn


@contextmanager
def _end_is_said(
    run: ValidationRun,
    jobs: JobRunner,
    progress: ProgressReporter,
    turn: BackfillTurn,
    last: list[Job],
    guarded: GuardedBackfill,
) -> Iterator[None]:
    """Record and name the job that goes on, failed or was canceled, when the run does not see it complete."""
    began = time.monotonic()
    try:
        yield
    except (SuiteError, KeyboardInterrupt) as error:
        if last:
            if isinstance(error, KeyboardInterrupt):
                last[0], said = _stopped(run, jobs, progress, last[0])
                if last[0].status == "canceled":  # it may have ended between a date's removal and its writing
                    said = f"{said} {guarded.emptied(ask=False) or _MAY_BE_EMPTY}"
                run.record(Note(text=said))
                progress.say(said)
            elif emptied := guarded.emptied():
                run.record(Note(text=emptied))
                error.message = f"{error.message} {emptied}"
            run.record(
                BackfillSeen(
                    job_id=last[0].id,
                    status=last[0].status,
                    days=guarded.days,
                    seconds=round(time.monotonic() - began, 3),
                )
            )
        raise
    finally:
        if last and last[0].terminal:
            turn.ended()


def _stopped(run: ValidationRun, jobs: JobRunner, progress: ProgressReporter, job: Job) -> tuple[Job, str]:
    """Leave our job running, or cancel it if so set; return it as last seen, with a sentence about it."""
    name = f"The backfill job {job.id}"
    if job.terminal:
        return job, f"{name} had ended, {job.status}, when the run was stopped."
    if not run.settings.cancel_on_interrupt:
        return job, f"{name} was {job.status} and goes on: the run was stopped."
    progress.say(f"Canceling the backfill job {job.id}; Ctrl-C again does not wait for its end.")
    try:
        job = jobs.cancel(job, timeout=CANCEL_SECONDS)
    except SuiteError as error:
        return job, f"{name} may go on, its cancellation failed: {error.message}"
    except KeyboardInterrupt:
        return job, f"{name} may go on: the end of its cancellation was not waited for."
    if not job.terminal:
        return job, f"{name} is {job.status} {CANCEL_SECONDS:.0f} s after its cancellation: it may go on."
    if job.status == "canceled":
        return job, f"{name} was canceled: the run was stopped with --cancel-on-interrupt."
    return job, f"{name} had ended, {job.status}, before it could be canceled."


def _seen(finished: FinishedJob[BackfillResult]) -> BackfillSeen:
    result = finished.result
    return BackfillSeen(
        job_id=finished.job.id,
        status=finished.job.status,
        days=result.days,
        rows_exported=result.rows_exported,
        seconds=round(finished.seconds, 3),
        backfill_from=result.backfill_from_ts,
        backfill_to=result.backfill_to_ts,
        touched_dates=len(result.touched_dates),
        events=tuple(f"{format_rfc3339(event.created_at)} {event.kind}" for event in finished.milestones()),
    )
