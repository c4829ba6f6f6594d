"""`tsse-validate index`: one page over the runs of a folder."""

from pathlib import Path
from typing import Annotated

import typer

from tsse_validation.domain.errors import SettingsError
from tsse_validation.report.writer import write_index


def index(
    reports: Annotated[Path, typer.Argument(metavar="DIR", help="the folder of the runs")] = Path("reports"),
) -> None:
    """Write index.html over the runs of a folder: their verdicts, trends, and the way to their reports."""
    try:
        path = write_index(reports)
    except OSError as error:
        msg = f"{reports}: no index can be made: {error.strerror}."
        raise SettingsError(msg, "Name the folder that --report-dir of the runs named.") from None
    typer.echo(str(path))
