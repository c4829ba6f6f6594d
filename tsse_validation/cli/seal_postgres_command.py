"""`tsse-validate seal postgres`: what Postgres holds of each sensor-day, in a file that travels."""

from pathlib import Path
from typing import Annotated

import typer

from tsse_validation.cli.printing import say_wait
from tsse_validation.cli.seal_output import STDOUT, hold_output, output_in_words, say, say_day, write_seal
from tsse_validation.cli.setting_options import CONTROLLER, takes
from tsse_validation.domain.errors import SettingsError, SuiteError
from tsse_validation.domain.instants import to_the_second, utc_now
from tsse_validation.domain.phrasing import count_of
from tsse_validation.seals.postgres_sealing import PostgresSealing
from tsse_validation.seals.seal import NOT_DUE, Seal
from tsse_validation.seals.seal_file import read_seal
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.opening import postgres_client
from tsse_validation.steps.seal_coverage import parts_to_seal


@takes(
    *CONTROLLER,
    *("database_url", "setup_config", "statement_timeout", "postgres_workers"),
    *("hot_path", "cold_path", "hot_retention_days"),
)
def seal_postgres_side(
    settings: Settings,
    output: Annotated[Path, typer.Option("--output", help="write the seal there; - is stdout", metavar="FILE")],
    as_of: Annotated[
        Path | None,
        typer.Option("--as-of", help="cover what a seal of the lake covers", metavar="LAKE.seal", readable=False),
    ] = None,
    from_state: Annotated[
        Path | None,
        typer.Option(
            "--from-state",
            help="cover what a copy of the lake's _state/replication.json promises",
            metavar="FILE",
            readable=False,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            help="go on with a seal that was broken off: OUTPUT.partial",
            metavar="PARTIAL",
            readable=False,
        ),
    ] = None,
) -> None:
    """Seal Postgres: a digest of each sensor-day's rows that the lake must hold, and the keys it need not yet.

    What is covered comes from --as-of, --from-state, --hot-path, or --base-url with a token. Nothing is written
    to Postgres, and no password is in the seal.
    """
    client = postgres_client(settings)
    if client is None:
        raise SettingsError("seal postgres needs --database-url or --config.")
    hold_output(settings, output)
    earlier = read_seal(resume) if resume is not None else None
    parts = parts_to_seal(settings, client, as_of=as_of, from_state=from_state, told=say_wait)
    sealing = PostgresSealing(client, parts, now=utc_now, resume=earlier)
    try:
        seal = sealing.run(say_day)
    except (SuiteError, KeyboardInterrupt):
        _keep(sealing, output)
        raise
    write_seal(seal, output)
    partial = _partial_of(output)
    if resume is not None and resume.resolve() == partial.resolve():
        partial.unlink(missing_ok=True)
    say(_summary(seal, output))


def _partial_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.partial")


def _keep(sealing: PostgresSealing, output: Path) -> None:
    """Keep what was sealed until then, beside the output, and say how to go on."""
    so_far = sealing.so_far
    if so_far is None or output == STDOUT:
        return
    partial = _partial_of(output)
    write_seal(so_far, partial)
    say(f"{count_of(so_far.lines.num_rows, 'sensor-day')} sealed so far: go on by --resume {partial}")


def _summary(seal: Seal, output: Path) -> str:
    assert seal.facts.postgres is not None  # noqa: S101 - it is of Postgres
    covered, seen = seal.facts.parts[0], seal.facts.postgres.database
    lines, keys = count_of(seal.lines.num_rows, "sensor-day"), count_of(seal.tables[NOT_DUE].num_rows, "key")
    begins = seal.facts.postgres.begins
    return (
        f"sealed {lines} of {seen.server}, schema {seen.tables_in}, a {'standby' if seen.standby else 'primary'}, "
        f"{covered.window} as of {to_the_second(covered.coverage.watermark)}, with {keys} not due"
        f"{f'; Postgres begins at {to_the_second(begins)}' if begins else ''}: {output_in_words(output)}"
    )
