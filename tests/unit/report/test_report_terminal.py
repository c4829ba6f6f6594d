from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from tests.support.report_builders import ALL, crashed, empty, go, hostile, live_api_only, no_go
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.terminal import MAX_REASONS, print_summary
from tsse_validation.runlog.result import RunResult

ANY_TEXT = st.text(st.characters(codec=None))


def printed(of: RunResult, width: int = 80, **options: bool) -> str:
    stream = StringIO()
    console = Console(file=stream, width=width, **options)  # type: ignore[arg-type]
    print_summary(console, ReportDocument.of(of), [Path("/runs/1/result.json")])
    return stream.getvalue()


@pytest.mark.parametrize(("of", "verdict"), [(go(), "GO"), (no_go(), "NO-GO"), (crashed(), "INCOMPLETE")])
def test_the_verdict_is_said_first_and_without_colour(of: RunResult, verdict: str) -> None:
    assert printed(of).splitlines()[0].strip() == f"VERDICT: {verdict}"
    assert "\x1b" not in printed(of)


def test_the_gate_lines_the_basis_and_the_paths_are_said() -> None:
    said = " ".join(printed(live_api_only()).split())
    assert "proven Backfill of 90 days needs one command" in said
    assert "no count here is independent of the software under validation" in said
    assert "14 that this stack excuses" in said
    assert "/runs/1/result.json" in said


def test_reasons_beyond_the_first_are_counted() -> None:
    hidden = len(ReportDocument.of(empty()).verdict.reasons) - MAX_REASONS
    assert f"and {hidden} more reasons" in printed(empty())


def test_checks_that_were_not_made_for_one_reason_share_a_line() -> None:
    assert "step 5 watermark and partitions, 9 checks: not run" in printed(crashed(), 120)


@ALL
def test_the_summary_fits_on_one_screen(of: RunResult) -> None:
    assert len(printed(of, 100).splitlines()) <= 45


@settings(max_examples=settings().max_examples // 2)
@given(ANY_TEXT, st.integers(20, 120))
def test_no_text_is_printed_wider_than_the_console_or_commands_it(text: str, width: int) -> None:
    said = printed(hostile(text * 20), width)
    assert max(cell_len(line) for line in said.splitlines()) <= width
    assert "\x1b" not in said


def test_text_that_looks_like_rich_markup_is_shown() -> None:
    assert "[bold red]x[/bold red]" in printed(hostile("[bold red]x[/bold red]"), 200)
