"""`tsse-validate backfill`: one command backfills the lake."""

import math
from typing import Annotated

import typer

from tsse_validation.cli.printing import print_json, say_wait
from tsse_validation.cli.setting_options import CONTROLLER, AsJson, takes
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.turn import backfill_turn
from tsse_validation.domain.contract import BackfillResult, Job
from tsse_validation.domain.holding import hold
from tsse_validation.runlog.records import Finding, Note, Record
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.backfilling import start_backfill
from tsse_validation.steps.dry_running import dry_run_lines
from tsse_validation.steps.guarding import GuardedBackfill, guard_of_command
from tsse_validation.steps.inspecting import settled_inspection
from tsse_validation.steps.loss_guard import BRINGS_BACK, taken_in_words
from tsse_validation.steps.opening import job_runner, lake_reader, postgres_client

_GUARD = ("database_url", "setup_config", "hot_path", "cold_path", "accept_loss", "leftover_after")


@takes(*CONTROLLER, "backfill_days", "poll_interval", *_GUARD, "dry_run")
def backfill(
    settings: Settings,
    replace_existing: Annotated[
        bool, typer.Option("--replace-existing", help="replace the dates' partitions")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="follow the job to its end")] = False,
    timeout_seconds: Annotated[float, typer.Option("--timeout-seconds", min=0, help="0: no limit")] = 0,
    show_result: Annotated[bool, typer.Option("--show-result", help="print the job's result as JSON")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a backfill job; with --wait, follow it and say how it ended and what it took away.

    While another lake job is active, as far as that can be seen, it waits, and gives up in the end. Where
    replacing would take rows out of the lake nothing is started.
    """
    if settings.dry_run:
        for line in dry_run_lines(settings, replaces=replace_existing):
            typer.echo(line)
        return
    with (
        job_runner(settings, say_wait) as jobs,
        backfill_turn(
            jobs.core,
            postgres_client(settings),
            timeout=settings.active_job_timeout,
            pause=settings.poll_interval,
            say=_say,
            leftover_after=settings.leftover_after,
        ) as turn,
    ):
        # what is only added takes nothing away
        guarded = _guarded(settings, jobs) if replace_existing else None
        on_job = _quiet if as_json else _print_progress if wait else _print_status
        job = start_backfill(
            turn, jobs.core, settings.backfill_days, replace_existing=replace_existing, on_job=on_job
        )
        if not wait:
            if as_json:
                print_json(job)
            return
        times = {"timeout": timeout_seconds or math.inf, "still_after": settings.leftover_after}
        finished = jobs.follow(job, BackfillResult, **times, on_job=on_job)
        turn.ended()
        if as_json or show_result:
            print_json(finished.result)
        if not as_json:
            typer.echo(f"{finished.result.rows_exported:,} rows on {len(finished.result.touched_dates)} dates")
        if guarded is not None:
            _hold_nothing_taken(guarded, finished.result, jobs)


def _guarded(settings: Settings, jobs: JobRunner) -> GuardedBackfill:
    lake = lake_reader(settings) if settings.hot_path else None
    guard = guard_of_command(jobs, settings, lake, postgres_client(settings), _say)
    return guard.of(settings.backfill_days, _print_record)


def _hold_nothing_taken(guarded: GuardedBackfill, result: BackfillResult, jobs: JobRunner) -> None:
    taken = guarded.taken_by(result, settled_inspection(jobs, guarded.guard.settings), _print_record)
    msg = f"The backfill took away {taken_in_words(taken.losses)} that it was not asked to replace."
    hold(not taken.losses, msg, BRINGS_BACK)


def _print_record(record: Record) -> None:
    if isinstance(record, Note):
        _say(record.text)
    elif isinstance(record, Finding):
        _say(f"{record.diagnosis}: {record.summary}")


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _quiet(_job: Job) -> None:
    pass


def _print_status(job: Job) -> None:
    typer.echo(f"job={job.id} status={job.status}")


def _print_progress(job: Job) -> None:
    progress = job.progress
    total = "?" if progress.total is None else progress.total
    message = f" {progress.message}" if progress.message else ""
    typer.echo(f"job={job.id} status={job.status} progress={progress.completed}/{total}{message}")
