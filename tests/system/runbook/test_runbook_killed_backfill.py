"""A backfill that is killed leaves a date empty: every way to look names the date, and a backfill heals it."""

from pathlib import Path

import pytest

from tests.support.command import EXIT_GO, EXIT_NO_GO, QUICK, Directly, Run, Runbook
from tests.support.controller import Controller
from tests.support.crashes import killed_between_removal_and_writing
from tests.system.runbook.test_runbook_what_to_do import copied_off, in_a_shell
from tsse_validation.domain.contract import BACKFILL_GATE_DAYS
from tsse_validation.domain.outcome import Outcome

LOOK_ONLY = ("--skip-backfill", "--require=counts")
MISSING = "partition missing"


@pytest.fixture
def killed(controller: Controller) -> tuple[str, str]:
    """Kill a backfill over a lake that an earlier one has filled; return its job, and the date left empty."""
    controller.backfill(BACKFILL_GATE_DAYS)
    job_id, day = killed_between_removal_and_writing(controller, BACKFILL_GATE_DAYS)
    ((status,),) = controller.sql("SELECT status FROM analysis_jobs WHERE id = %s", job_id)
    assert status == "running"
    return job_id, str(day)


def names_the_date(run: Run, day: str) -> None:
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    assert set(run.findings(flagged=True)) == {MISSING}, run
    finding = run.findings(flagged=True)[MISSING]
    assert [str(of) for of in finding.days] == [day]
    assert "a backfill that is killed or canceled" in finding.evidence
    assert finding.heals_by_backfill
    (line,) = (line for line in run.reasons.splitlines() if MISSING in line)
    assert line.endswith(f"on {day}")
    assert "Repair, by a backfill of" in run.output


@pytest.mark.slow
def test_a_run_that_has_nothing_but_the_api_names_the_date_and_its_repair_ends_in_a_go(
    killed: tuple[str, str], runbook: Runbook, controller: Controller, tmp_path: Path
) -> None:
    _, day = killed
    no_go = runbook(*controller.by_api(), *QUICK, *LOOK_ONLY)
    names_the_date(no_go, day)
    spot = no_go.check("parity_job_finds_no_mismatch")
    assert day in spot.message
    assert "the controller's log for a restart" in spot.advice

    *_, prove = copied_off(no_go, "tsse-what-to-do")
    proven = in_a_shell(prove, tmp_path, controller)
    assert proven.returncode == EXIT_GO, proven.stdout


@pytest.mark.slow
def test_a_run_that_has_the_api_and_the_database_names_the_date(
    killed: tuple[str, str], runbook: Runbook, controller: Controller
) -> None:
    _, day = killed
    names_the_date(
        runbook(*controller.by_api(), *QUICK, "--skip-backfill", "--require=counts", env=controller.environment),
        day,
    )


@pytest.mark.slow
def test_a_run_that_looks_at_everything_names_the_date(killed: tuple[str, str], directly: Directly) -> None:
    _, day = killed
    names_the_date(directly(*QUICK, "--skip-backfill"), day)


@pytest.mark.slow
def test_a_runs_own_backfill_heals_it_and_does_not_wait_for_the_job_that_was_left_over(
    killed: tuple[str, str], directly: Directly
) -> None:
    job_id, _ = killed
    run = directly(*QUICK, "--leftover-after=1", f"--backfill-days={BACKFILL_GATE_DAYS + 1}")
    assert run.is_go_with_nothing_flagged, run
    assert f"job {job_id} is left over" in run.output


@pytest.mark.slow
def test_by_the_api_alone_a_runs_own_backfill_heals_it(
    killed: tuple[str, str], runbook: Runbook, controller: Controller
) -> None:
    del killed
    run = runbook(*controller.by_api(), *QUICK, "--require=counts", f"--backfill-days={BACKFILL_GATE_DAYS + 1}")
    assert run.is_go_with_nothing_flagged, run
