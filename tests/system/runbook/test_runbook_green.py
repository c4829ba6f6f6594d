"""A whole stack is GO, the verdict says what it rests on, and nothing is left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import (
    EXIT_GO,
    EXIT_INCOMPLETE,
    EXIT_USAGE,
    LOGS,
    PATIENCE_SECONDS,
    QUICK,
    REPORTS,
    Directly,
    Run,
    Runbook,
    alive,
    meddling,
    service_processes,
)
from tests.support.controller import Controller, dataset, days_ago
from tests.support.damage import lake_file
from tsse_validation.domain.catalogue import CHECKS
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.polling import wait_until
from tsse_validation.report.markdown.markdown_report import markdown_name
from tsse_validation.report.model.document import RESULT_JSON, read_result_json
from tsse_validation.runlog.difference_files import DIFFERENCE_NAMES
from tsse_validation.runlog.records import CheckStatus

LOOK = (*QUICK, "--max-windows=7", "--max-job-windows=0")
DIRECT_CHECKS = {
    "postgres_answers_a_query",
    "no_temporary_file_is_left",
    "counts_agree_for_every_sensor",
    "every_due_row_is_in_the_lake_unchanged",
}


def test_an_embedded_run_with_defaults_is_go_and_leaves_nothing_but_its_reports(
    runbook: Runbook, tmp_path: Path
) -> None:
    summary = tmp_path / "ci.md"
    started = runbook.start("--farm-rows=3000", "--farm-sensors=6", env={"GITHUB_STEP_SUMMARY": str(summary)})
    # the stack's token is written before its last service starts, and is there to be read until the run ends
    assert wait_until(lambda: any(runbook.temporary.glob("*/token.txt")), seconds=PATIENCE_SECONDS)
    started.wait_for("step 1  health")
    (stack,) = runbook.stacks()
    services = service_processes(stack)
    started.secrets.append((stack / "token.txt").read_text().strip())
    run = started.end()
    assert (run.code, run.verdict.outcome) == (EXIT_GO, Outcome.GO), run
    assert {check.key for check in run.result.checks if check.status is CheckStatus.PASSED} == set(CHECKS)
    assert len(run.status(CheckStatus.PASSED)) == len(run.result.checks)
    assert "VERDICT: GO" in run.output
    assert "GO by proof: every due row of every sensor, both sides read by us" in " ".join(run.output.split())
    assert (run.verdict.assurance, run.verdict.label) == ("proof", "GO")
    assert "no installed controller" in run.output
    assert run.verdict.rows_compared > 2_500
    reports = {*REPORTS, *DIFFERENCE_NAMES, markdown_name(run.result.started.at)}
    assert {path.name for path in run.files} == {*reports, *LOGS}
    assert run.result.differences_kept is not None
    assert (run.result.differences_kept.rows, run.result.differences_kept.complete) == (0, True)
    assert "VERDICT" in run.output
    assert summary.read_text().startswith("## TSSE lake validation: GO\n")
    assert all(secret not in summary.read_text() for secret in started.secrets)
    assert '<h2 id="tsse-verdict">GO</h2>' in (run.directory / "report.html").read_text()
    assert 'href="report.html"' in (run.directory / "tests.html").read_text()
    assert len(services) == 3
    assert alive(services) == []
    assert runbook.left_behind() == []


@pytest.fixture(scope="module")
def whole(installed: Controller, stack_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run the runbook once, in full, against a controller that nobody breaks, for all who look at the run."""
    base = tmp_path_factory.mktemp("whole")
    runbook = Runbook(base, stack_directory, list(installed.secrets))
    arguments = (*installed.directly(), *QUICK, "-m", "tier_a", f"--step-summary={base}")
    yield runbook(*arguments, env=installed.environment)
    runbook.close()
    installed.restore()


