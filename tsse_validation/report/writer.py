"""Writes the reports of a run into its folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tsse_validation.report.ctrf import CTRF_JSON, render_ctrf
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.junit import JUNIT_XML, render_junit
from tsse_validation.report.markdown.markdown_report import markdown_name, render_markdown
from tsse_validation.report.markdown.step_summary import MAX_BYTES
from tsse_validation.report.model.document import RESULT_JSON, ReportDocument, write_result_json
from tsse_validation.report.model.evidence import evidence_in
from tsse_validation.report.model.files import REPORT_HTML, write_atomically
from tsse_validation.runlog.result import RunResult
from tsse_validation.verdict import Verdict


@dataclass(frozen=True)
class Written:
    """The verdict on a run and the reports that were written of it."""

    verdict: Verdict
    document: ReportDocument
    result_json: Path
    markdown: Path
    junit: Path
    ctrf: Path
    html: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that was written."""
        return (self.result_json, self.markdown, self.junit, self.ctrf, self.html)


def write_reports(run_dir: Path, result: RunResult, tests: str = "") -> Written:
    """Decide on a run and write its reports, each at once or not at all; existing ones are replaced.

    The page comes last, for it names the others by their hashes; `tests` is the address that it links each test's
    own output to.
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
    """Add a summary to a file that others may have written to, and return whether it had room.

    `content` gets the bytes that are left and returns what is added.

    Raises:
        OSError: the file cannot be written.

    """
    with path.open("ab") as stream:
        added = content(MAX_BYTES - stream.tell()).encode("utf-8", errors="replace")
        stream.write(added)
    return bool(added)
