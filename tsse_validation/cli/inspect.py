"""`tsse-validate inspect`: the lake's state, by the controller's job or by its files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tsse_validation.cli.common import (
    AsJson,
    AuthToken,
    AuthTokenFile,
    BaseUrl,
    CaFile,
    ColdPath,
    HotPath,
    job_runner,
    lake_reader,
    print_json,
    settings_from,
)
from tsse_validation.domain.contract import Inspection
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.steps.inspecting import inspect as inspect_by_job
from tsse_validation.steps.inspecting import inspect_directly


class Mode(StrEnum):
    """By which way to look."""

    DIRECT = "direct"
    API = "api"


ModeOption = Annotated[Mode, typer.Option("--mode", help="look by the API, or at the files themselves")]


def inspect(
    mode: ModeOption = Mode.API,
    base_url: BaseUrl = None,
    auth_token: AuthToken = None,
    auth_token_file: AuthTokenFile = None,
    ca_file: CaFile = None,
    hot_path: HotPath = None,
    cold_path: ColdPath = None,
    _tmp_path: Annotated[Path | None, typer.Option("--tmp-path", help="taken and not used", hidden=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Show paths, watermark, replication and partitions of the lake."""
    settings = settings_from(
        base_url=base_url,
        auth_token=auth_token,
        auth_token_file=auth_token_file,
        ca_file=ca_file,
        hot_path=hot_path,
        cold_path=cold_path,
    )
    if mode is Mode.DIRECT:
        inspection = inspect_directly(lake_reader(settings))
    else:
        with job_runner(settings) as jobs:
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
