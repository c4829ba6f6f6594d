"""Failures in the verdict and in every report."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from tests.support.builders import good_run
from tests.support.failing import failure
from tests.support.report_builders import go
from tsse_validation.domain.catalogue import FAILURES_STEP
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError
from tsse_validation.domain.outcome import Outcome
from tsse_validation.failures.telling import hold_recovered, repeated_by, tally
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.markdown.step_summary import render_step_summary
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.terminal import print_summary
from tsse_validation.runlog.failure_records import FailureDiagnosis, FailureTried
from tsse_validation.runlog.records import CheckFinished, CheckPlanned, CheckStatus
from tsse_validation.runlog.result import RunResult
from tsse_validation.steps.run import Check
from tsse_validation.verdict import decide

HOLE = (FailureDiagnosis("partition missing", "3,343 rows of 10 sensors on 2026-01-20", 3343),)
RECOVERED = failure(before_repair=HOLE, repaired_by="the same backfill once more")
LOST = failure("lost", scenario="kill-before-state", diagnoses=HOLE, differing=3343)
NOT_TRIED = failure(
    "not_tried", scenario="slow-renames", struck="", struck_at=None, message="No compiler is here."
)
STATUSES = {"recovered": CheckStatus.PASSED, "lost": CheckStatus.FAILED, "not_tried": CheckStatus.NOT_CHECKED}
KEY = "test_lake_survives"


def run_with(failures: Sequence[FailureTried]) -> RunResult:
    """Return a good run in which failures were asked for."""
    records = list(good_run())
    for tried in failures:
        check_id = f"lake_survives[{tried.scenario}]"
        records.insert(-1, CheckPlanned(check_id=check_id, key=KEY, step=FAILURES_STEP, selected=True))
        records.insert(-1, tried)
        records.insert(
            -1,
            CheckFinished(
                check_id=check_id,
                key=KEY,
                step=FAILURES_STEP,
                title="The lake survives a failure of our own stack",
                status=STATUSES[tried.outcome],
                at=tried.struck_at or records[0].at,  # type: ignore[attr-defined]
                duration_seconds=1.0,
                message=tried.message or tried.title,
            ),
        )
    return RunResult.from_records(records)


@pytest.mark.parametrize(
    ("failures", "outcome"),
    [
        ([], Outcome.GO),
        ([RECOVERED], Outcome.GO),
        ([RECOVERED, NOT_TRIED], Outcome.INCOMPLETE),
        ([RECOVERED, LOST, NOT_TRIED], Outcome.NO_GO),
    ],
    ids=["not asked for", "recovered", "not tried", "lost"],
)
def test_a_lost_row_is_no_go_and_what_was_not_tried_is_a_gap(
    failures: list[FailureTried], outcome: Outcome
) -> None:
    verdict = decide(run_with(failures))
    assert verdict.outcome is outcome
    if outcome is not Outcome.GO:
        assert any("failures" in reason for reason in verdict.reasons)


def test_a_scenario_that_was_selected_and_never_ran_is_a_gap() -> None:
    planned = CheckPlanned(check_id="lake_survives[a]", key=KEY, step=FAILURES_STEP, selected=True)
    assert decide(RunResult.from_records([*good_run(), planned])).outcome is Outcome.INCOMPLETE


def test_every_format_has_them_under_a_heading_of_their_own() -> None:
    document = ReportDocument.of(run_with([RECOVERED, LOST, NOT_TRIED]))
    page, markdown = render_page(document), render_markdown(document)
    for said in (
        "3 scenarios: 1 recovered, 1 lost, 1 not tried",
        "3,343 rows of 10 sensors on 2026-01-20",
        "Whole after the same backfill once more",
        "No compiler is here.",
        "pytest -m failures -k kill-before-state --failure-seed 7",
    ):
        assert said in page
        assert said in markdown
    assert 'id="tsse-failures"' in page
    assert "## Failures" in markdown
    assert (
        page.index("kill-before-state</bdi>")
        < page.index("slow-renames</bdi>")
        < page.index("kill-in-backfill</bdi>")
    )


def test_the_short_forms_say_how_many_and_name_the_lost_ones() -> None:
    document = ReportDocument.of(run_with([RECOVERED, LOST]))
    console = Console(file=io.StringIO(), width=200)
    print_summary(console, document)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Failures: 2 scenarios: 1 recovered, 1 lost." in said
    assert "kill-before-state: After SIGKILL" in said
    assert "Failures: 2 scenarios" in render_step_summary(document)


def test_without_failures_there_is_no_heading() -> None:
    document = ReportDocument.of(go())
    assert 'id="tsse-failures"' not in render_page(document)
    assert "## Failures" not in render_markdown(document)


class _Facts(Check):
    """The evidence of a check without a run."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}


def test_a_check_fails_by_a_loss_and_says_how_it_is_repeated() -> None:
    check = _Facts()
    with pytest.raises(PromiseBrokenError, match="partition missing") as caught:
        hold_recovered(LOST, check)
    assert repeated_by(LOST) in caught.value.advice
    assert check.facts["struck"] == LOST.struck


def test_a_check_proves_nothing_by_what_was_not_tried() -> None:
    with pytest.raises(NotCheckedError, match="No compiler is here"):
        hold_recovered(NOT_TRIED, _Facts())


def test_a_check_passes_by_a_recovery_and_tells_what_was_missing_before_the_repair() -> None:
    check = _Facts()
    hold_recovered(RECOVERED, check)
    assert check.facts["before the repair"].startswith("partition missing: 3,343 rows")


def test_touched_files_are_told_the_first_few() -> None:
    touched = failure("lost", touched=tuple(f"file {number} is gone" for number in range(9)))
    with pytest.raises(PromiseBrokenError, match="file 2 is gone; and 6 files more"):
        hold_recovered(touched, _Facts())


def test_no_scenario_is_counted_twice() -> None:
    assert tally([RECOVERED, RECOVERED]) == "2 scenarios: 2 recovered"
