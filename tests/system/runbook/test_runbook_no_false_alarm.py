"""What arrives late, is upserted, or is asked for too early is explained, and the run is GO."""

import shutil
from datetime import timedelta

import pytest

from tests.support.command import EXIT_INCOMPLETE, PATIENCE_SECONDS, QUICK, Directly, Runbook, StartedRun
from tests.support.controller import Controller, dataset, days_ago, traffic
from tests.system.faults.model import DATES, DIGESTS, LOOK_ONLY, ROWS
from tsse_validation.domain.instants import format_rfc3339, utc_now
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.polling import wait_until
from tsse_validation.runlog.records import CheckStatus


def test_late_rows_and_upserts_during_a_run_are_explained(directly: Directly, controller: Controller) -> None:
    with traffic(controller, history_days=80, upserts=True):
        run = directly(*QUICK)
    assert run.is_go_with_nothing_flagged, run
    explained = run.findings(flagged=False)
    assert {"late arrival pending", "upsert pending"} <= explained.keys()
    for diagnosis in ("late arrival pending", "upsert pending"):
        assert explained[diagnosis].rows > 0
        assert explained[diagnosis].next_step.startswith("Nothing")
    (compared,) = run.result.rows_compared
    assert compared.not_due >= explained["late arrival pending"].rows


def test_by_the_api_alone_late_rows_are_explained_once_the_watermark_has_passed(
    runbook: Runbook, controller: Controller
) -> None:
    with traffic(controller, history_days=0.9, upserts=False):
        started = runbook.start(*controller.by_api(), *QUICK, "--require=counts")
        assert wait_until(lambda: _is_counting(started), seconds=PATIENCE_SECONDS)
        # not before, for the backfill's guard has such a job count too
        before = controller.parity_jobs
        wait_until(lambda: controller.parity_jobs > before, seconds=1)
    run = started.end()
    assert run.is_go_with_nothing_flagged, run
    late = run.findings(flagged=False)["late arrival"]
    assert controller.sensor() in late.sensors
    assert "once the watermark had passed the count" in late.evidence


def _is_counting(started: StartedRun) -> bool:
    begins = '"started", "check_id": "parity_job_finds_no_mismatch"'
    return any(begins in log.read_text() for log in started.report_dir.glob("*/run.jsonl"))


@pytest.mark.slow
def test_by_the_api_alone_rows_that_never_stop_arriving_late_leave_it_open(
    runbook: Runbook, controller: Controller
) -> None:
    with traffic(controller, history_days=0.9, upserts=False):
        run = runbook(*controller.by_api(), *QUICK, "--skip-backfill", "--max-job-windows=0")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert not run.red
    spot = run.check("parity_job_finds_no_mismatch")
    assert spot.status is CheckStatus.NOT_CHECKED
    assert "keep arriving late" in spot.message
    assert "--database-url" in spot.message + spot.advice


def test_a_backfill_of_somebody_else_leaves_the_run_open_and_nothing_is_told_to_be_missing(
    directly: Directly, controller: Controller
) -> None:
    """It has removed a date, as each does before it writes it anew (contract section 3)."""
    ((job,),) = controller.sql(
        "INSERT INTO analysis_jobs (job_type, status) VALUES ('lake_backfill_v1', 'running') RETURNING id::text"
    )
    shutil.rmtree(dataset(controller.paths) / f"date={days_ago(5)}")
    run = directly(*LOOK_ONLY)
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert not run.red
    assert not run.findings(flagged=True)
    for name in (DATES, DIGESTS, ROWS):
        left_open = run.check(name)
        assert left_open.status is not CheckStatus.PASSED
    told = run.check(DIGESTS)
    assert f"the backfill {job} replaces the lake's dates" in told.message
    assert told.advice == "Run again when no other backfill runs."


def test_a_window_that_ends_beyond_the_watermark_is_cut_and_explained(directly: Directly) -> None:
    end = utc_now() + timedelta(days=1)
    run = directly(*QUICK, f"--window-end={format_rfc3339(end)}")
    assert run.is_go_with_nothing_flagged, run
    beyond = run.findings(flagged=False)["beyond the watermark"]
    assert "after the watermark" in beyond.summary
    assert any("after the watermark" in warning for warning in run.check("parity_job_finds_no_mismatch").warnings)
    (job,) = (counts for counts in run.result.counts if counts.source == "job")
    assert job.watermark is not None
    assert job.window.end <= job.watermark
