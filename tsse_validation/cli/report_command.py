"""`tsse-validate report` and `index`: the HTML report of a run again, and one page over all runs of a folder."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from tsse_validation.domain.errors import SettingsError, SuiteError
from tsse_validation.report.model.document import (
    REPORT_HTML,
    TESTS_HTML,
    ReportDocument,
    as_decided_today,
    read_result_json,
)
from tsse_validation.report.run_index import write_index
from tsse_validation.report.writer import write_html


def report(
    result_json: Annotated[
        Path, typer.Argument(metavar="RESULT.json", readable=False, help="a run's result.json")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="where to (default: report.html beside it)", metavar="FILE", readable=False),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option("--compare", help="an earlier run to compare with", metavar="RESULT.json", readable=False),
    ] = None,
) -> None:
    """Write the HTML report of a run from its result.json; the files beside that are named by their SHA-256."""
    document = _read(result_json)
    earlier = None if compare is None else _read(compare)
    beside = result_json.parent
    path = beside / REPORT_HTML if output is None else output
    tests = TESTS_HTML if path.parent.resolve() == beside.resolve() and (beside / TESTS_HTML).exists() else ""
    try:
        write_html(path, document, tests, evidence=beside, earlier=earlier)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}."
        raise SettingsError(msg, "Name another place by --output.") from None
    typer.echo(f"{document.verdict.outcome}: {path}")


def _read(path: Path) -> ReportDocument:
    """Read a result and hold its verdict against its records; raises SettingsError when it is none."""
    try:
        written = read_result_json(path)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}."
        raise SettingsError(msg) from None
    except ValidationError as error:
        msg = f"{path} is not a result.json of this suite: {error.error_count()} things in it do not fit."
        raise SettingsError(
            msg, "Use the suite that has written it; it names its version under suite_version."
        ) from None
    document = as_decided_today(written)
    if document.verdict.outcome is not written.verdict.outcome:
        version = document.result.started.suite_version
        typer.echo(
            f"{path}: {document.verdict.outcome} today. Version {version}, which knew no grades of assurance, "
            f"said {written.verdict.outcome}.",
            err=True,
        )
    decided = ReportDocument.of(document.result)
    if decided != document:
        msg = (
            f"{path} says {document.verdict.outcome}, but its records do not bear out that verdict as it stands: "
            f"this suite decides {decided.verdict.outcome}."
        )
        version = document.result.started.suite_version
        advice = f"It was changed, or another version than this has decided: the run's was {version}."
        raise SuiteError(msg, advice)
    return document


def index(
    reports: Annotated[Path, typer.Argument(metavar="DIR", readable=False, help="the folder of the runs")] = Path(
        "reports"
    ),
) -> None:
    """Write index.html over the runs of a folder: their verdicts, trends, and the way to their reports."""
    try:
        path = write_index(reports)
    except OSError as error:
        msg = f"{reports}: no index can be made: {error.strerror}."
        raise SettingsError(msg, "Name the folder that --report-dir of the runs named.") from None
    typer.echo(str(path))
