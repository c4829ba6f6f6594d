"""`tsse-validate parity`: whether Postgres and the lake hold the same, in one window."""

from collections.abc import Iterator
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
    Shards,
    print_json,
    settings_from,
)
from tsse_validation.cli.comparing import Compared, compare_directly, count_by_job
from tsse_validation.cli.health import DatabaseUrl
from tsse_validation.cli.inspect import Mode, ModeOption
from tsse_validation.diagnosis.tally import REPEAT_BACKFILL
from tsse_validation.domain.errors import NotCheckedError, SettingsError
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.phrasing import count_of
from tsse_validation.report.markdown.markup import bullet, code, escaped, table
from tsse_validation.runlog.records import RowVersion
from tsse_validation.settings.fields import Level
from tsse_validation.settings.places import places_in_the_lake
from tsse_validation.verdict import EXIT_CODES, Outcome


def parity(
    mode: ModeOption = Mode.API,
    base_url: BaseUrl = None,
    auth_token: AuthToken = None,
    auth_token_file: AuthTokenFile = None,
    ca_file: CaFile = None,
    database_url: DatabaseUrl = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="setup config JSON, for its database_url")
    ] = None,
    hot_path: HotPath = None,
    cold_path: ColdPath = None,
    shards: Shards = None,
    start: Annotated[str | None, typer.Option("--start", help="RFC 3339 (default: 24 h before the end)")] = None,
    end: Annotated[str | None, typer.Option("--end", help="RFC 3339 (default: the watermark)")] = None,
    sensor_ids: Annotated[str | None, typer.Option("--sensor-ids", help="sensors, comma-separated")] = None,
    sample: Annotated[int | None, typer.Option("--sample", help="how many sensors to sample (default: 5)")] = None,
    level: Annotated[
        Level | None, typer.Option("--level", help="how --mode direct compares (default: digest)")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="write a Markdown report", metavar="FILE.md")
    ] = None,
    fail_on_mismatch: Annotated[
        bool, typer.Option("--fail-on-mismatch/--no-fail-on-mismatch", help="exit with 1 when counts differ")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Compare sensors' rows in Postgres and in the lake over one window.

    By --mode api the controller counts a sample itself: a sanity check, not a proof, for counts see no changed
    value. By --mode direct we compare every row of all sensors, from a DSN and the lake's directories, and show
    those that differ.
    """
    if mode is Mode.API and level not in (None, Level.COUNT):
        msg = f"--level {level} needs --mode direct: the controller's job only counts."
        raise SettingsError(msg)
    settings = settings_from(
        base_url=base_url,
        auth_token=auth_token,
        auth_token_file=auth_token_file,
        ca_file=ca_file,
        database_url=database_url,
        setup_config=config,
        hot_path=hot_path,
        cold_path=cold_path,
        shards=shards,
        window_start=start,
        window_end=end,
        sensor_ids=sensor_ids,
        sample=sample,
        level=level,
    )
    if mode is Mode.API and settings.window_start and settings.window_start == settings.window_end:
        raise SettingsError("--end must be after --start: the controller's job takes no single microsecond.")
    if complaints := list(places_in_the_lake(settings, {"--report": report})):
        raise SettingsError("\n".join(complaints))
    compared = compare_directly(settings) if mode is Mode.DIRECT else count_by_job(settings)
    if report is not None:
        report.write_text(_markdown(compared), encoding="utf-8")
    if as_json:
        print_json(_document(compared))
    else:
        typer.echo(_markdown(compared), nl=False)
    if not any(row.postgres or row.lake for row in compared.rows):
        raise NotCheckedError(
            "No row was compared: equal zeros prove nothing.", "Choose another window or sensors."
        )
    if compared.mismatching or compared.findings:
        typer.echo(f"{count_of(len(compared.mismatching), 'sensor')} not alike. {REPEAT_BACKFILL}", err=True)
        raise typer.Exit(EXIT_CODES[Outcome.NO_GO] if fail_on_mismatch else 0)


def _markdown(compared: Compared) -> str:
    """Write the counts as the controller's own report does, and below what differs."""
    start, end = code(format_rfc3339(compared.window.start)), code(format_rfc3339(compared.window.end))
    lines = [
        f"# TSSE Lake Parity Check ({compared.by})",
        "",
        f"- computed_through_ts: {code(compared.watermark)}",
        f"- Window (checked): {start} → {end}",
        f"- Compared by: {compared.level}",
        "",
        *table(
            ("Sensor", "Postgres count", "Lake count", "Match"),
            (
                (code(row.sensor_id), str(row.postgres), str(row.lake), "✅" if row.matches else "❌")
                for row in compared.rows
            ),
            align=("", "r", "r", "c"),
        ),
        *_differences(compared),
        "",
    ]
    return "\n".join(lines)


def _differences(compared: Compared) -> Iterator[str]:
    if not compared.findings:
        return
    yield from ("", "## What differs", "")
    for finding in compared.findings:
        yield bullet(escaped(f"{finding.diagnosis}: {finding.summary}; {finding.evidence}"))
    if compared.differences:
        yield from ("", f"{len(compared.differences):,} of {count_of(compared.differing, 'row')}:", "")
        yield from table(
            ("Sensor", "ts", "Diagnosis", "Postgres", "Lake"),
            (
                (code(row.sensor_id), format_rfc3339(row.ts), row.diagnosis, _side(row.postgres), _side(row.lake))
                for row in compared.differences
            ),
        )


def _side(version: RowVersion | None) -> str:
    return "not there" if version is None else f"{version.value}, quality {version.quality}"


def _document(compared: Compared) -> dict[str, object]:
    return {
        "counted_by": compared.by,
        "level": compared.level,
        "computed_through_ts": compared.watermark,
        "window": {"start": format_rfc3339(compared.window.start), "end": format_rfc3339(compared.window.end)},
        "rows": [
            {
                "sensor_id": row.sensor_id,
                "pg_count": row.postgres,
                "lake_count": row.lake,
                "not_due": row.not_due,
                "pending": row.pending,
                "matches": row.matches,
            }
            for row in compared.rows
        ],
        "findings": [finding.model_dump(mode="json", exclude={"record"}) for finding in compared.findings],
        "differing_rows": compared.differing,
        "differences": [row.model_dump(mode="json", exclude={"record"}) for row in compared.differences],
    }
