"""A run that is stopped or killed is INCOMPLETE, names the job that goes on, and leaves nothing running."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.stacks.workdir import sweep_abandoned
from tests.support.command import (
    EXIT_INCOMPLETE,
    LOGS,
    PATIENCE_SECONDS,
    REPORTS,
    REPOSITORY,
    Runbook,
    alive,
    meddling,
    service_processes,
)
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.polling import wait_until
from tsse_validation.report.markdown.markdown_report import markdown_name
from tsse_validation.runlog.result import RunResult
from tsse_validation.steps.interrupts import deferred_interrupts, interrupt_on_sigterm
from tsse_validation.verdict import decide

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
SLOW_BACKFILL = ("--farm-rows=20000", "--farm-sensors=6", "--backfill-days=365", "--poll-interval=0.1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stopped_in_mid_backfill_is_incomplete_and_leaves_nothing(
    number: signal.Signals, runbook: Runbook
) -> None:
    started = runbook.start(*SLOW_BACKFILL)
    started.wait_for_its_backfill()
    (stack,) = runbook.stacks()
    services = service_processes(stack)
    started.secrets.append((stack / "token.txt").read_text().strip())
    started.process.send_signal(number)
    run = started.end()
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.result.finished is not None
    assert run.result.finished.reason == "interrupted"
    assert "it was stopped before its end" in run.reasons
    (backfill,) = run.result.backfills
    assert backfill.status == "running"
    said = f"The backfill job {backfill.job_id} was running and goes on"
    assert any(note.text.startswith(said) for note in run.result.notes)
    assert {path.name for path in run.files} == {*REPORTS, *LOGS, markdown_name(run.result.started.at)}
    assert said in (run.directory / markdown_name(run.result.started.at)).read_text().replace("\\", "")
    assert "VERDICT: INCOMPLETE" in run.output
    assert "Traceback" not in run.output
    assert len(services) == 3
    assert alive(services) == []
    assert runbook.left_behind() == []


HANGS_AT_ITS_END = """
import pytest, threading
@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish():
    print("ENDING", flush=True)
    threading.Event().wait()
"""


def test_a_second_interrupt_cuts_an_ending_short_that_hangs(
    runbook: Runbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = runbook.start("-s", *SLOW_BACKFILL, env=meddling(tmp_path, HANGS_AT_ITS_END))
    started.wait_for_its_backfill()
    (stack,) = runbook.stacks()
    services = service_processes(stack)
    started.process.send_signal(signal.SIGINT)
    started.wait_for("ENDING")
    started.process.send_signal(signal.SIGINT)
    run = started.end()
    assert run.code == EXIT_INCOMPLETE, run
    assert "Interrupted again: the ending was cut short" in run.output
    assert "Traceback" not in run.output
    assert decide(RunResult.from_log(run.directory / "run.jsonl")).outcome is Outcome.INCOMPLETE
    monkeypatch.setattr(tempfile, "tempdir", str(runbook.temporary))
    assert sweep_abandoned() == [stack]
    assert alive(services) == []


def test_an_output_that_is_full_ends_a_run_as_incomplete_and_not_as_a_no_go(runbook: Runbook) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PYTEST, f"--report-dir={runbook.base}/full", "--base-url=http://127.0.0.1:9", "--auth-token=x"],
            cwd=REPOSITORY,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == EXIT_INCOMPLETE
    assert "The run could not go on: No space left on device." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_who_has_gone_ends_a_run_as_incomplete_and_not_as_a_no_go(runbook: Runbook) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run(
            [*PYTEST, f"--report-dir={runbook.base}/unread", "--base-url=http://127.0.0.1:9", "--auth-token=x"],
            cwd=REPOSITORY,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == EXIT_INCOMPLETE
    assert "The reader of the run's output has gone." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_is_killed_leaves_a_log_that_decides_and_a_stack_that_the_next_run_sweeps(
    runbook: Runbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = runbook.start(*SLOW_BACKFILL)
    started.wait_for_its_backfill()
    (stack,) = runbook.stacks()
    services = service_processes(stack)
    started.process.kill()
    started.process.wait(PATIENCE_SECONDS)
    (directory,) = (path for path in started.report_dir.iterdir() if path.is_dir())
    assert [path.name for path in directory.iterdir()] == ["run.jsonl"]
    result = RunResult.from_log(directory / "run.jsonl")
    verdict = decide(result)
    assert verdict.outcome is Outcome.INCOMPLETE
    assert verdict.reasons[0] == "the run did not end: its log stops in the middle"
    assert [check.check_id for check in result.interrupted] == ["backfill_job_completes"]
    assert "step 4 (backfill): One command backfills the lake: interrupted" in verdict.reasons

    monkeypatch.setattr(tempfile, "tempdir", str(runbook.temporary))
    assert sweep_abandoned() == [stack]
    assert alive(services) == []
    assert wait_until(lambda: runbook.left_behind() == [], seconds=PATIENCE_SECONDS)


@pytest.fixture
def own_handlers() -> Iterator[None]:
    """Put the handlers of signals back at the end."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_handlers")
def test_sigterm_is_held_back_where_ctrl_c_is() -> None:
    interrupt_on_sigterm()
    done = []

    def be_told_to_end_in_the_middle() -> None:
        with deferred_interrupts():
            signal.raise_signal(signal.SIGTERM)
            done.append("what must not be torn apart")

    with pytest.raises(KeyboardInterrupt):
        be_told_to_end_in_the_middle()
    assert done


@pytest.mark.usefixtures("own_handlers")
def test_sigterm_ends_a_run_that_was_told_to_ignore_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt_on_sigterm()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
