"""The runbook's own commands in the reports: how each was run, what it said, and nothing where none was."""

from collections.abc import Callable

import pytest
from rich.console import Console

from tests.support.builders import finished
from tests.support.report_builders import go
from tsse_validation.domain.catalogue import HELPER_CHECKS
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.terminal import print_summary
from tsse_validation.runlog.helper_record import HelperRan
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.runlog.result import RunResult

BOTH = pytest.mark.parametrize("render", [render_markdown, render_page], ids=["Markdown", "HTML"])
RAN = HelperRan(
    helper="tsse_lake_backfill",
    step=4,
    command=("/opt/my bin/tsse_lake_backfill", "--days", "90"),
    exit_code=3,
    seconds=12.5,
    said="job 1, completed, 91 of 91",
    differences=("its exit code is 3, and it has printed what it does on success",),
    output=("status=completed progress=x (91/91)", "</pre><script>alert(1)</script>"),
)


def with_helpers(*records: HelperRan) -> RunResult:
    statuses = (CheckStatus.PASSED, CheckStatus.FAILED, CheckStatus.NOT_CHECKED)
    checks = (
        finished(key, status, step=spec.step, title=spec.title)
        for (key, spec), status in zip(HELPER_CHECKS.items(), statuses, strict=True)
    )
    return go().model_copy(update={"helpers": records, "checks": (*go().checks, *checks)})


@BOTH
def test_a_report_shows_how_a_helper_was_run_and_where_it_differs(render: Callable[[ReportDocument], str]) -> None:
    page = render(ReportDocument.of(with_helpers(RAN)))
    for shown in (
        "'/opt/my bin/tsse_lake_backfill' --days 90",
        "its exit code is 3, and it has printed",
        "12.5 s",
    ):
        assert shown in page.replace("&#39;", "'").replace("\\", ""), shown
    assert "<script>alert(1)" not in page


@BOTH
def test_a_report_without_helpers_has_no_word_of_them(render: Callable[[ReportDocument], str]) -> None:
    page = render(ReportDocument.of(go()))
    assert "own commands" not in page
    assert "tsse-helpers" not in page


def test_the_terminal_says_in_a_line_how_many_helpers_agree() -> None:
    console = Console(width=200, record=True)
    others = (RAN.model_copy(update={"helper": f"helper of step {step}", "step": step}) for step in (3, 6))
    print_summary(console, ReportDocument.of(with_helpers(RAN, *others)))
    assert "The runbook's own commands: 1 of 3 say what the controller says." in console.export_text()


def test_a_helper_that_was_not_run_is_shown_without_a_command() -> None:
    missing = HelperRan(
        helper="tsse_lake_inspector", step=3, command=(), exit_code=None, seconds=0.0, said="cannot be run"
    )
    page = render_markdown(ReportDocument.of(with_helpers(missing)))
    own = page.partition("own commands")[2].partition("## ")[0]
    assert "| `tsse_lake_inspector` |" in own
    assert "```" not in own