def test_the_lake_s_files_and_the_lag_of_replication_are_recorded_as_each_step_saw_them(
    whole: Run, installed: Controller
) -> None:
    inspected = [seen for seen in whole.result.partitions if seen.source == "inspection"]
    assert [seen.moment.split()[0] for seen in inspected] == ["before", "after", "once"]
    for seen in inspected[1:]:
        days = {path.parent.parent.name for path in dataset(installed.paths).rglob("*.parquet")}
        assert {f"date={of_date.day}" for of_date in seen.dates if of_date.files} == days
    (by_job,) = (seen for seen in whole.result.partitions if seen.source == "parity")
    assert all(of_date.manifest_files is not None for of_date in by_job.dates)
    looks = whole.result.replication
    assert {look.source for look in looks} == {"inspection", "state_file", "parity"}
    assert [look.at for look in looks] == sorted(look.at for look in looks)
    assert all(look.age_seconds is not None and look.state.computed_through_ts is not None for look in looks)
    (counts,) = (counts for counts in whole.result.counts if counts.source == "job")
    assert whole.result.job_coverage is not None
    assert whole.result.job_coverage.slices > 1
    assert counts.requested is not None
    assert counts.requested.start == counts.window.start


def test_a_step_summary_that_cannot_be_written_is_said_and_changes_no_verdict(whole: Run) -> None:
    assert "could not be written: Is a directory." in " ".join(whole.output.split())
    assert whole.code == EXIT_GO, whole


def test_a_tier_a_run_that_sees_everything_is_go_on_the_suites_own_reading(whole: Run) -> None:
    assert (whole.code, whole.verdict.outcome) == (EXIT_GO, Outcome.GO), whole
    assert {check.key for check in whole.result.checks if check.status is CheckStatus.PASSED} == set(CHECKS)
    assert whole.verdict.not_checked == ()
    assert whole.verdict.basis.startswith("our own reading of Postgres and of the lake's files")
    assert not whole.stack.owned
    assert f"validating: {whole.stack.base_url}" in whole.output


def test_by_the_api_alone_no_proof_is_reached_and_go_needs_that_less_is_accepted(
    runbook: Runbook, controller: Controller
) -> None:
    run = runbook(*controller.by_api(), *QUICK)
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert not run.red
    (reason,) = run.verdict.reasons
    assert reason.startswith("proof was required and ")
    assert "give --database-url (or --setup-config) and --hot-path (absent: no --database-url" in reason
    missing = {missing.check_id: missing for missing in run.verdict.not_checked}
    assert missing.keys() >= DIRECT_CHECKS
    assert not any(missing[check].tolerated for check in DIRECT_CHECKS)
    assert "no --database-url" in missing["counts_agree_for_every_sensor"].reason
    assert "no --hot-path" in missing["no_temporary_file_is_left"].reason
    assert missing["view_only_token_cannot_create_a_job"].tolerated
    assert f"1. P{reason.removeprefix('p')}." in " ".join(run.output.split())

    grade = run.verdict.assurance
    assert reason.endswith(f"or accept it by --require {grade}")
    accepted = runbook(*controller.by_api(), *QUICK, f"--require={grade}")
    assert (accepted.code, accepted.verdict.outcome) == (EXIT_GO, Outcome.GO), accepted
    assert f"VERDICT: GO by {grade}" in accepted.output
    assert f"Less than a proof was accepted, by --require {grade} (command line)" in " ".join(
        accepted.output.split()
    )
    assert "no count here is independent" in accepted.verdict.basis
    assert all(entry.tolerated for entry in accepted.verdict.not_checked)
    assert f'<h2 id="tsse-verdict">GO by {grade}</h2>' in (accepted.directory / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "env"),
    [(["--require-direct"], {}), ([], {"TSSE_REQUIRE_DIRECT": "1"})],
    ids=["option", "environment"],
)
def test_the_option_that_was_for_this_is_refused_with_what_to_use(
    arguments: list[str], env: dict[str, str], runbook: Runbook, controller: Controller
) -> None:
    run = runbook(*controller.by_api(), *arguments, env=env)
    assert run.code == EXIT_USAGE
    assert "use --require proof (which is the default)" in run.output
    assert not run.report_dir.exists()


