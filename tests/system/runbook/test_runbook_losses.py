"""No backfill that takes rows away is started, by the API alone neither, and a dry run says so beforehand."""

import pytest

from tests.support.command import EXIT_GO, EXIT_INCOMPLETE, QUICK, Directly, Run, Runbook
from tests.support.controller import BACKFILLED_DAYS, Controller, days_ago
from tsse_validation.domain.contract import BACKFILL_JOB
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.replacement import Replacement
from tsse_validation.runlog.records import CheckStatus

BACKFILL = "backfill_job_completes"
FIVE = (*QUICK, "--backfill-days=5")
STEPS = tuple(f"tests_validation/test_{name}.py" for name in ("1_health", "2_token", "3_inspect", "4_backfill"))


def backfills(controller: Controller) -> int:
    """Return how many were started by a run: the farm's own one is none."""
    ((count,),) = controller.sql(
        "SELECT count(*) FROM analysis_jobs WHERE job_type = %s AND params <> %s::jsonb",
        *(BACKFILL_JOB, f'{{"days": {BACKFILLED_DAYS}, "replace_existing": true}}'),
    )
    return int(count)


def refused(run: Run, controller: Controller) -> str:
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    check = run.check(BACKFILL)
    assert check.status is CheckStatus.NOT_CHECKED
    assert backfills(controller) == 0
    assert "backfill" not in run.posts.by_purpose
    assert run.findings(flagged=False)["backfill not started"].rows > 0
    return f"{check.message} {check.advice}"


def test_by_our_own_reading_a_shorter_backfill_is_not_started_and_the_lake_is_checked_as_it_is(
    directly: Directly, controller: Controller
) -> None:
    run = directly(*FIVE)
    said = refused(run, controller)
    for words in (
        f"of {days_ago(5)} before",
        "our own reading",
        "--backfill-days 1",
        "--accept-loss",
    ):
        assert words in said
    assert run.check("every_due_row_is_in_the_lake_unchanged").status is CheckStatus.PASSED
    # near midnight the range may begin a date earlier
    expected = Replacement.expected(5, run.result.started.at, None)
    assert expected.first in {days_ago(5), days_ago(6)}
    assert f"replaces there: {str(expected).split(' before ')[0]}" in run.output


def test_by_the_api_alone_it_is_not_started_either(runbook: Runbook, controller: Controller) -> None:
    run = runbook(*controller.by_api(), *STEPS, *FIVE)
    said = refused(run, controller)
    for words in (f"of {days_ago(5)} before", "its parity job", "--backfill-days 1"):
        assert words in said
    assert run.posts.by_purpose["loss"] <= 4


def test_by_the_api_alone_dates_that_postgres_has_dropped_are_seen(
    runbook: Runbook, controller: Controller
) -> None:
    controller.sql("DELETE FROM metrics WHERE ts < %s", days_ago(BACKFILLED_DAYS - 4))
    run = runbook(*controller.by_api(), *STEPS, *QUICK, "--backfill-days=20")
    assert "Postgres holds nothing" in refused(run, controller)


def test_by_the_api_alone_a_backfill_over_the_whole_lake_is_started_and_takes_nothing(
    runbook: Runbook, controller: Controller
) -> None:
    run = runbook(*controller.by_api(), *STEPS, *QUICK, "--backfill-days=20")
    assert run.check(BACKFILL).status is CheckStatus.PASSED, run
    kept = run.check("backfill_keeps_its_promises[nothing-else-taken]")
    assert kept.facts["nothing-else-taken"] == "nothing taken away"


def test_who_accepts_the_loss_gets_the_backfill_and_is_told(directly: Directly, controller: Controller) -> None:
    run = directly(*STEPS, *FIVE, "--accept-loss")
    assert run.check(BACKFILL).status is CheckStatus.PASSED, run
    assert backfills(controller) == 1
    told = run.findings(flagged=False)
    assert told["loss by the backfill accepted"].days == (days_ago(5),)
    taken = told["taken away by the backfill"]
    assert 0 < taken.rows <= told["loss by the backfill accepted"].rows
    assert not run.findings(flagged=True)


@pytest.mark.parametrize("days", [5, BACKFILLED_DAYS + 1])
def test_a_dry_run_says_what_would_be_lost_and_starts_nothing(
    days: int, runbook: Runbook, controller: Controller
) -> None:
    jobs = controller.sql("SELECT count(*) FROM analysis_jobs")
    started = runbook.start(
        *controller.directly(), f"--backfill-days={days}", "--dry-run", env=controller.environment
    )
    started.process.wait(120)
    assert started.process.returncode == EXIT_GO
    assert f"would POST: lake_backfill_v1, days {days}, replace_existing true" in started.output
    assert ("would be lost: nothing" in started.output) is (days > BACKFILLED_DAYS), started.output
    assert ("the backfill would not start: --backfill-days 1" in started.output) is (days == 5)
    for words in (
        "would GET there: /healthz",
        "1 to try the token, 1 to try the view-only token, 1 to know the database, ",
        "2 or more inspections, 1 backfill, ",
        "would read Postgres: read-only, in one session at a time",
        f"would write: a folder for the run in {started.report_dir}",
    ):
        assert words in started.output
    assert "VERDICT" not in started.output
    assert not started.report_dir.exists()
    assert controller.sql("SELECT count(*) FROM analysis_jobs") == jobs
