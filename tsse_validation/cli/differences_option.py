"""`--differences FILE`: all rows that differ, as data, in a file of the user's choice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tsse_validation.domain.errors import SettingsError
from tsse_validation.domain.phrasing import count_of
from tsse_validation.runlog.difference_files import CSV, PARQUET, DifferenceFiles
from tsse_validation.runlog.differences_record import DifferencesKept

DifferencesOption = Annotated[
    Path | None,
    typer.Option(
        "--differences",
        help="write all rows that differ, with their places in the lake (--mode direct); a file there is replaced",
        metavar="FILE.parquet|.csv",
    ),
]


@contextmanager
def difference_file(path: Path | None) -> Iterator[DifferenceFiles | None]:
    """Lend the file that all differing rows go to; of a comparison that is broken off it gets what was found.

    Raises SettingsError where such a file cannot be written.
    """
    if path is None:
        yield None
        return
    files = DifferenceFiles([path])
    try:
        _begin(files, path)
        yield files
    finally:
        if files.unwritten:
            typer.echo(f"tsse-validate: {said_of(path, files.write())}", err=True)
        files.close()


def said_of(path: Path, kept: DifferencesKept) -> str:
    """Say in a sentence how many rows are where, and of a part why it is one."""
    if not kept.files:
        return kept.why
    rows = count_of(kept.rows, "differing row")
    return f"All {rows}: {path}" if kept.complete else f"Not all, {rows}: {path}. {kept.why}"


def _begin(files: DifferenceFiles, path: Path) -> None:
    if path.suffix not in {PARQUET, CSV}:
        msg = f"--differences {path} must end with {PARQUET} or {CSV}: the suffix chooses the format."
        raise SettingsError(msg)
    if path.is_dir():
        msg = f"--differences {path} is a directory."
        raise SettingsError(msg)
    try:
        files.open()
    except OSError as error:
        msg = f"--differences {path} cannot be written: {error.strerror}."
        raise SettingsError(msg) from None
