"""`tsse-validate parity`: whether Postgres and the lake hold the same, in one window."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tsse_validation.cli.differences_option import DifferencesOption, difference_file, said_of
from tsse_validation.cli.printing import print_json, say_wait
from tsse_validation.cli.setting_options import CONTROLLER, AsJson, Mode, ModeOption, takes
from tsse_validation.diagnosis.tally import REPEAT_BACKFILL
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import NotCheckedError, SettingsError, SuiteError
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.outcome import EXIT_CODES, Outcome
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.windows import Window
from tsse_validation.report.markdown.markup import bullet, code, escaped, table
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.runlog.difference_files import DifferenceFiles
from tsse_validation.runlog.differences_record import DifferencesKept
from tsse_validation.runlog.records import RowVersion
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.fields import Level
from tsse_validation.settings.places import hold_all_writable, places_in_the_lake
from tsse_validation.steps.opening import job_runner
from tsse_validation.steps.window_proof import WindowProof, count_window_by_job, prove_window

LAKE = ("hot_path", "cold_path", "shards")
NOT_PROVEN = "not proven to be the controller's database"
COMPARISON = ("window_start", "window_end", "sensor_ids", "sample", "level")


@takes(*CONTROLLER, "database_url", "setup_config", *LAKE, "cluster", *COMPARISON)
def parity(
    settings: Settings,
    context: typer.Context,
    mode: ModeOption = Mode.API,
    report: Annotated[
        Path | None, typer.Option("--report", help="write a Markdown report", metavar="FILE.md")
    ] = None,
    differences: DifferencesOption = None,
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
    if mode is Mode.API:
        _hold_to_what_a_job_can(settings, context.params["level"])
    if differences is not None and (mode is Mode.API or settings.level is Level.COUNT):
        raise SettingsError("--differences needs --mode direct, and no --level count: counts name no row.")
    places = {"--report": report, "--differences": differences}
    if complaints := list(places_in_the_lake(settings, places)):
        raise SettingsError("\n".join(complaints))
    hold_all_writable(places)
    with difference_file(differences) as files:
        proof = _compared(settings, mode, files)
    if as_json:
        print_json(_document(proof, differences))
    else:
        typer.echo(_markdown(proof, differences), nl=False)
    if report is not None:
        report.write_text(_markdown(proof, differences), encoding="utf-8")
    if not any(row.postgres or row.lake for row in proof.rows):
        raise NotCheckedError(
            "No row was compared: equal zeros prove nothing.", "Choose another window or sensors."
        )
    if proof.mismatching or proof.found.findings:
        typer.echo(f"{count_of(len(proof.mismatching), 'sensor')} not alike. {REPEAT_BACKFILL}", err=True)
        raise typer.Exit(EXIT_CODES[Outcome.NO_GO] if fail_on_mismatch else 0)
    if proof.kept is not None and not proof.kept.complete:
        raise SuiteError(proof.kept.why, "Make room there, or name another place.")


def _hold_to_what_a_job_can(settings: Settings, asked: Level | None) -> None:
    if asked not in {None, Level.COUNT}:
        msg = f"--level {asked} needs --mode direct: the controller's job only counts."
        raise SettingsError(msg)
    if settings.window_start and settings.window_start == settings.window_end:
        raise SettingsError("--end must be after --start: the controller's job takes no single microsecond.")


def _compared(settings: Settings, mode: Mode, files: DifferenceFiles | None) -> WindowProof:
    if mode is Mode.DIRECT:
        return prove_window(settings, _say_what_is_promised, files, say_wait)
    with job_runner(settings, say_wait) as jobs:
        return count_window_by_job(settings, jobs, _say_what_is_promised)


def _say_what_is_promised(asked: Window, scope: Scope) -> None:
    if scope.window != asked:
        typer.echo(f"tsse-validate: only {scope.window} is promised, of the {asked} asked for", err=True)


def _markdown(proof: WindowProof, kept_in: Path | None) -> str:
    """Write the counts as the controller's own report does, and below what differs."""
    start, end = code(format_rfc3339(proof.scope.window.start)), code(format_rfc3339(proof.scope.window.end))
    lines = [
        f"# TSSE Lake Parity Check ({proof.by})",
        "",
        f"- computed_through_ts: {code(format_rfc3339(proof.scope.coverage.watermark))}",
        f"- Window (checked): {start} → {end}",
        f"- Compared by: {proof.level}",
        *([bullet(escaped(f"Database: {_database(proof.database)}"))] if proof.database else []),
        "",
        *table(
            ("Sensor", "Postgres count", "Lake count", "Match"),
            (
                (code(row.sensor_id), str(row.postgres), str(row.lake), "✅" if row.matches else "❌")
                for row in proof.rows
            ),
            align=("", "r", "r", "c"),
        ),
        *_differences(proof),
        *(("", bullet(escaped(said_of(kept_in, proof.kept)))) if proof.kept and kept_in else ()),
        "",
    ]
    return "\n".join(lines)


