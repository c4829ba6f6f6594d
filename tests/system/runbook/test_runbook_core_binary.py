"""`--core-binary` runs the runbook against an executable, keeps its log and says when and how it has died."""

from pathlib import Path

import pytest

from tests.support.binaries import controller_binary
from tests.support.command import EXIT_GO, EXIT_INCOMPLETE, LOGS, QUICK, Runbook
from tsse_validation.domain.outcome import Outcome
from tsse_validation.report.markdown.markdown_report import markdown_name
from tsse_validation.runlog.records import CheckStatus

SMALL = ("--farm-rows=1500", "--farm-sensors=6", *QUICK)

DIES_IN_ITS_BACKFILL = """
import os, signal
from fixtures.controller import handlers

def die(*_, **__):
    print("thread 'main' panicked at", os.environ["CORE_DATABASE_URL"], flush=True)
    {death}

handlers.backfill = die
"""
DEATHS = {"exit status 101": "os._exit(101)", "signal SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)"}


def test_a_core_binary_goes_through_the_whole_runbook_and_its_log_is_beside_the_report(
    runbook: Runbook, tmp_path: Path
) -> None:
    binary = controller_binary(tmp_path, "print('the binary itself', *sys.argv[1:], flush=True)")
    run = runbook(*SMALL, f"--core-binary={binary}")
    assert (run.code, run.verdict.outcome) == (EXIT_GO, Outcome.GO), run
    component = run.stack.components[0]
    assert component.description == "core-server binary core-server-rs"
    assert component.version.startswith("sha256:")
    logs = run.directory / "logs"
    assert {path.name for path in logs.iterdir()} == LOGS
    log = (logs / "controller.log").read_text()
    assert "the binary itself --host 127.0.0.1 --port" in log
    assert "stopped" in log.splitlines()[-1]
    assert any("logs/" in note.text for note in run.result.notes)
    assert run.result.services_ended == ()
    assert runbook.left_behind() == []


@pytest.mark.parametrize("how", [pytest.param("exit status 101", marks=pytest.mark.slow), "signal SIGKILL"])
def test_a_core_binary_that_dies_in_the_middle_of_the_run_is_reported_with_its_last_words(
    how: str, runbook: Runbook, tmp_path: Path
) -> None:
    binary = controller_binary(tmp_path, DIES_IN_ITS_BACKFILL.format(death=DEATHS[how]))
    run = runbook(*SMALL, f"--core-binary={binary}")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.check("backfill_job_completes").status is CheckStatus.UNPROVEN
    (ended,) = run.result.services_ended
    assert (ended.name, ended.how) == ("controller", how)
    assert "panicked at" in "".join(ended.log_tail)
    assert f"controller ended in the middle of the run, with {how}" in run.verdict.reasons
    assert f"controller ended in the middle of the run ({how})" in run.output
    assert "panicked at" in run.output.rpartition("VERDICT")[2]
    markdown = (run.directory / markdown_name(run.result.started.at)).read_text()
    for report in (markdown, (run.directory / "report.html").read_text()):
        assert "Services that ended in the middle of the run" in report
        assert "panicked at" in report
    log = (run.directory / "logs" / "controller.log").read_text()
    assert "panicked at postgresql://" in log
    assert "[redacted]" in log
    assert runbook.left_behind() == []


def test_a_core_binary_that_dies_at_its_start_is_reported_with_its_last_words_and_its_log(
    runbook: Runbook, tmp_path: Path
) -> None:
    binary = controller_binary(tmp_path, "sys.exit('no such table: users')")
    run = runbook(*SMALL, f"--core-binary={binary}")
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    first = run.check("core_server_answers_healthz")
    assert first.status is CheckStatus.UNPROVEN
    assert "exit status 1" in first.message
    assert "no such table: users" in first.message
    assert str(run.directory / "logs") in first.advice
    assert "no such table: users" in run.reasons
    assert (run.directory / "logs" / "controller.log").read_text() == "no such table: users\n"
    assert runbook.left_behind() == []
