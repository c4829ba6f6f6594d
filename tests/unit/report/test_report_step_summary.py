"""A CI's step summary: the run's numbers in Markdown, however long a run is never longer than allowed."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.support.report_builders import SCENARIOS, go, hostile, no_go
from tsse_validation.report.markdown.step_summary import MAX_BYTES, MAX_ROWS, render_step_summary
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.writer import append_step_summary
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.runlog.result import RunResult

ANY_TEXT = st.text(st.characters(codec=None))
GITHUB_TAKES = 1_048_576


def summary(of: RunResult, limit: int = MAX_BYTES) -> str:
    return render_step_summary(ReportDocument.of(of), limit)


def huge() -> RunResult:
    """Return a run in which everything that can fail did, with long texts."""
    of = no_go()
    return of.model_copy(
        update={
            "checks": tuple(
                check.model_copy(update={"status": CheckStatus.FAILED, "message": "&" * 5_000, "check_id": f"{n}"})
                for n, check in enumerate(of.checks * 20)
            ),
            "findings": of.findings[:1] * 5_000,
            "differences": of.differences * 5_000,
        }
    )


@pytest.mark.parametrize("of", [of for _, of in SCENARIOS], ids=[name for name, _ in SCENARIOS])
def test_it_begins_with_the_verdict_and_has_every_section_whatever_the_run_saw(of: RunResult) -> None:
    said = summary(of)
    verdict = ReportDocument.of(of).verdict
    assert said.startswith(f"## TSSE lake validation: {verdict.outcome.value}\n")
    headings = re.findall(r"^### (.*)$", said, re.MULTILINE)
    assert headings == re.findall(r"^### (.*)$", summary(no_go()), re.MULTILINE)


def test_it_names_what_differs_and_what_comes_next() -> None:
    said = summary(no_go())
    assert "| `006298880cd2dbb66247fdc3` | 255,528 | 255,521 | 255,528 | 255,521 |" in said
    assert "Re-run backfill with replace_existing=true for 2026-01-05." in said
    assert "changed value" in said


def test_long_lists_are_cut_with_their_true_length_beside_them() -> None:
    said = summary(huge())
    assert f"5,000 findings, the first {MAX_ROWS} shown." in said
    assert f"15,000 rows, the first {MAX_ROWS} shown." in said
    assert len(said.encode()) <= MAX_BYTES < GITHUB_TAKES


@pytest.mark.parametrize("limit", [2_000, 3_000, 10_000, 50_000])
def test_whatever_the_limit_it_is_kept_and_the_true_totals_are_told(limit: int) -> None:
    said = summary(huge(), limit)
    assert len(said.encode()) <= limit
    assert said.startswith("## TSSE lake validation: NO-GO\n")
    assert re.search(r"\*\*Cut short: \d+ of \d+ lines; in all 1 mismatching sensors, 15,000 differing rows", said)


def test_what_fits_is_not_cut() -> None:
    whole = summary(go())
    assert "Cut short" not in whole
    assert summary(go(), len(whole.encode())) == whole
    assert "Cut short" in summary(go(), len(whole.encode()) - 1)


@given(ANY_TEXT)
def test_no_text_changes_its_structure(text: str) -> None:
    parser = MarkdownIt("commonmark").enable("table")
    shapes = [[token.type for token in parser.parse(summary(hostile(one)))] for one in ("plain", f"x{text}x")]
    assert shapes[0] == shapes[1]


def test_it_is_added_to_what_others_have_written_and_never_fills_the_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    for _ in range(40):
        append_step_summary(path, lambda room: summary(huge(), room))
    assert path.read_text().startswith("## TSSE lake validation: NO-GO\n")
    assert path.read_text().count("## TSSE lake validation: NO-GO\n") > 1
    assert path.stat().st_size <= MAX_BYTES
    full = path.stat().st_size
    while append_step_summary(path, lambda room: summary(huge(), room)):
        assert path.stat().st_size > full
        full = path.stat().st_size
    assert path.stat().st_size == full <= MAX_BYTES


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        append_step_summary(tmp_path, lambda _room: "text")
