"""Writes the reports of a run into its folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tsse_validation.report.ci_reports import CTRF_JSON, JUNIT_XML, render_ctrf, render_junit
from tsse_validation.report.earlier import last_run_beside
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.markdown.markdown_report import markdown_name, render_markdown
from tsse_validation.report.markdown.step_summary import MAX_BYTES
from tsse_validation.report.model.document import (
    REPORT_HTML,
    RESULT_JSON,
    ReportDocument,
    evidence_in,
    write_atomically,
    write_result_json,
)
from tsse_validation.runlog.result import RunResult
from tsse_validation.verdict import Verdict


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

    `earlier` is a run to compare this one with, else the last one of the controller, where its folder lies beside.
    """
    beside = evidence or path.parent
    if earlier is None:
        page = _page_beside_the_last_run(document, beside, tests)
    else:
        page = render_page(document, evidence_in(beside), tests, earlier)
    write_atomically(path, page.encode("utf-8", errors="replace"))


def _page_beside_the_last_run(document: ReportDocument, directory: Path, tests: str) -> str:
    """Return the page with a comparison, or with the reason why there is none."""
    evidence = evidence_in(directory)
    last, why_not = last_run_beside(directory, document.result)
    try:
        return render_page(document, evidence, tests, last, why_not)
    except Exception as error:
        if last is None:
            raise
        return render_page(document, evidence, tests, None, f"comparing met {type(error).__name__}")


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
