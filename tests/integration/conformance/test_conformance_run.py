"""`-m conformance` tries the contract's endpoints, and says what it found without ever saying GO."""

from pathlib import Path

import pytest

from fixtures.controller.variations import VARIATIONS, Variation
from tests.support.binaries import REPOSITORY, controller_binary
from tests.support.command import EXIT_INCOMPLETE, EXIT_NO_GO, Run, Runbook
from tests.support.controller import Controller
from tests.support.given import given
from tsse_validation.conformance.exchanges import EXCHANGES
from tsse_validation.conformance.job_cases import JOB_CASES
from tsse_validation.domain.catalogue import CHECKS, CONFORMANCE_CHECKS
from tsse_validation.domain.outcome import Outcome
from tsse_validation.runlog.records import CheckStatus

SMALL = ("--farm-rows=1500", "--farm-sensors=6", "--poll-interval=0.25")
LIBERTIES = {
    "all but fewer digits": tuple(set(VARIATIONS) - {Variation.MILLISECONDS, Variation.WHOLE_SECONDS}),
    "no fraction": (Variation.WHOLE_SECONDS,),
}


def conformance(run: Run) -> dict[str, CheckStatus]:
    return {check.check_id: check.status for check in run.result.checks if check.key in CONFORMANCE_CHECKS}


def all_tried(run: Run, status: CheckStatus = CheckStatus.PASSED) -> int:
    """See that the run is incomplete and each of its cases so; return how many there are."""
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    tried = conformance(run)
    assert set(tried.values()) == {status}, run
    return len(tried)


def test_names_tell_the_cases_apart() -> None:
    for names in ([case.name for case in EXCHANGES], [case.name for case in JOB_CASES]):
        assert len(set(names)) == len(names)


def test_the_reference_controller_passes(runbook: Runbook) -> None:
    run = runbook(*SMALL, "-m", "conformance")
    tried = all_tried(run)
    assert tried > len(EXCHANGES) + len(JOB_CASES)
    assert {check.key for check in run.result.checks} == set(CONFORMANCE_CHECKS)
    assert f"{tried} of {tried} proven" in run.output
    assert {missing.key for missing in run.verdict.not_checked} == set(CHECKS)
    assert all(gate.outcome is Outcome.INCOMPLETE for gate in run.verdict.gates)


@pytest.mark.parametrize("liberties", LIBERTIES)
def test_a_controller_that_keeps_the_contract_may_differ(liberties: str, runbook: Runbook, tmp_path: Path) -> None:
    options = [word for variation in LIBERTIES[liberties] for word in ("--vary", str(variation))]
    binary = controller_binary(tmp_path, f"sys.argv += {options}")
    # Days are clamped the same way whatever is said of them, and a backfill takes its time.
    chosen = ("-m", "conformance", "-k", "not backfill-days")
    run = runbook(*SMALL, f"--core-binary={binary}", *chosen)
    all_tried(run)


def test_a_broken_promise_is_no_go_and_names_its_section(runbook: Runbook, tmp_path: Path) -> None:
    binary = controller_binary(tmp_path, "from fixtures.controller import api\napi.UNAUTHORIZED_TEXT = 'Go away'")
    run = runbook(*SMALL, f"--core-binary={binary}", "-m", "conformance", "-k", "endpoint")
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    failed = {name for name, status in conformance(run).items() if status is CheckStatus.FAILED}
    assert "endpoint_answers_as_promised[token-none]" in failed
    assert "endpoint_answers_as_promised[status]" not in failed
    assert "step 8 (conformance): An endpoint answers as the contract has it: contract 2: " in run.reasons
    assert "instead of 401 “Missing or invalid token”" in run.reasons


def test_on_an_installed_controller_only_what_reads_is_tried(runbook: Runbook, controller: Controller) -> None:
    runbook.secrets += controller.secrets
    run = runbook(*controller.by_api(), "-m", "tier_a and conformance")
    reading = [case for case in EXCHANGES if case.request.reads]
    assert all_tried(run) == len(reading) + 1
    assert all(case.request.method == "GET" for case in reading)
    assert controller.sql("SELECT job_type FROM analysis_jobs") == [("lake_inspect_v1",)]
    assert controller.sql("SELECT count(*) FROM api_tokens") == [(2,)]
    assert given(run.result.posts).by_purpose == {"conformance": 1}


def test_nothing_that_changes_an_installed_controller_is_tried(runbook: Runbook, controller: Controller) -> None:
    jobs = controller.sql("SELECT count(*) FROM analysis_jobs")
    run = runbook(*controller.directly(), "-m", "conformance and not tier_a", env=controller.environment)
    all_tried(run, CheckStatus.NOT_CHECKED)
    assert all("only on a stack that the suite has started" in check.message for check in run.result.checks)
    assert controller.sql("SELECT count(*) FROM analysis_jobs") == jobs
    assert controller.sql("SELECT count(*) FROM api_tokens") == [(2,)]
    assert given(run.result.posts).spent == 0


def test_without_being_named_conformance_is_no_part_of_a_run(runbook: Runbook, controller: Controller) -> None:
    runbook.secrets += controller.secrets
    run = runbook(*controller.by_api(), "-m", "tier_a", "--collect-only", "-q")
    assert "test_1_health.py" in run.output
    assert "test_8_conformance" not in run.output
    by_name = runbook(str(REPOSITORY / "tests_validation" / "test_8_conformance.py"), "--collect-only", "-q")
    assert "test_endpoint_answers_as_promised[healthz]" in by_name.output
