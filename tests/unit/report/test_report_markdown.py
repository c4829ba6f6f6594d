"""The Markdown report, and a CI's step summary, which is never longer than allowed."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.builders import WATERMARK, run_started
from tests.support.report_builders import (
    ALL,
    SCENARIOS,
    empty,
    go,
    hostile,
    job_counts,
    no_go,
    partitions,
    replication,
    result,
)
from tsse_validation.domain.windows import Window
from tsse_validation.report.markdown.markdown_report import markdown_name, render_markdown
from tsse_validation.report.markdown.markup import code, escaped, table
from tsse_validation.report.markdown.step_summary import MAX_BYTES, MAX_ROWS, render_step_summary
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.writer import append_step_summary
from tsse_validation.runlog.records import CheckStatus, CountRow, CountsTaken
from tsse_validation.runlog.result import RunResult

ANY_TEXT = st.text(st.characters(codec=None))
REAL = Path(__file__).parents[2] / "data" / "tsse-lake-parity-20260124_083505-0.1.9.211.md"


def parse(markdown: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)


def shape(of: RunResult) -> list[str]:
    """Return the blocks of a result's Markdown and what is inside them, without the text itself."""
    tokens = parse(render_markdown(ReportDocument.of(of)))
    inline = {child.type for token in tokens for child in token.children or []}
    return [token.type for token in tokens] + sorted(inline - {"text", "code_inline", "text_special"})


@cache
def plain_shape() -> list[str]:
    return shape(hostile("plain"))


def shown(markdown: str) -> str:
    """Return what a reader sees of one line of Markdown."""
    return "".join(child.content for token in parse(markdown) for child in token.children or [])


def test_the_file_is_named_after_the_utc_minute_of_the_start() -> None:
    zone = timezone(timedelta(hours=-8))
    assert markdown_name(datetime(2026, 1, 24, 20, 5, 59, tzinfo=zone)) == "tsse-lake-parity-20260125_0405.md"
    assert markdown_name(datetime(2026, 1, 4, 3, 5, tzinfo=UTC)) == "tsse-lake-parity-20260104_0305.md"


def test_the_tables_of_counts_are_the_controller_s_own() -> None:
    real = [line for line in REAL.read_text().splitlines() if line.startswith("|")][:2]
    ours = render_markdown(ReportDocument.of(result(run_started(), job_counts(lost=7)))).splitlines()
    place = ours.index(real[0])
    assert ours[place + 1] == real[1]
    assert ours[place + 2] == "| `006298880cd2dbb66247fdc3` | 255528 | 255521 | ❌ |"
    assert ours[place + 3] == "| `00ca2cd37fd567ab0016992d` | 25753 | 25753 | ✅ |"


def tables(markdown: str) -> list[tuple[str, str]]:
    lines = markdown.splitlines()
    return [(above, rule) for above, rule in pairwise(lines) if re.fullmatch(r"\|( :?-+:? \|)+", rule)]


def test_every_table_of_the_controller_s_own_report_is_there_in_its_order() -> None:
    theirs, ours = tables(REAL.read_text()), tables(render_markdown(ReportDocument.of(go())))
    assert len(theirs) == 2
    places = [ours.index(table) for table in theirs]
    assert places == sorted(places)


def test_what_the_controller_s_own_report_says_ours_says_line_by_line() -> None:
    sensors = {
        "006298880cd2dbb66247fdc3": 283,
        "00ca2cd37fd567ab0016992d": 283,
        "0137f2f857d4dd34c390573c": 0,
        "015a8d9ab43abcd515fd1730": 0,
        "025eeb6985bca09f87e4a85d": 2808,
    }
    start, end = (datetime(2026, 1, day, 16, 35, 5, us, UTC) for day, us in ((23, 10617), (24, 31632)))
    counts = CountsTaken(
        source="job",
        window=Window(start=start, end=WATERMARK),
        requested=Window(start=start, end=end),
        watermark=WATERMARK,
        rows=tuple(CountRow(sensor, None, count, count, 0, 0, True) for sensor, count in sensors.items()),
    )
    of = result(run_started(), counts, *partitions(), *replication(61.5, source="parity"))
    ours = render_markdown(ReportDocument.of(of)).splitlines()
    title, *theirs = filter(None, REAL.read_text().splitlines())
    assert title.startswith("# ")
    assert [line for line in theirs if line not in ours] == []


def test_the_runbook_s_next_step_stands_by_its_finding() -> None:
    report = render_markdown(ReportDocument.of(no_go()))
    assert "Next step: Re-run backfill with replace_existing=true for 2026-01-05." in report


@pytest.mark.parametrize("name", [name for name, _ in SCENARIOS])
def test_every_section_is_there_whatever_the_run_saw(name: str) -> None:
    headings = re.findall(r"^## (.*)$", render_markdown(ReportDocument.of(dict(SCENARIOS)[name])), re.MULTILINE)
    expected = re.findall(r"^## (.*)$", render_markdown(ReportDocument.of(no_go())), re.MULTILINE)
    # a soak is shown only where there was one
    assert [heading for heading in headings if heading != "Soak"] == expected
    assert ("Soak" in headings) == (dict(SCENARIOS)[name].soak_began is not None)


def test_an_empty_section_says_so() -> None:
    report = render_markdown(ReportDocument.of(empty()))
    for said in ("No backfill was run.", "No window was drawn.", "No counts were taken.", "No stack was reached."):
        assert said in report


@given(ANY_TEXT)
def test_no_text_changes_the_structure_of_the_report(text: str) -> None:
    assert shape(hostile(f"x{text}x")) == plain_shape()


@pytest.mark.parametrize(
    "text",
    [
        "a|b",
        "`",
        "``x``",
        "<img src=x onerror=alert(1)>",
        "</script>",
        "a\n\n# b",
        "[x](y)",
        "- x",
        "1. x",
        "a_b_",
        "\\|",
    ],
)
def test_text_that_is_markdown_is_shown_and_not_obeyed(text: str) -> None:
    assert shown(escaped(text)) == " ".join(text.split())
    assert "<" not in escaped(text)
    assert "<" not in code(text)


@given(ANY_TEXT.filter(str.strip))
def test_escaped_text_is_one_paragraph_of_plain_text(text: str) -> None:
    markdown = escaped(text)
    assert [token.type for token in parse(markdown)] == ["paragraph_open", "inline", "paragraph_close"]


@given(st.lists(ANY_TEXT, min_size=2, max_size=2))
def test_a_row_of_a_table_has_as_many_cells_as_its_heading(cells: list[str]) -> None:
    tokens = parse("\n".join(table(("A", "B"), [cells, [code(cell) for cell in cells]])))
    assert [token.type for token in tokens].count("td_open") == 4


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


@ALL
def test_it_begins_with_the_verdict_and_has_every_section_whatever_the_run_saw(of: RunResult) -> None:
    said = summary(of)
    verdict = ReportDocument.of(of).verdict
    assert said.startswith(f"## TSSE lake validation: {verdict.label}\n")
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
