"""`tsse-validate backfill`: one command backfills the lake."""

import math
from typing import Annotated

import typer

from tsse_validation.cli.printing import print_json
from tsse_validation.cli.setting_options import CONTROLLER, AsJson, takes
from tsse_validation.clients.turn import backfill_turn
from tsse_validation.domain.contract import BackfillResult, Job
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.backfilling import start_backfill
from tsse_validation.steps.opening import job_runner, postgres_client


@takes(*CONTROLLER, "backfill_days", "poll_interval")
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
    """Start a backfill job; with --wait, follow it and say how it ended.

    While another lake job is active, as far as that can be seen, it waits, and gives up in the end.
    """
    with (
        job_runner(settings) as jobs,
        backfill_turn(
            jobs.core,
            postgres_client(settings),
            timeout=settings.active_job_timeout,
            pause=settings.poll_interval,
            say=lambda line: typer.echo(line, err=True),
        ) as turn,
    ):
        on_job = _quiet if as_json else _print_progress if wait else _print_status
        job = start_backfill(turn, jobs.core, settings, replace_existing=replace_existing, on_job=on_job)
        if not wait:
            if as_json:
                print_json(job)
            return
        finished = jobs.follow(job, BackfillResult, timeout=timeout_seconds or math.inf, on_job=on_job)
        turn.ended()
    if as_json or show_result:
        print_json(finished.result)
    if not as_json:
        typer.echo(f"{finished.result.rows_exported:,} rows on {len(finished.result.touched_dates)} dates")


def _quiet(_job: Job) -> None:
    pass


def _print_status(job: Job) -> None:
    typer.echo(f"job={job.id} status={job.status}")


def _print_progress(job: Job) -> None:
    progress = job.progress
    total = "?" if progress.total is None else progress.total
    message = f" {progress.message}" if progress.message else ""
    typer.echo(f"job={job.id} status={job.status} progress={progress.completed}/{total}{message}")
