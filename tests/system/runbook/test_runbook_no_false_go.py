"""Whatever keeps a check from being made, the run is not GO, and says why."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.command import EXIT_INCOMPLETE, EXIT_NO_GO, QUICK, Directly, meddling
from tests.support.controller import Controller, days_ago
from tests.support.damage import lake_file, rewrite, without_row
from tsse_validation.domain.instants import format_rfc3339, utc_now
from tsse_validation.domain.outcome import Outcome
from tsse_validation.runlog.records import CheckStatus

HEALTH = "tests_validation/test_1_health.py"
LAST_CHECK = "tests_validation/test_7_windows.py::test_random_windows_agree_by_the_parity_job"

PLUGIN = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.originalname == "test_counts_agree_for_every_sensor":
            item.add_marker(pytest.mark.skip(reason="not today"))
        if item.originalname == "test_every_due_row_is_in_the_lake_unchanged":
            item.add_marker(pytest.mark.xfail(strict=False))
"""


SELECTIONS = {
    "one module": [HEALTH],
    "one check": [f"{HEALTH}::test_core_server_answers_healthz"],
    "by name": ["-k", "healthz"],
    "a marker that nothing has": ["-m", "nightly"],
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_selection_is_incomplete_and_what_is_left_out_is_counted(name: str, directly: Directly) -> None:
    run = directly(*SELECTIONS[name], *QUICK)
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert not run.red
    assert "no row was compared" in run.reasons
    keys = {check.key for check in run.result.checks if check.status.proven}
    assert {missing.key for missing in run.verdict.not_checked if not missing.tolerated}.isdisjoint(keys)
    assert not any(gate.outcome is Outcome.GO for gate in run.verdict.gates)
    assert "VERDICT: INCOMPLETE" in run.output


def test_a_step_whose_needs_were_not_selected_is_blocked(directly: Directly) -> None:
    run = directly("tests_validation/test_6_parity.py", *QUICK)
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert {check.status for check in run.result.checks} == {CheckStatus.BLOCKED}
    assert "blocked by step 4 (backfill): it did not run" in run.reasons


def test_one_deselected_check_is_enough(directly: Directly) -> None:
    run = directly("--deselect", LAST_CHECK, *QUICK)
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.verdict.reasons == ("step 7 (windows): Random windows agree by the controller's job: deselected",)


def test_a_skipped_backfill_is_enough(directly: Directly) -> None:
    run = directly(*QUICK, "--skip-backfill")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert not run.red
    assert "left out by --skip-backfill" in run.reasons
    assert "0 of 90 days were backfilled" in run.reasons
    assert run.verdict.rows_compared > 0


def test_twenty_days_are_not_ninety(directly: Directly) -> None:
    run = directly(*QUICK, "--backfill-days=20")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.verdict.reasons == ("gate “Backfill of 90 days needs one command”: 20 of 90 days were backfilled",)


def test_no_drawn_window_proves_nothing(directly: Directly) -> None:
    run = directly(*QUICK, "--max-windows=0", "--max-job-windows=0")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert not run.red
    (reason,) = run.verdict.reasons
    assert reason.startswith("step 7 (windows): 8 checks: No window could be drawn")


def test_drawn_windows_without_a_row_prove_nothing_and_are_no_fault(directly: Directly) -> None:
    run = directly(*QUICK, "--max-job-windows=1", "--skip-backfill")
    (window,) = (window for window in run.result.windows if window.source == "job")
    check = run.check("random_windows_agree_by_the_parity_job")
    assert window.postgres or check.status is CheckStatus.NOT_CHECKED, run
    assert not run.red
    assert run.code == EXIT_INCOMPLETE


def test_a_sensor_that_does_not_exist_proves_nothing(directly: Directly) -> None:
    run = directly(*QUICK, "--sensor-ids=no-such-sensor")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert not run.red
    assert run.check("parity_job_finds_no_mismatch").status is CheckStatus.NOT_CHECKED
    assert "equal zeros prove nothing" in run.reasons


def test_a_window_without_rows_proves_nothing(directly: Directly, controller: Controller) -> None:
    start = utc_now() - timedelta(days=3)
    controller.sql("DELETE FROM metrics WHERE ts >= %s", start - timedelta(hours=1))
    run = directly(
        *QUICK,
        # the backfill takes out of the lake what was deleted
        "--accept-loss",
        f"--window-start={format_rfc3339(start)}",
        f"--window-end={format_rfc3339(start + timedelta(hours=1))}",
    )
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert not run.red
    assert run.check("parity_job_finds_no_mismatch").status is CheckStatus.NOT_CHECKED
    assert "equal zeros prove nothing" in run.reasons


def test_a_run_that_stops_at_the_first_failure_counts_the_rest_as_not_run(
    directly: Directly, controller: Controller
) -> None:
    controller.qdrant.kill()
    run = directly("-x", *QUICK)
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.red.keys() == {"qdrant_answers_healthz"}
    assert len(run.result.checks) == 2
    assert "step 6 (parity) and step 7 (windows): 58 checks: not run" in run.reasons


def test_a_check_that_a_plugin_skips_or_expects_to_fail_proves_nothing(directly: Directly, tmp_path: Path) -> None:
    run = directly(*QUICK, env=meddling(tmp_path, PLUGIN))
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert {check.check_id: check.message for check in run.red.values()} == {
        "counts_agree_for_every_sensor": "skipped: not today",
        "every_due_row_is_in_the_lake_unchanged": "an expected failure proves nothing",
    }
    assert len(run.verdict.reasons) == 3
    assert "proof was required and counts were reached" in run.verdict.reasons[-1]


def test_a_failure_that_a_plugin_expects_is_a_failure(
    directly: Directly, controller: Controller, tmp_path: Path
) -> None:
    sensor = controller.sensor()
    rewrite(lake_file(controller, sensor, days_ago(5)), without_row(sensor))
    run = directly(*QUICK, "--skip-backfill", env=meddling(tmp_path, PLUGIN))
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    assert run.check("every_due_row_is_in_the_lake_unchanged").status is CheckStatus.FAILED
