"""Whatever shows a verdict shows its grade where that is below a proof."""

import re
from collections.abc import Callable, Mapping
from io import StringIO

import pytest
from rich.console import Console

from tests.support.report_builders import LIVE, go, live_api_only
from tests.unit.report.test_report_html import Page
from tsse_validation.domain.assurance import Assurance
from tsse_validation.report.ci_reports import render_ctrf, render_junit
from tsse_validation.report.html.html_pages import render_index, render_page, render_summary
from tsse_validation.report.html.trend import Run, Runs
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.markdown.step_summary import render_step_summary
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.terminal import print_summary

PROOF = ReportDocument.of(go().model_copy(update={"stack": LIVE.model_copy(update={"absent": {}})}))
COUNTS = ReportDocument.of(live_api_only())
SAMPLE = ReportDocument.of(live_api_only(Assurance.SAMPLE).model_copy(update={"job_coverage": None}))


def terminal(document: ReportDocument) -> str:
    stream = StringIO()
    print_summary(Console(file=stream, width=2_000), document, details=True)
    return stream.getvalue()


def index(document: ReportDocument) -> str:
    return Page(render_index(Runs((Run.of(document, "a", linked=False, borne_out=True),), ()))).text


SHOWN: Mapping[str, Callable[[ReportDocument], str]] = {
    "page": lambda document: Page(render_page(document)).text,
    "its title": lambda document: re.findall("<title>(.*?)</title>", render_page(document))[0],
    "comparison": lambda document: Page(render_page(PROOF, earlier=document)).text,
    "summary on pytest's page": lambda document: Page(render_summary(document)).text,
    "index": index,
    "terminal": terminal,
    "Markdown": render_markdown,
    "step summary": render_step_summary,
    "JUnit": lambda document: render_junit(document).decode(),
    "CTRF": lambda document: render_ctrf(document).decode(),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
@pytest.mark.parametrize(("document", "grade"), [(COUNTS, "counts"), (SAMPLE, "sample")])
def test_a_go_below_proof_is_never_shown_without_its_grade(
    document: ReportDocument, grade: str, show: Callable[[ReportDocument], str]
) -> None:
    assert document.verdict.outcome == "GO"
    assert f"GO by {grade}" in show(document)


@pytest.mark.parametrize("show", [SHOWN[name] for name in SHOWN if name != "comparison"])
@pytest.mark.parametrize("document", [COUNTS, SAMPLE])
def test_done_is_said_with_the_grade_and_what_was_accepted_or_not_at_all(
    document: ReportDocument, show: Callable[[ReportDocument], str]
) -> None:
    said = show(document)
    for after in re.findall(r"marked Done(.{4})", said):
        assert after == " by "
    if "marked Done" in said:
        assert "Less than a proof was accepted, by --require" in said


@pytest.mark.parametrize(
    "show", [SHOWN[name] for name in ("page", "terminal", "Markdown", "step summary", "JUnit")]
)
def test_how_much_was_compared_and_what_was_required_is_shown(show: Callable[[ReportDocument], str]) -> None:
    for document, name in ((PROOF, "Proven"), (COUNTS, "Counted")):
        said = show(document)
        assert f"{name}: " in said
        assert document.verdict.proven is not None
        assert document.verdict.proven.words in said
        assert f"Assurance: {document.verdict.required} required" in said


def test_its_icon_and_colour_are_its_own() -> None:
    banners = {re.findall("tsse-banner-(\\w+)", render_page(document))[-1] for document in (PROOF, COUNTS)}
    icons = {re.findall('class="tsse-shape">.*?#tsse-icon-(\\w+)', render_page(of))[0] for of in (PROOF, COUNTS)}
    assert banners == icons == {"good", "part"}
