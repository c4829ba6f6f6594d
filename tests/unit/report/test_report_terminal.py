from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from tests.support.report_builders import ALL, crashed, empty, go, hostile, live_api_only, no_go
from tsse_validation.report.model.actions import what_to_do
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.text import CONSOLE_LIMIT, beginning
from tsse_validation.report.terminal import MAX_FAULTS, MAX_WARNINGS, print_summary
from tsse_validation.runlog.result import RunResult

ANY_TEXT = st.text(st.characters(codec=None))
REPORT = Path("/runs/a directory with a long name, so that its path is wider than the terminal/1/report.html")


def printed(of: RunResult, width: int = 80, *, details: bool = False, **options: bool) -> str:
    stream = StringIO()
    console = Console(file=stream, width=width, **options)  # type: ignore[arg-type]
    print_summary(console, ReportDocument.of(of), REPORT, details=details)
    return stream.getvalue()


def copied(of: RunResult) -> set[str]:
    """Return the lines that a person copies, which are as wide as they are."""
    commands = {action.command for action in what_to_do(ReportDocument.of(of)) if action.command}
    return {f"Report: {REPORT}", *commands}


@pytest.mark.parametrize(
    ("of", "verdict"),
    [
        (go(), "GO (proof)"),
        (live_api_only(), "GO by counts"),
        (no_go(), "NO-GO"),
        (crashed(), "INCOMPLETE (proof required, no grade reached)"),
    ],
)
def test_verdict_and_grade_are_said_first_and_without_colour(of: RunResult, verdict: str) -> None:
    assert printed(of).splitlines()[0].strip() == f"VERDICT: {verdict}"
    assert "\x1b" not in printed(of)


def test_rows_with_their_window_checks_and_gate_lines_are_one_sentence() -> None:
    share = ReportDocument.of(go()).verdict.proven
    assert share is not None
    said = " ".join(printed(go()).split())
    assert f"Proven: {share.words}, of " in said
    assert "4 of 4 lines of release gate TSSE-6 are proven." in said


@ALL
def test_the_block_ends_with_the_path_of_the_report(of: RunResult) -> None:
    assert printed(of, 40).splitlines()[-1] == f"Report: {REPORT}"


@ALL
def test_the_first_command_stands_as_it_is_on_a_line_of_its_own(of: RunResult) -> None:
    commands = [action.command for action in what_to_do(ReportDocument.of(of)) if action.command]
    assert [line for line in printed(of, 40).splitlines() if line in commands] == commands[:1]


def test_faults_beyond_the_first_are_counted_and_no_gap_is_among_them() -> None:
    verdict = ReportDocument.of(no_go()).verdict
    assert verdict.faults is not None
    said = printed(no_go(), 2_000).splitlines()
    assert [line for line in said if line.startswith("- ")] == [
        f"- {beginning(fault)}" for fault in verdict.reasons[: min(verdict.faults, MAX_FAULTS)]
    ]
    assert any("more fault" in line for line in said) is (verdict.faults > MAX_FAULTS)


def test_warnings_are_said_once_each_and_beyond_the_first_are_counted() -> None:
    many = [f"warning {number}" for number in range(MAX_WARNINGS + 2)]
    checks = [check.model_copy(update={"warnings": tuple(many)}) for check in go().checks[:2]]
    warned = go().model_copy(update={"checks": (*checks, *go().checks[2:])})
    said = printed(warned).splitlines()
    assert [line.strip() for line in said if line.startswith("Warning: ")] == [
        f"Warning: {warning}" for warning in many[:MAX_WARNINGS]
    ]
    assert any("and 2 more warnings" in line for line in said)


def test_what_to_do_about_a_no_go_is_said_in_short_and_whole_with_the_details() -> None:
    actions = what_to_do(ReportDocument.of(no_go()))
    short, whole = (" ".join(printed(no_go(), details=details).split()) for details in (False, True))
    assert any(". " in action.sentence for action in actions)
    for number, action in enumerate(actions, start=1):
        assert f"{number}. {action.sentence.partition('. ')[0]}" in short
        assert action.sentence in whole
    assert len(short) < len(whole)


def test_what_is_left_out_and_excused_is_said_with_its_reason() -> None:
    said = " ".join(printed(live_api_only()).split())
    assert "Left out, which does not forbid GO: 14 checks" in said


@ALL
def test_nothing_is_blamed_on_an_earlier_step_but_in_the_details(of: RunResult) -> None:
    assert "blocked by" not in printed(of)


def test_the_details_go_before_the_verdict() -> None:
    details, verdict, _ = printed(live_api_only(), 120, details=True).partition("VERDICT: ")
    assert verdict
    said = " ".join(details.split())
    assert "proven Backfill of 90 days needs one command" in said
    assert "no count here is independent of the software under validation" in said
    assert "14 that this stack excuses" in said


def test_checks_that_were_not_made_for_one_reason_share_a_line_of_the_details() -> None:
    assert "step 5 watermark and partitions, 9 checks: not run" in printed(crashed(), 120, details=True)


@ALL
def test_the_block_is_of_few_lines(of: RunResult) -> None:
    assert len(printed(of, 160).splitlines()) <= 26


@given(ANY_TEXT)
def test_a_message_is_whole_or_is_said_to_be_cut_at_its_end(text: str) -> None:
    line = " ".join(beginning(text).split())
    assert "cut]" not in line or "cut]" in text
    long = beginning(f"{'word ' * CONSOLE_LIMIT}{text}")
    assert long.endswith("word … (the rest is in the report)")


@settings(max_examples=settings().max_examples // 4)
@given(ANY_TEXT, st.integers(20, 120))
def test_no_text_is_printed_wider_than_the_console_or_commands_it(text: str, width: int) -> None:
    of = hostile(text * 20)
    said = printed(of, width, details=True)
    wrapped = [line for line in said.splitlines() if line not in copied(of)]
    assert max(cell_len(line) for line in wrapped) <= width
    assert "\x1b" not in said


def test_text_that_looks_like_rich_markup_is_shown() -> None:
    assert "[bold red]x[/bold red]" in printed(hostile("[bold red]x[/bold red]"), 200)


def test_a_run_that_proved_nothing_says_what_to_do() -> None:
    assert "Why, and what to do" in printed(empty())
