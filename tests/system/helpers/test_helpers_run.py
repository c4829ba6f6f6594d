"""The runbook's own commands in a whole run: honest ones change no verdict, and each lie is told as what it is."""

import signal
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.helpers.installing import command_line_of, installed_in
from tests.support.command import EXIT_GO, EXIT_INCOMPLETE, EXIT_NO_GO, QUICK, Directly, Run, Runbook
from tests.support.controller import BACKFILLED_DAYS, Controller
from tsse_validation.clients.helper_calls import BACKFILL, INSPECTOR, PARITY_CHECK
from tsse_validation.domain.catalogue import HELPER_CHECKS
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.polling import wait_until
from tsse_validation.runlog.helper_record import HelperRan
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.settings.helper_form import PLACE
from tsse_validation.steps.helping import HELPER_REPORT

INSPECTOR_CHECK, BACKFILL_CHECK, PARITY_HELPER_CHECK = (key.removeprefix("test_") for key in HELPER_CHECKS)
Lying = Callable[..., Run]
_BACKFILLS = "SELECT count(*) FROM analysis_jobs WHERE job_type = 'lake_backfill_v1'"


def backfills(controller: Controller) -> int:
    """Return how many backfills were ever started."""
    ((count,),) = controller.sql(_BACKFILLS)
    return int(count)


def ran(run: Run) -> dict[str, HelperRan]:
    return {record.helper: record for record in run.result.helpers}


def statuses(run: Run) -> list[CheckStatus]:
    return [run.check(check).status for check in (INSPECTOR_CHECK, BACKFILL_CHECK, PARITY_HELPER_CHECK)]


@pytest.fixture
def lying(directly: Directly, tmp_path: Path) -> Lying:
    """Run the runbook with helpers that lie so."""

    def run(*lies: str, given: tuple[str, ...] = ()) -> Run:
        helpers = installed_in(tmp_path / "bin", f"tests.support.lying_helpers {','.join(lies)} {PLACE}")
        return directly(f"--helpers={helpers}", *QUICK, *given)

    return run


def test_honest_helpers_in_a_directory_are_a_go_and_the_backfill_is_theirs_alone(
    directly: Directly, controller: Controller, tmp_path: Path
) -> None:
    before = backfills(controller)
    run = directly(f"--helpers={installed_in(tmp_path / 'bin')}", *QUICK)
    assert (run.code, run.verdict.outcome) == (EXIT_GO, Outcome.GO), run
    assert statuses(run) == [CheckStatus.PASSED] * 3
    assert backfills(controller) - before == 1
    records = ran(run)
    assert [record.exit_code for record in records.values()] == [0, 0, 0]
    assert {record.differences for record in records.values()} == {()}
    (backfill,) = run.result.backfills
    assert backfill.job_id in records[BACKFILL].said
    assert f"Backfill job created: {backfill.job_id}" in records[BACKFILL].output
    assert (run.directory / HELPER_REPORT).read_text().startswith("# TSSE Lake Parity Check (job)")
    assert [run.posts.by_purpose[purpose] for purpose in (INSPECTOR, "backfill", PARITY_CHECK)] == [1, 1, 1]
    assert str(controller.running.stack.token_file) in records[INSPECTOR].command


@pytest.mark.slow
def test_honest_helpers_by_a_command_line_are_a_go_and_the_token_of_a_variable_leaves_no_file(
    runbook: Runbook,
) -> None:
    run = runbook("--farm-sensors=6", "--farm-rows=3000", f"--helpers={command_line_of()}", *QUICK)
    assert (run.code, run.verdict.outcome) == (EXIT_GO, Outcome.GO), run
    assert statuses(run) == [CheckStatus.PASSED] * 3
    assert "TOKEN-FILE" in ran(run)[BACKFILL].command
    assert runbook.left_behind() == []


@pytest.mark.slow
def test_without_helpers_nothing_of_them_is_checked_or_missed(directly: Directly) -> None:
    run = directly(*QUICK)
    assert run.code == EXIT_GO, run
    assert not run.result.helpers
    assert not any(check.key in HELPER_CHECKS for check in run.result.checks)


@pytest.mark.slow
def test_helpers_that_were_asked_for_and_deselected_make_a_run_incomplete(
    directly: Directly, tmp_path: Path
) -> None:
    helpers = installed_in(tmp_path / "bin")
    run = directly(f"--helpers={helpers}", *QUICK, "-k", f"not {INSPECTOR_CHECK}")
    assert run.code == EXIT_INCOMPLETE, run
    assert "The runbook's inspector says what the API says: deselected" in run.reasons


def test_helpers_that_say_something_else_are_a_no_go_and_each_difference_is_told(lying: Lying) -> None:
    run = lying("an_older_watermark", "a_date_less", "other_counts")
    assert (run.code, set(run.red)) == (EXIT_NO_GO, {INSPECTOR_CHECK, BACKFILL_CHECK, PARITY_HELPER_CHECK}), run
    inspector, backfill, parity = (ran(run)[helper].differences for helper in (INSPECTOR, BACKFILL, PARITY_CHECK))
    assert any("has another result than it printed" in text for text in inspector)
    assert any("its job is at" in text for text in backfill)
    assert "it says 1 mismatches, and its job 0" in parity
    assert "its report is not the one of its job" in parity
    assert "the counts of its report are not those of its job" in parity
    assert "does not say what the controller says" in run.reasons


@pytest.mark.slow
def test_helpers_that_end_with_a_wrong_exit_code_are_a_no_go(lying: Lying) -> None:
    run = lying("exit_code_3")
    assert (run.code, len(run.red)) == (EXIT_NO_GO, 3), run
    for record in run.result.helpers:
        assert record.exit_code == 3
        assert record.differences == ("its exit code is 3, and it has printed what it does on success",)


