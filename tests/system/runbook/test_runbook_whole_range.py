"""The controller's job counts all sensors over the whole range, and what it counts too many is explained."""

import pytest

from tests.support.command import QUICK, Directly, Runbook
from tests.support.controller import Controller
from tests.system.faults.by_api import COPIES, PADDED, padded_sensor, upsert_ten
from tests.system.faults.logic import replicated
from tsse_validation.runlog.records import CheckStatus

LOOK_ONLY = (*QUICK, "--skip-backfill", "--max-windows=7", "--max-job-windows=0")
SPOT = "parity_job_finds_no_mismatch"


@pytest.mark.parametrize("by_api", [True, False], ids=["by the API alone", "directly"])
def test_ten_upserts_that_wait_for_compaction_are_counted_by_the_job_and_are_no_fault(
    by_api: bool, runbook: Runbook, directly: Directly, controller: Controller
) -> None:
    upsert_ten(controller)
    run = runbook(*controller.by_api(), *LOOK_ONLY) if by_api else directly(*LOOK_ONLY)
    assert run.check(SPOT).status is CheckStatus.PASSED, run
    assert not run.red
    found = run.findings(flagged=False)[COPIES]
    assert (found.rows, found.sensors) == (10, (controller.sensor(),))
    assert ("cannot exclude a lost row" in found.evidence) is by_api
    coverage = run.result.job_coverage
    assert coverage is not None
    assert coverage.window == coverage.covered
    # one of the farm's six is deleted: by the API alone nobody names it
    sensors = 5 if by_api else 6
    assert (coverage.surplus, coverage.sensors, coverage.known) == (10, sensors, sensors)
    assert coverage.slices <= coverage.posts <= 10
    assert run.verdict.rows_compared == coverage.rows


def test_by_the_api_alone_an_id_that_the_job_trims_is_named_and_the_coverage_is_not_whole(
    runbook: Runbook, controller: Controller
) -> None:
    padded_sensor(controller)
    replicated(controller)
    run = runbook(*controller.by_api(), *LOOK_ONLY)
    assert run.findings(flagged=False)["cannot be counted by the job"].sensors == (PADDED,)
    coverage = run.result.job_coverage
    assert coverage is not None
    assert (coverage.sensors, coverage.known) == (5, 6)


def test_a_sample_is_the_runbooks_spot_check_over_the_last_day(directly: Directly) -> None:
    run = directly(*LOOK_ONLY, "--sample=3")
    coverage = run.result.job_coverage
    assert coverage is not None
    assert (coverage.sensors, coverage.known, coverage.posts) == (3, None, 1)
    assert coverage.window != coverage.covered
    assert run.check("parity_job_counts_as_we_do").status is CheckStatus.PASSED
