"""What differs is shown by whoever can see it, and --skip-backfill makes it no less.

`tests/system/faults` has them all.
"""

import hashlib
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

from tests.support.command import EXIT_INCOMPLETE, EXIT_NO_GO, QUICK, Directly, Runbook
from tests.support.controller import Controller, days_ago
from tests.support.damage import at_row, lake_file, lose_all, next_double, rewrite
from tsse_validation.domain.outcome import Outcome
from tsse_validation.report.model.document import REPORT_HTML
from tsse_validation.runlog.difference_files import DIFFERENCE_NAMES
from tsse_validation.runlog.records import CheckStatus

LOOK_ONLY = (*QUICK, "--skip-backfill", "--max-windows=7", "--max-job-windows=0")
"""A backfill would heal most faults; windows that meet one are narrowed down, or wait for the watermark."""
COUNTS = {"counts_agree_for_every_sensor", "counts_agree_for_every_sensor_and_day"}
ROWS = "every_due_row_is_in_the_lake_unchanged"
WINDOWS = "random_windows_agree_by_direct_count"


def test_the_differing_row_is_shown_to_the_last_bit(directly: Directly, controller: Controller) -> None:
    sensor, day = controller.sensor(), days_ago(5)
    rewrite(lake_file(controller, sensor, day), at_row(sensor, "value", next_double))
    run = directly(*LOOK_ONLY)
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    assert "--skip-backfill" in run.reasons
    assert "VERDICT: NO-GO" in run.output
    (row,) = run.result.differences
    assert (row.kind, row.sensor_id, row.ts.date()) == ("changed_value", sensor, day)
    assert row.postgres is not None
    assert row.lake is not None
    assert float(row.lake.value) == next_double(float(row.postgres.value))
    kept = run.result.differences_kept
    assert kept is not None
    assert (kept.rows, kept.complete) == (1, True)
    assert {file.name: file.sha256 for file in kept.files} == {
        name: hashlib.sha256((run.directory / name).read_bytes()).hexdigest() for name in DIFFERENCE_NAMES
    }
    (line,) = pq.read_table(run.directory / DIFFERENCE_NAMES[0]).to_pylist()
    assert (line["sensor_id"], line["ts"], line["diagnosis"]) == (row.sensor_id, row.ts, row.diagnosis)
    assert controller.paths.hot / line["lake_file"] == lake_file(controller, sensor, day)
    assert all(file.sha256 in (run.directory / REPORT_HTML).read_text(encoding="utf-8") for file in kept.files)


def test_rows_lost_today_are_seen_by_the_job_and_by_us(directly: Directly, controller: Controller) -> None:
    sensor = controller.sensor()
    lose_all(controller, sensor)
    run = directly(*LOOK_ONLY, "--max-windows=35")
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    assert any(check_id.startswith(WINDOWS) for check_id in run.red)
    assert {"parity_job_finds_no_mismatch", *COUNTS, ROWS} <= run.red.keys()
    job = run.check("parity_job_finds_no_mismatch")
    assert sensor in job.message
    assert "lake 0" in job.message
    assert "do not mark TSSE-6 Done" in job.advice
    found = set(run.findings(flagged=True))
    # soon after midnight no other shard may have a row of the day yet
    assert found - {"partition missing"} == {"shard missing"}


@pytest.mark.slow
def test_by_the_api_alone_lost_rows_are_no_go_on_the_jobs_word(runbook: Runbook, controller: Controller) -> None:
    sensor = controller.sensor()
    lose_all(controller, sensor)
    run = runbook(*controller.by_api(), *LOOK_ONLY)
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    assert run.red.keys() == {"parity_job_finds_no_mismatch"}
    assert run.findings(flagged=True)["counts differ"].sensors == (sensor,)


def _with_token(assignment: str) -> Callable[[Controller], object]:
    return lambda controller: controller.sql(f"UPDATE api_tokens SET {assignment} WHERE name = 'tsse-validation'")


OUTAGES: dict[str, tuple[Callable[[Controller], object], int, dict[str, str]]] = {
    "the token is revoked": (
        _with_token("revoked_at = now()"),
        2,
        {"valid_token_is_accepted": "refuses the token", "valid_token_runs_a_job": "unknown, revoked or expired"},
    ),
    "the token may not run jobs": (
        _with_token("capabilities = '[\"analysis.view\"]'"),
        2,
        {"valid_token_runs_a_job": "it lacks analysis.run"},
    ),
}


@pytest.mark.parametrize("name", OUTAGES)
def test_what_keeps_the_runbook_from_being_run_is_named_and_incomplete(
    name: str, directly: Directly, controller: Controller
) -> None:
    plant, step, words = OUTAGES[name]
    plant(controller)
    run = directly(*LOOK_ONLY)
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.red.keys() == words.keys(), run
    for check_id, text in words.items():
        check = run.check(check_id)
        assert (check.status, check.step) == (CheckStatus.UNPROVEN, step)
        run.stopped_at(check_id, text)
    assert run.verdict.rows_compared == 0


def test_a_controller_killed_in_mid_backfill_is_named_with_its_job(
    runbook: Runbook, controller: Controller
) -> None:
    started = runbook.start(*controller.directly(), *QUICK, "--backfill-days=365", env=controller.environment)
    started.wait_for_its_backfill()
    controller.running.controller.kill()
    ((job_id, status),) = controller.sql(
        "SELECT id::text, status FROM analysis_jobs WHERE job_type = 'lake_backfill_v1'"
    )
    assert status == "running"
    run = started.end()
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    (backfill,) = run.result.backfills
    assert (backfill.job_id, backfill.status) == (job_id, "running")
    check = run.check("backfill_job_completes")
    assert (check.status, check.step) == (CheckStatus.UNPROVEN, 4)
    run.stopped_at(check.check_id, "The controller went away while the lake_backfill_v1 job", job_id)
    assert "0 of 90 days were backfilled" in run.reasons
