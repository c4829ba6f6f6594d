"""A soak for real, of seconds: it proves, it tells of a breach, and it survives what happens to a controller."""

import signal
from collections.abc import Iterator

import pytest

from tests.support.command import EXIT_GO, EXIT_INCOMPLETE, EXIT_NO_GO, QUICK, Run, Runbook, StartedRun
from tests.support.controller import Controller, traffic
from tsse_validation.domain.catalogue import SOAK_CHECKS, Gate
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.polling import wait_until
from tsse_validation.runlog.records import CheckStatus

_NAMES = ("1_health", "2_token", "3_inspect", "4_backfill", "9_soak")
STEPS = (*(f"tests_validation/test_{name}.py" for name in _NAMES), "--backfill-days=11", "--poll-interval=0.25")
RECENT = "watermark_stays_recent_through_the_soak"
ROWS = {"rows_newly_due_are_in_the_lake", "old_days_stay_as_they_were", "whole_range_is_the_same_after_the_soak"}
ALL = {key.removeprefix("test_") for key in SOAK_CHECKS}


@pytest.fixture
def busy(controller: Controller) -> Iterator[Controller]:
    """Lend the controller with traffic on its database."""
    with traffic(controller, history_days=5, upserts=False):
        yield controller


def start(runbook: Runbook, controller: Controller, *more: str) -> StartedRun:
    return runbook.start(*STEPS, *controller.directly(), *more, env=controller.environment)


def wait_for_samples(started: StartedRun, samples: int) -> None:
    """Wait until so many samples are in the run's log, where each must be at once."""

    def seen() -> bool:
        logs = list(started.report_dir.glob("*/run.jsonl"))
        return any(log.read_bytes().count(b'"soak_sample"') >= samples for log in logs)

    assert wait_until(seen, seconds=120), started.output


def proven(run: Run) -> set[str]:
    return {check.check_id for check in run.result.checks if check.step == 9 and check.status.proven}


def kinds(run: Run) -> list[str]:
    return [event.kind for event in run.result.soak_events]


def test_a_soak_of_a_stack_of_our_own_is_go_and_its_gate_line_rests_on_it(runbook: Runbook) -> None:
    farm = ("--farm-rows=5000", "--farm-sensors=8")
    run = runbook(*QUICK, *farm, "--soak=20s", "--soak-pace=1s")
    assert (run.code, run.verdict.outcome) == (EXIT_GO, Outcome.GO), run
    seen = run.result.soak_seen
    assert seen is not None
    assert (seen.ended, seen.breaches, run.result.soak_gaps) == ("completed", 0, ())
    assert seen.proven_seconds >= 20
    assert seen.rows_proven
    assert proven(run) == ALL
    (line,) = [line for line in run.verdict.gates if line.gate is Gate.INCREMENTAL]
    assert "second" in " ".join(line.rests_on or ())
    assert "soak of 20s: 0/20" in run.output


def test_without_a_soak_none_of_its_checks_is_told(runbook: Runbook) -> None:
    run = runbook("--base-url=http://127.0.0.1:9", "--auth-token=a-token")
    assert not [plan for plan in run.result.planned if plan.step == 9]
    assert "step 9" not in run.output


@pytest.mark.slow
def test_a_controller_that_is_killed_and_restarted_in_the_soak_is_told_and_survived(
    runbook: Runbook, busy: Controller
) -> None:
    started = start(runbook, busy, "--soak=40s", "--soak-pace=1s")
    wait_for_samples(started, 5)
    busy.running.controller.kill()
    started.wait_for("refuses the connection")
    busy.start_controller()
    run = started.end()
    assert kinds(run) == ["connection_lost", "connection_back", "restart"], run
    assert proven(run) == ALL, run.reasons


def test_a_controller_that_stands_still_for_longer_than_the_limit_is_a_breach(
    runbook: Runbook, busy: Controller
) -> None:
    started = start(runbook, busy, "--soak=45s", "--soak-pace=1s", "--watermark-max-age=20")
    wait_for_samples(started, 3)
    busy.running.controller.stop()
    started.wait_for("beyond 20 s")
    busy.start_controller()
    run = started.end()
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, Outcome.NO_GO), run
    failed = run.check(RECENT)
    assert failed.status is CheckStatus.FAILED
    assert "The watermark was older than 20 s 1 time: from " in failed.message
    assert "refuses the connection" in failed.message
    *_, breach = run.result.soak_breaches
    assert breach.end is not None
    assert breach.worst_seconds > 20
    # what else the soak proves, it proves all the same
    assert proven(run) == ALL - {RECENT}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_soak_that_is_interrupted_ends_with_what_was_seen(
    number: signal.Signals, runbook: Runbook, controller: Controller
) -> None:
    started = start(runbook, controller, "--soak=1h", "--soak-pace=1s")
    wait_for_samples(started, 5)
    started.process.send_signal(number)
    run = started.end()
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    seen = run.result.soak_seen
    assert seen is not None
    assert (seen.ended, seen.samples) == ("interrupted", sum(one.stands_for for one in run.result.soak_samples))
    assert seen.proven_seconds >= 4
    assert "the soak of 1h did not come to its end" in run.reasons
    assert "Traceback" not in run.output


@pytest.mark.slow
def test_by_the_api_alone_a_soak_samples_by_inspections_and_spends_few_posts(
    runbook: Runbook, controller: Controller
) -> None:
    run = runbook(*STEPS, *controller.by_api(), "--soak=35s", "--soak-pace=1s")
    result = run.result
    assert result.soak_began is not None
    assert (result.soak_began.source, result.soak_began.pace_seconds) == ("inspection", 30)
    assert run.posts.by_purpose["soak"] == len(result.soak_samples) == 3
    assert proven(run) == ALL - ROWS - {"no_temporary_file_stays_in_the_soak"}, run
    assert {one.temporary for one in result.soak_files} == {None}


@pytest.mark.slow
def test_a_soak_that_was_interrupted_is_gone_on_with_by_resume(runbook: Runbook, busy: Controller) -> None:
    started = start(runbook, busy, "--soak=45s", "--soak-pace=1s")
    wait_for_samples(started, 20)
    started.process.send_signal(signal.SIGINT)
    first = started.end()
    before = first.result.soak_seen
    assert before is not None
    log = first.directory / "run.jsonl"
    (report,) = first.directory.glob("tsse-lake-parity-*.md")
    assert f"--resume={log}" in report.read_text(encoding="utf-8")

    run = start(runbook, busy, "--soak=45s", "--soak-pace=1s", f"--resume={log}").end()
    seen, began = run.result.soak_seen, run.result.soak_began
    assert seen is not None
    assert began is not None
    assert began.earlier_run == first.result.started.run_id
    # the time of the earlier soak counts, that between both does not
    assert seen.seconds + before.proven_seconds == pytest.approx(45, abs=5), run
    assert seen.proven_seconds >= 44
    assert seen.samples == sum(one.stands_for for one in run.result.soak_samples)
    (between,) = run.result.soak_gaps
    assert between.start == before.at
    assert proven(run) == ALL, run.reasons
    assert f"The soak of run {began.earlier_run} is gone on with" in " ".join(
        note.text for note in run.result.notes
    )
