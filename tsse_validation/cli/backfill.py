"""`tsse-validate backfill`: one command backfills the lake."""

import math
from typing import Annotated

import typer

from tsse_validation.cli.common import (
    AsJson,
    AuthToken,
    AuthTokenFile,
    BaseUrl,
    CaFile,
    core_server,
    print_json,
    settings_from,
)
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.turn import backfill_turn
from tsse_validation.domain.contract import BACKFILL_JOB, BackfillResult, Job
from tsse_validation.settings.credentials import conninfo_of


def backfill(
    base_url: BaseUrl = None,
    auth_token: AuthToken = None,
    auth_token_file: AuthTokenFile = None,
    ca_file: CaFile = None,
    days: Annotated[int | None, typer.Option("--days", help="days to backfill, 1 to 365 (default: 90)")] = None,
    replace_existing: Annotated[
        bool, typer.Option("--replace-existing", help="replace the dates' partitions")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="follow the job to its end")] = False,
    poll_seconds: Annotated[float | None, typer.Option("--poll-seconds", help="longest pause of polls")] = None,
    timeout_seconds: Annotated[float, typer.Option("--timeout-seconds", min=0, help="0: no limit")] = 0,
    show_result: Annotated[bool, typer.Option("--show-result", help="print the job's result as JSON")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a backfill job; with --wait, follow it and say how it ended.

    While another lake job is active, as far as that can be seen, it waits, and gives up in the end.
    """
    settings = settings_from(
        base_url=base_url,
        auth_token=auth_token,
        auth_token_file=auth_token_file,
        ca_file=ca_file,
        backfill_days=days,
        poll_interval=poll_seconds,
    )
    params: dict[str, object] = {"days": settings.backfill_days, "replace_existing": replace_existing}
    conninfo = conninfo_of(settings)
    with (
        core_server(settings) as core,
        backfill_turn(
            core,
            PostgresClient.from_settings(conninfo, settings) if conninfo else None,
            timeout=settings.active_job_timeout,
            pause=settings.poll_interval,
            say=lambda line: typer.echo(line, err=True),
        ) as turn,
    ):
        job = core.create_job(BACKFILL_JOB, params, purpose="backfill")
        turn.started(job)
        turn.hold_alone(job)
        if not wait:
            print_json(job) if as_json else typer.echo(f"job={job.id} status={job.status}")
            return
        on_job = _quiet if as_json else _print_progress
        on_job(job)
        finished = JobRunner(core, poll_interval=settings.poll_interval).follow(
            job,
            BackfillResult,
            timeout=timeout_seconds or math.inf,
            on_job=on_job,
        )
        turn.ended()
    if as_json or show_result:
        print_json(finished.result)
    if not as_json:
        typer.echo(f"{finished.result.rows_exported:,} rows on {len(finished.result.touched_dates)} dates")


def _quiet(_job: Job) -> None:
    pass


def _print_progress(job: Job) -> None:
    progress = job.progress
    total = "?" if progress.total is None else progress.total
    message = f" {progress.message}" if progress.message else ""
    typer.echo(f"job={job.id} status={job.status} progress={progress.completed}/{total}{message}")
