import pytest

from tests.support.report_builders import (
    SCENARIOS,
    check_id,
    crashed,
    finished,
    live_api_only,
    no_go,
    planned,
    result,
    run_started,
    stack,
)
from tsse_validation.domain.catalogue import CHECKS, STEP_NAMES
from tsse_validation.report.model.checks import StepState, check_lines, missing_lines, step_lines
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.runlog.result import RunResult


def states(of: RunResult) -> dict[int, StepState]:
    return {step.number: step.state for step in step_lines(ReportDocument.of(of))}


@pytest.mark.parametrize("of", [of for _, of in SCENARIOS], ids=[name for name, _ in SCENARIOS])
def test_every_check_of_the_catalogue_is_shown_once_in_its_order(of: RunResult) -> None:
    assert [line.key for line in check_lines(ReportDocument.of(of))] == list(CHECKS)


@pytest.mark.parametrize("of", [of for _, of in SCENARIOS], ids=[name for name, _ in SCENARIOS])
def test_what_is_shown_as_not_checked_is_what_the_verdict_counts(of: RunResult) -> None:
    document = ReportDocument.of(of)
    shown = {
        (check.check_id, line.tolerated) for line in missing_lines(check_lines(document)) for check in line.checks
    }
    assert shown == {(missing.check_id, missing.tolerated) for missing in document.verdict.not_checked}


def test_an_interrupted_check_is_told_from_those_that_never_began() -> None:
    lines = {line.key: line for line in check_lines(ReportDocument.of(crashed()))}
    assert lines["test_backfill_job_completes"].message.startswith("interrupted: under way since")
    assert lines["test_backfill_keeps_its_promises"].message == "not run"
    assert lines["test_backfill_job_completes"].seconds is None


def test_a_failed_check_fails_its_step_and_a_blocked_one_leaves_it_incomplete() -> None:
    found = states(no_go())
    assert found[5] is StepState.PROVEN
    assert found[6] is StepState.FAILED
    assert found[7] is StepState.INCOMPLETE


def test_a_step_whose_checks_are_excused_is_proven_in_part() -> None:
    found = states(live_api_only())
    assert found[1] is StepState.LIMITED
    assert found[2] is StepState.PROVEN


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (CheckStatus.BLOCKED, StepState.BLOCKED),
        (CheckStatus.UNPROVEN, StepState.INCOMPLETE),
        (CheckStatus.NOT_CHECKED, StepState.NOT_CHECKED),
        (CheckStatus.WARNED, StepState.PROVEN),
        (CheckStatus.FAILED, StepState.FAILED),
    ],
)
def test_a_step_whose_checks_all_ended_alike_has_that_state(status: CheckStatus, state: StepState) -> None:
    checks = [finished(spec, status, message="why") for spec in CHECKS.values()]
    found = states(result(run_started(), stack(), *planned(), *checks))
    assert set(found.values()) == {state}
    assert set(found) == set(STEP_NAMES)


def test_a_step_tells_its_checks_apart_by_how_they_ended() -> None:
    steps = {step.number: step for step in step_lines(ReportDocument.of(no_go()))}
    assert steps[6].tally == "3 passed, 2 failed"
    assert steps[7].unproven_reasons == ("blocked: step 6 (parity) failed",)
    assert steps[7].seconds == pytest.approx(5.6)


def test_a_check_outside_the_catalogue_is_shown_after_those_in_it() -> None:
    stray = finished(CHECKS["test_watermark_is_recent"], key="test_new", check_id=check_id("test_new"))
    lines = check_lines(ReportDocument.of(result(run_started(), stack(), *planned(), stray)))
    assert [line.key for line in lines if line.step == 5][-1] == "test_new"
