"""Writes the reports of a run into its folder, and the page over the runs of a directory."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tsse_validation.report.ci_reports import CTRF_JSON, JUNIT_XML, render_ctrf, render_junit
from tsse_validation.report.html.html_pages import render_index, render_page
from tsse_validation.report.html.trend import Run, Runs
from tsse_validation.report.markdown.markdown_report import markdown_name, render_markdown
from tsse_validation.report.markdown.step_summary import MAX_BYTES
from tsse_validation.report.model.document import (
    REPORT_HTML,
    RESULT_JSON,
    ReportDocument,
    as_decided_today,
    evidence_in,
    read_result_json,
    write_atomically,
    write_result_json,
)
from tsse_validation.runlog.result import RunResult
from tsse_validation.verdict import Verdict

INDEX_HTML = "index.html"


@dataclass(frozen=True)
class Written:
    """The verdict on a run, and the paths of its reports."""

    verdict: Verdict
    document: ReportDocument
    result_json: Path
    markdown: Path
    junit: Path
    ctrf: Path
    html: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files that were written."""
        return (self.result_json, self.markdown, self.junit, self.ctrf, self.html)


def write_reports(run_dir: Path, result: RunResult, tests: str = "") -> Written:
    """Decide on a run and write its reports, each at once or not at all; existing ones are replaced.

    The page comes last, since it names the others by their hashes. `tests` is the address of each test's own
    output, which the page links to.
    """
    document = ReportDocument.of(result)
    written = Written(
        verdict=document.verdict,
        document=document,
        result_json=run_dir / RESULT_JSON,
        markdown=run_dir / markdown_name(result.started.at),
        junit=run_dir / JUNIT_XML,
        ctrf=run_dir / CTRF_JSON,
        html=run_dir / REPORT_HTML,
    )
    write_result_json(written.result_json, document)
    write_atomically(written.markdown, render_markdown(document).encode())
    write_atomically(written.junit, render_junit(document))
    write_atomically(written.ctrf, render_ctrf(document))
    write_html(written.html, document, tests)
    return written


def write_html(
    path: Path,
    document: ReportDocument,
    tests: str = "",
    *,
    evidence: Path | None = None,
    earlier: ReportDocument | None = None,
) -> None:
    """Write the page, with the hashes of the files in its folder or in that of the `evidence`.

    `earlier` is a run to compare this one with.
    """
    page = render_page(document, evidence_in(evidence or path.parent), tests, earlier)
    write_atomically(path, page.encode("utf-8", errors="replace"))


def append_step_summary(path: Path, content: Callable[[int], str]) -> bool:
    """Add a summary to a file that may have content, and return whether anything was added.

    `content` gets the number of bytes left in the file and returns the text to add.

    Raises:
        OSError: the file cannot be written.

    """
    with path.open("ab") as stream:
        added = content(MAX_BYTES - stream.tell()).encode("utf-8", errors="replace")
        stream.write(added)
    return bool(added)


def write_index(directory: Path) -> Path:
    """Write `index.html` over the runs whose folders lie in a directory, and return its path."""
    path = directory / INDEX_HTML
    page = render_index(_runs_in(directory))
    write_atomically(path, page.encode("utf-8", errors="replace"))
    return path


def _runs_in(directory: Path) -> Runs:
    read, unread = [], []
    for folder in sorted(path for path in directory.iterdir() if path.is_dir() and not path.is_symlink()):
        if not (folder / RESULT_JSON).exists() and not (folder / "run.jsonl").exists():
            continue
        try:
            written = read_result_json(folder / RESULT_JSON)
        except (OSError, ValidationError):
            # Named on the page, never left out.
            unread.append(folder.name)
            continue
        link = f"{folder.name}/{REPORT_HTML}" if (folder / REPORT_HTML).exists() else ""
        document, then = as_decided_today(written), written.verdict.outcome
        said_then = "" if then is document.verdict.outcome else then.value
        read.append(Run(document, link, ReportDocument.of(document.result) == document, said_then))
    read.sort(key=lambda run: run.document.result.started.at, reverse=True)
    return Runs(tuple(read), tuple(unread))