DRAINED = """
import pytest
from tsse_validation.pytest_plugin.options import RUN

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if "random_windows_agree_by_the_parity_job" in item.name:
        for _ in range(60):
            item.config.stash[RUN].budget.spend("another user")
"""


def test_windows_of_the_job_that_find_the_budget_spent_are_no_reason_against_a_proof(
    directly: Directly, tmp_path: Path
) -> None:
    run = directly(*QUICK, "--max-windows=7", env=meddling(tmp_path, DRAINED))
    assert (run.code, run.verdict.label) == (EXIT_GO, "GO"), run
    check = run.check("random_windows_agree_by_the_parity_job")
    assert (check.status, check.for_want_of_posts) == (CheckStatus.NOT_CHECKED, True)
    (missing,) = run.verdict.not_checked
    assert missing.tolerated
    assert "another user 60" in missing.reason
    assert "another user 60" in " ".join(run.output.split())


def test_our_own_counts_are_go_only_where_they_are_accepted(directly: Directly) -> None:
    run = directly(*QUICK, "--level=count", "--require=counts")
    assert (run.code, run.verdict.label) == (EXIT_GO, "GO by counts"), run
    assert run.verdict.grade.startswith("our own counts of both sides")
    assert run.verdict.proven is not None
    assert run.verdict.proven.rows > 1_000


def test_a_run_that_compares_less_than_the_last_says_so(runbook: Runbook, controller: Controller) -> None:
    arguments = (*controller.directly(), *LOOK, "--skip-backfill")
    note = "smaller than the last run of this controller"
    first = runbook(*arguments, env=controller.environment)
    assert first.result.earlier_run is None
    # passes before the controller's backfill may have brought old rows, which is said, too: no run is known yet
    assert not any(warning.startswith(note) for warning in first.verdict.warnings), first
    controller.backfill(3)
    second = runbook.start(*arguments, env=controller.environment, report_dir=first.report_dir).end()
    document = read_result_json(max(second.report_dir.glob("*/")) / RESULT_JSON)
    assert document.result.earlier_run is not None
    assert document.result.earlier_run.run_id == min(second.report_dir.iterdir()).name
    assert any(warning.startswith(note) for warning in document.verdict.warnings), second
    assert note in " ".join(second.output.split())


@pytest.mark.slow
def test_a_lost_file_is_no_go_until_a_backfill_heals_it(directly: Directly, controller: Controller) -> None:
    lake_file(controller, controller.sensor(), days_ago(5)).unlink()
    looked = directly(*QUICK, "--skip-backfill")
    assert looked.verdict.outcome is Outcome.NO_GO, looked
    assert looked.findings(flagged=True)["shard missing"].heals_by_backfill
    healed = directly(*QUICK)
    assert (healed.code, healed.verdict.outcome) == (EXIT_GO, Outcome.GO), healed
    assert not healed.findings(flagged=True)


@pytest.mark.parametrize(
    "arguments",
    [
        (
            "tests_validation/test_7_windows.py",
            "tests_validation/test_3_inspect.py",
            "tests_validation/test_1_health.py",
        ),
        ("tests_validation/test_6_parity.py", "tests_validation"),
    ],
    ids=["files", "directory"],
)
def test_steps_run_in_runbook_order_whatever_the_order_of_the_arguments(
    arguments: tuple[str, ...], directly: Directly
) -> None:
    run = directly(*arguments, *QUICK, "--skip-backfill")
    assert run.code == EXIT_INCOMPLETE, run
    steps = [check.step for check in run.result.checks]
    assert steps == sorted(steps)
    assert steps[0] == 1
    keys = list(CHECKS)
    lines = [keys.index(check.key) for check in run.result.checks]
    assert lines == sorted(lines)
