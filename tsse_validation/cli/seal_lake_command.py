"""`tsse-validate seal lake`: what the lake holds of each sensor-day, in a file that travels."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from tsse_validation.cli.printing import say_wait
from tsse_validation.cli.rows_answer import write_rows
from tsse_validation.cli.seal_output import (
    STDIN,
    hold_output,
    output_in_words,
    places_read,
    read_stdin,
    say,
    say_day,
    write_seal,
)
from tsse_validation.cli.setting_options import takes
from tsse_validation.domain.errors import SettingsError, SuiteError
from tsse_validation.domain.instants import to_the_second, utc_now
from tsse_validation.domain.phrasing import count_of
from tsse_validation.seals.lake_sealing import Reuse, seal_lake
from tsse_validation.seals.seal import Seal
from tsse_validation.seals.seal_file import read_seal, seal_of
from tsse_validation.seals.sealed_parts import promised_parts
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.opening import lake_reader
from tsse_validation.steps.scoping import covered_scope

VERIFIED_SHARE = 0.02
_SEED_BITS = 32


@takes("hot_path", "cold_path", "shards", "hot_retention_days", "cluster")
def write_lake_seal(
    settings: Settings,
    output: Annotated[Path, typer.Option("--output", help="write the seal there; - is stdout", metavar="FILE")],
    as_of: Annotated[
        Path | None,
        typer.Option(
            "--as-of",
            help="seal as of a seal of Postgres, without the keys that are not due in it; - is stdin",
            metavar="PG.seal",
            readable=False,
        ),
    ] = None,
    rows_of: Annotated[
        Path | None,
        typer.Option(
            "--rows-of",
            help="write no seal, but the lake's files behind what a run has found to differ; - is stdin",
            metavar="rows.request",
            readable=False,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            help="take over from an earlier seal what its unchanged files hold",
            metavar="EARLIER.seal",
            readable=False,
        ),
    ] = None,
    verify_all: Annotated[
        bool, typer.Option("--verify-all", help="read all files, and hold those unchanged to the baseline")
    ] = False,
    verify_share: Annotated[
        float,
        typer.Option("--verify-share", help="share of what is unchanged that is read again", min=0.0, max=1.0),
    ] = VERIFIED_SHARE,
) -> None:
    """Seal the lake: a digest of each sensor-day's newest rows, and which files it was read from.

    It reads the lake's directories and nothing else: no database, no network, no token. Without --as-of a
    sensor-day with keys that are not due cannot be proven by it.
    """
    if settings.hot_path is None:
        raise SettingsError("seal lake needs --hot-path, the lake's hot directory.")
    hold_output(settings, output)
    if rows_of is not None:
        if as_of is not None or baseline is not None:
            raise SettingsError("--rows-of writes no seal: leave --as-of and --baseline out.")
        write_rows(settings, rows_of, output)
        return
    if baseline is None and verify_all:
        raise SettingsError("--verify-all needs --baseline: without one all files are read.")
    postgres = None if as_of is None else _given(as_of)
    reuse = None
    if baseline is not None:
        share = 1.0 if verify_all else verify_share
        reuse = Reuse(read_seal(baseline), share, secrets.randbits(_SEED_BITS))
    reader = lake_reader(settings, say_wait)
    now = utc_now()
    if postgres is not None:
        parts = postgres.facts.parts
    else:
        cold = reader.paths.cold is not None
        parts = promised_parts(covered_scope(settings, reader.replication(), cold=cold, now=now))
    seal = seal_lake(reader, parts, now=lambda: now, as_of=postgres, reuse=reuse, on_day=say_day)
    write_seal(seal, output)
    for words in _summary(seal, output):
        say(words)


def _given(as_of: Path) -> Seal:
    if as_of != STDIN:
        return read_seal(as_of)
    return seal_of(read_stdin("--as-of", "a seal", "postgres.seal"), "what stdin gave")


def _summary(seal: Seal, output: Path) -> list[str]:
    read, covered = seal.facts.lake, seal.facts.parts[0]
    if read is None:
        raise SuiteError("The seal does not say what was read for it.")
    lines, files = count_of(seal.lines.num_rows, "line"), count_of(read.examined.files, "file")
    promise = f"{covered.window} as of {to_the_second(covered.coverage.watermark)}"
    said = [f"sealed {lines} from {files} of {places_read(read)}, {promise}: {output_in_words(output)}"]
    if taken := read.taken_over:
        said.append(
            f"{count_of(taken.shard_days, 'shard-day')} taken over from {taken.baseline[:12]}…, "
            f"{taken.reread:,} more read again and found as they were"
        )
    if read.unreadable:
        path, why = next(iter(read.unreadable.items()))
        said.append(f"{count_of(len(read.unreadable), 'file')} cannot be read, such as {path}: {why[:200]}")
    if not read.as_of:
        said.append("without --as-of: sensor-days with keys that are not due are left, and named by compare")
    return said
