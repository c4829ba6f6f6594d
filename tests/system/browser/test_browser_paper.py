"""The report on paper: a verdict is filed, and what is folded away or scrolled on a screen must be on it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.support.command import REPOSITORY
from tests.support.report_builders import breached, crashed, go, hostile
from tests.system.browser.shown import FARM, Show, rendered
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.model.document import EvidenceFile, ReportDocument
from tsse_validation.runlog.result import RunResult

pytestmark = pytest.mark.slow

MOST_SHEETS = 12
A4 = 717
"""The width of A4 in CSS pixels, without the margins that Chromium gives it."""
# Texts that are folded away, or that lie to the right of the paper; queries are pasted from the screen alone.
NOT_PRINTED = """(width) => {
  const walker = document.createTreeWalker(document.querySelector(".tsse-report"), NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim()) continue;
    if (element.closest("svg, .tsse-filter, .tsse-readout, .tsse-copy, .tsse-picked, .tsse-queries")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (!element.checkVisibility({ contentVisibilityAuto: true }) || box.width === 0 || box.right > width + 1) {
      found.push(element.outerHTML.slice(0, 160));
    }
  }
  return found;
}"""


def on_paper(show: Show, html: str, *, script: bool = True) -> Page:
    page = show(html, width=A4, script=script)
    page.emulate_media(media="print")
    return page


@pytest.mark.parametrize(
    "of",
    [go(), FARM, crashed(), breached(), hostile("w" * 10_000)],
    ids=["go", "farm", "crashed", "soak", "long"],
)
def test_all_that_is_folded_away_is_printed_and_within_the_paper(show: Show, of: RunResult) -> None:
    page = on_paper(show, rendered(of))
    assert page.locator("details:not([open])").count() > 3
    assert page.evaluate(NOT_PRINTED, A4) == []


def test_a_filter_hides_nothing_from_paper_and_controls_are_not_printed(show: Show) -> None:
    page = show(rendered(FARM), width=A4)
    page.get_by_role("searchbox", name="Filter: Counts per sensor").fill("no such sensor")
    rows = page.get_by_role("region", name="Counts per sensor", exact=True).locator("tbody tr:visible")
    assert rows.count() == 0
    page.emulate_media(media="print")
    assert rows.count() == 30
    for control in (".tsse-top nav", ".tsse-skip", ".tsse-filter", ".tsse-readout", ".tsse-copy"):
        assert page.locator(control).count() > 0
        assert page.locator(f"{control}:visible").count() == 0, control


def test_paper_is_light_whatever_the_screen_is(show: Show) -> None:
    page = show(rendered(FARM), scheme="dark")
    ground = "getComputedStyle(document.querySelector('.tsse-report')).backgroundColor"
    assert page.evaluate(ground) == "rgb(20, 26, 32)"
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="not run: no pdftotext here (poppler-utils)")
@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_the_pdf_says_the_verdict_first_and_holds_the_evidence(show: Show, tmp_path: Path, script: bool) -> None:
    pdf = tmp_path / "report.pdf"
    show(rendered(FARM), script=script).pdf(path=pdf, format="A4")
    text = subprocess.run(["pdftotext", "-raw", str(pdf), "-"], capture_output=True, check=True).stdout.decode()
    first = text.split("\f")[0]
    assert "NO-GO" in first
    assert "Do not mark TSSE-6 Done" in first
    assert "21.500000000000004" in re.sub(r"\s+", "", text), "a differing value is cut off"
    for folded in ("progress 2026-01-05", "backfill_job_completes", "base_url", FARM.counts[0].rows[3].sensor_id):
        assert folded in text, folded


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="not run: no pdftotext here (poppler-utils)")
@pytest.mark.parametrize("paper", ["A4", "Letter"])
@pytest.mark.parametrize(
    "of",
    [go(), FARM, crashed(), breached(), hostile("w" * 10_000)],
    ids=["go", "farm", "crashed", "soak", "long"],
)
def test_the_sign_off_is_one_sheet_of_its_own_and_the_last(
    show: Show, tmp_path: Path, of: RunResult, paper: str
) -> None:
    pdf = tmp_path / "report.pdf"
    evidence = [EvidenceFile(f"logs/service-{number}.log", 12_345, "5a" * 32) for number in range(30)]
    show(render_page(ReportDocument.of(of), evidence)).pdf(path=pdf, format=paper)
    text = subprocess.run(["pdftotext", "-raw", str(pdf), "-"], capture_output=True, check=True).stdout.decode()
    *others, last = text.removesuffix("\f").split("\f")
    for signed in ("Sign-off: one sheet of paper", "Run by", "SHA-256", "Name", "Role", "Date", "Signature"):
        assert signed in last, signed
    assert not [page for page in others if "Sign-off" in page or "Signature" in page]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="not run: no pdftotext here (poppler-utils)")
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_a_no_go_is_printed_on_a_few_sheets(show: Show, tmp_path: Path, paper: str) -> None:
    pdf, sample = tmp_path / "report.pdf", REPOSITORY / "reports/samples/no-go/report.html"
    show(sample.read_text(encoding="utf-8")).pdf(path=pdf, format=paper)
    text = subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, check=True).stdout.decode()
    assert text.count("\f") <= MOST_SHEETS


def test_printing_leaves_the_page_as_it_was(show: Show, tmp_path: Path) -> None:
    page = show(rendered(FARM))
    before = page.locator("details[open]").count()
    page.pdf(path=tmp_path / "report.pdf")
    assert page.locator("details[open]").count() == before
