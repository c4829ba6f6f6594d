"""`tsse-validate inspect`: the lake's state, by the controller's job or by its files."""

from pathlib import Path
from typing import Annotated

import typer

from tsse_validation.cli.printing import print_json, say_wait
from tsse_validation.cli.setting_options import CONTROLLER, AsJson, Mode, ModeOption, takes
from tsse_validation.domain.contract import Inspection
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.inspecting import inspect_by_job, inspect_directly
from tsse_validation.steps.opening import job_runner, lake_reader


@takes(*CONTROLLER, "hot_path", "cold_path")
def inspect(
    settings: Settings,
    mode: ModeOption = Mode.API,
    _tmp_path: Annotated[Path | None, typer.Option("--tmp-path", help="taken and not used", hidden=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Show paths, watermark, replication and partitions of the lake."""
    if mode is Mode.DIRECT:
        inspection = inspect_directly(lake_reader(settings))
    else:
        with job_runner(settings, say_wait) as jobs:
            inspection = inspect_by_job(jobs, settings)
    if as_json:
        print_json(inspection)
    else:
        _print(inspection)


def _print(inspection: Inspection) -> None:
    replication, metrics = inspection.replication, inspection.metrics
    typer.echo(f"hot path: {inspection.hot_path}")
    typer.echo(f"cold path: {inspection.cold_path or 'none'}")
    for name, instant in (
        ("datasets.metrics/v1.computed_through_ts", metrics.computed_through_ts),
        ("replication.computed_through_ts", replication.computed_through_ts),
        ("replication.backfill_from_ts", replication.backfill_from_ts),
        ("replication.backfill_to_ts", replication.backfill_to_ts),
    ):
        typer.echo(f"{name}: {format_rfc3339(instant) if instant else 'not set'}")
    typer.echo(f"replication.last_run_status: {replication.last_run_status or 'not set'}")
    typer.echo(f"replication.last_run_backlog_seconds: {replication.last_run_backlog_seconds}")
    for day, partition in sorted(metrics.partitions.items()):
        typer.echo(
            f"date={day} {partition.location or 'nowhere'}: {len(partition.shards)} shards, "
            f"{partition.parquet_files} files, {partition.total_bytes:,} bytes"
        )