@pytest.mark.slow
def test_a_mismatch_that_a_helper_hides_is_told_beside_the_lost_row(
    lying: Lying, directly: Directly, controller: Controller, tmp_path: Path
) -> None:
    sensor = controller.sql("SELECT sensor_id FROM sensors WHERE deleted_at IS NULL ORDER BY 1 LIMIT 1")[0][0]
    # as old as what the lake holds, and never replicated: lost
    old = controller.now - timedelta(hours=2)
    controller.sql("INSERT INTO metrics VALUES (%s, %s, 1.0, 0, %s)", sensor, old, old)
    honest = directly(f"--helpers={installed_in(tmp_path / 'honest')}", *QUICK, "--skip-backfill")
    assert honest.code == EXIT_NO_GO, honest
    assert honest.check(PARITY_HELPER_CHECK).status is CheckStatus.PASSED
    assert ran(honest)[PARITY_CHECK].said.startswith("1 mismatch, ")
    run = lying("no_mismatch", given=("--skip-backfill",))
    assert run.code == EXIT_NO_GO, run
    assert "it says 0 mismatches, and its job 1" in run.check(PARITY_HELPER_CHECK).message
    assert run.check(BACKFILL_CHECK).status is CheckStatus.NOT_CHECKED


@pytest.mark.slow
def test_a_token_that_a_helper_prints_is_masked_and_warned_of(lying: Lying) -> None:
    run = lying("the_token")
    assert run.code == EXIT_GO, run
    assert statuses(run) == [CheckStatus.WARNED] * 3
    assert "[redacted]" in "".join(ran(run)[INSPECTOR].output)


@pytest.mark.slow
def test_a_helper_of_another_version_is_not_checked_and_no_other_backfill_is_started(
    lying: Lying, controller: Controller
) -> None:
    before = backfills(controller)
    run = lying("another_option", "another_form")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert backfills(controller) == before
    backfill = run.check("backfill_job_completes")
    assert backfill.status is CheckStatus.NOT_CHECKED
    assert "unexpected argument '--poll-seconds'" in backfill.message
    assert "no other backfill is started" in backfill.message
    assert statuses(run)[1:] == [CheckStatus.NOT_CHECKED] * 2


@pytest.mark.slow
def test_a_helper_that_starts_two_backfills_is_told_and_ours_is_withdrawn(
    lying: Lying, controller: Controller
) -> None:
    run = lying("two_backfills")
    assert run.code == EXIT_INCOMPLETE, run
    backfill = run.check("backfill_job_completes")
    assert backfill.status is CheckStatus.NOT_CHECKED
    assert "was started in the same moment" in backfill.message
    assert run.check(BACKFILL_CHECK).status is CheckStatus.NOT_CHECKED
    ((canceled,),) = controller.sql("SELECT count(*) FROM analysis_jobs WHERE status = 'canceled'")
    assert canceled == 1


@pytest.mark.slow
def test_a_helper_that_names_an_earlier_job_as_its_own_is_a_no_go_and_that_job_is_let_alone(
    lying: Lying, controller: Controller
) -> None:
    job = controller.backfill(BACKFILLED_DAYS).job
    run = lying(f"an_earlier_job:{job.id}")
    assert run.code == EXIT_NO_GO, run
    assert f"says that it has created the job {job.id}" in run.check("backfill_job_completes").message
    with controller.core() as core:
        assert core.job(job.id).status == "completed"


@pytest.mark.slow
def test_a_helper_that_does_not_end_is_ended_and_one_that_is_missing_is_not_checked(
    directly: Directly, controller: Controller, tmp_path: Path
) -> None:
    before = backfills(controller)
    helpers = installed_in(tmp_path / "bin", f"tests.support.lying_helpers no_end {PLACE}")
    (helpers / BACKFILL).unlink()
    (helpers / INSPECTOR).chmod(stat.S_IRUSR)
    run = directly(f"--helpers={helpers}", *QUICK, "--job-timeout=8")
    assert run.code == EXIT_INCOMPLETE, run
    assert not run.verdict.faults
    assert "cannot be run" in run.check(BACKFILL_CHECK).message
    assert run.check("backfill_job_completes").status is CheckStatus.PASSED
    assert backfills(controller) - before == 1
    assert run.check(PARITY_HELPER_CHECK).status is CheckStatus.UNPROVEN
    assert "did not end within" in run.check(PARITY_HELPER_CHECK).message


@pytest.mark.slow
@pytest.mark.parametrize("cancel", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_run_that_is_stopped_ends_the_helper_and_names_its_job(
    cancel: bool, runbook: Runbook, tmp_path: Path
) -> None:
    slow = ("--farm-rows=20000", "--farm-sensors=6", "--backfill-days=365", "--poll-interval=0.1")
    helpers = installed_in(tmp_path / "bin")
    started = runbook.start(*slow, f"--helpers={helpers}", *(["--cancel-on-interrupt"] if cancel else []))
    started.wait_for_its_backfill()
    started.process.send_signal(signal.SIGINT)
    run = started.end()
    assert run.code == EXIT_INCOMPLETE, run
    (backfill,) = run.result.backfills
    how = "was canceled: the run was stopped" if cancel else "was running and goes on: the run was stopped"
    assert any(f"The backfill job {backfill.job_id} {how}" in note.text for note in run.result.notes)
    assert ran(run)[BACKFILL].exit_code is None
    assert wait_until(lambda: not _running(BACKFILL), seconds=10)
    assert "Traceback" not in run.output


def _running(helper: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(helper.encode()) for word in words):
            found.append(path.parent.name)
    return found