def _differences(proof: WindowProof) -> Iterator[str]:
    if proof.told:
        yield from ("", "## What is no fault", "")
        for finding in proof.told:
            yield bullet(escaped(f"{finding.diagnosis}: {finding.summary}; {finding.evidence}"))
    if not proof.found.findings:
        return
    yield from ("", "## What differs", "")
    for finding in proof.found.findings:
        yield bullet(escaped(f"{finding.diagnosis}: {finding.summary}; {finding.evidence}"))
    if proof.found.shown:
        yield from ("", f"{len(proof.found.shown):,} of {count_of(proof.found.differing, 'row')}:", "")
        yield from table(
            ("Sensor", "ts", "Diagnosis", "Postgres", "Lake"),
            (
                (code(row.sensor_id), format_rfc3339(row.ts), row.diagnosis, _side(row.postgres), _side(row.lake))
                for row in proof.found.shown
            ),
        )


def _database(seen: DatabaseSeen) -> str:
    """Name the database, and say what nobody has proven: this command asks no controller."""
    what = "a standby" if seen.standby else "a primary"
    return f"{seen.server}, schema {seen.tables_in}, {what}; {NOT_PROVEN}"


def _read_from(seen: DatabaseSeen) -> dict[str, object]:
    read = seen.model_dump(mode="json", exclude={"record", "job_id", "job_created_at"})
    return {**read, "proven_to_be_the_controllers": False}


def _kept(kept: DifferencesKept, path: Path) -> dict[str, object]:
    sha256 = kept.files[0].sha256 if kept.files else None
    return {
        "path": str(path),
        "rows": kept.rows,
        "sha256": sha256,
        "complete": kept.complete,
        "why": kept.why,
    }


def _side(version: RowVersion | None) -> str:
    return "not there" if version is None else f"{version.value}, quality {version.quality}"


def _document(proof: WindowProof, kept_in: Path | None) -> dict[str, object]:
    return {
        "counted_by": proof.by,
        "level": proof.level,
        **({"database": _read_from(proof.database)} if proof.database else {}),
        "computed_through_ts": format_rfc3339(proof.scope.coverage.watermark),
        "window": {
            "start": format_rfc3339(proof.scope.window.start),
            "end": format_rfc3339(proof.scope.window.end),
        },
        "rows": [
            {
                "sensor_id": row.sensor_id,
                "pg_count": row.postgres,
                "lake_count": row.lake,
                "not_due": row.not_due,
                "pending": row.pending,
                "matches": row.matches,
            }
            for row in proof.rows
        ],
        "findings": [
            finding.model_dump(mode="json", exclude={"record"}) for finding in (*proof.told, *proof.found.findings)
        ],
        "differing_rows": proof.found.differing,
        "differences": [row.model_dump(mode="json", exclude={"record"}) for row in proof.found.shown],
        **({"differences_file": _kept(proof.kept, kept_in)} if proof.kept and kept_in else {}),
    }
