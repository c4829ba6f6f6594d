"""The samples that the pages show are what the present code renders of their results."""

import re
from pathlib import Path

import pytest

from tools.samples.__main__ import PICTURE, SAMPLES
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.markdown.markdown_report import markdown_name, render_markdown
from tsse_validation.report.model.document import (
    REPORT_HTML,
    RESULT_JSON,
    ReportDocument,
    evidence_in,
    read_result_json,
    to_json,
)

ROOT = Path(__file__).parents[3]
NAMES = {"go": "GO", "counts": "GO", "no-go": "NO-GO", "incomplete": "INCOMPLETE"}
AGAIN = "make the samples anew: python -m tools.samples"


def sample(name: str) -> Path:
    return ROOT / SAMPLES / name


def document(name: str) -> ReportDocument:
    return read_result_json(sample(name) / RESULT_JSON)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_and_the_markdown_are_rendered_of_the_result_to_the_byte(name: str) -> None:
    of, directory = document(name), sample(name)
    page = render_page(of, evidence_in(directory))
    assert (directory / REPORT_HTML).read_text(encoding="utf-8") == page, AGAIN
    markdown = directory / markdown_name(of.result.started.at)
    assert markdown.read_text(encoding="utf-8") == render_markdown(of), AGAIN
    assert (directory / RESULT_JSON).read_bytes() == to_json(of), AGAIN


@pytest.mark.parametrize(("name", "verdict"), NAMES.items())
def test_each_has_the_verdict_that_its_records_bear_out(name: str, verdict: str) -> None:
    of = document(name)
    assert of.verdict.outcome.value == verdict
    assert ReportDocument.of(of.result).verdict == of.verdict, AGAIN


def test_one_go_is_a_proof_and_the_other_shows_its_grade() -> None:
    assert document("go").verdict.label == "GO"
    assert document("counts").verdict.label == "GO by counts"


def test_the_no_go_shows_several_diagnoses_and_rows() -> None:
    result = document("no-go").result
    assert len({finding.diagnosis for finding in result.findings if finding.flagged}) >= 3
    assert {difference.kind for difference in result.differences} >= {"missing", "extra", "changed_value"}


def test_nothing_of_the_machine_that_made_them_is_in_them() -> None:
    for path in (ROOT / SAMPLES).rglob("*"):
        if path.suffix in {".html", ".json", ".md"}:
            text = path.read_text(encoding="utf-8")
            assert set(re.findall(r"/(?:home|root|Users|work|opt|srv)/[^\s\"<]*", text)) == set(), path
            assert str(ROOT) not in text


def test_they_are_small_and_a_page_shows_them() -> None:
    shown = (ROOT / "reports" / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert (sample(name) / PICTURE).stat().st_size < 300_000
        for file in (PICTURE, REPORT_HTML):
            assert f"(samples/{name}/{file})" in shown
    assert sum(path.stat().st_size for path in (ROOT / SAMPLES).rglob("*.*")) < 2_000_000
