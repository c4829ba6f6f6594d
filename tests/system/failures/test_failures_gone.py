"""A run of failures ends with a stack that is gone, whatever was killed in it, and the run itself too."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from fixtures.stacks.mounts import mounted_below
from fixtures.stacks.workdir import sweep_abandoned
from tests.support.command import EXIT_INCOMPLETE, PATIENCE_SECONDS, Runbook, StartedRun, alive, service_processes
from tsse_validation.domain.polling import wait_until

ON_A_DISK = ("-m", "failures", "-k", "disk-full-in-a-pass")
PAUSED = ("-m", "failures", "-k", "pause-longer-than-lag")

needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="not run: only root may mount")


def stack_with_its_lake_on_a_disk(started: StartedRun, runbook: Runbook) -> Path:
    """Wait until the arena's lake is on a disk, and return where the arena is."""

    def mounted() -> bool:
        assert started.process.poll() is None, started.output
        return bool(mounted_below(runbook.temporary))

    assert wait_until(mounted, seconds=PATIENCE_SECONDS), started.output
    (stack,) = (stack for stack in runbook.stacks() if mounted_below(stack))
    return stack


@needs_mounts
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_unmounts_its_disk_and_leaves_nothing(
    number: signal.Signals, runbook: Runbook
) -> None:
    started = runbook.start(*ON_A_DISK)
    services = service_processes(stack_with_its_lake_on_a_disk(started, runbook))
    started.process.send_signal(number)
    run = started.end()
    assert run.code == EXIT_INCOMPLETE, run
    assert "Traceback" not in run.output
    assert alive(services) == []
    assert mounted_below(runbook.temporary) == []
    assert runbook.left_behind() == []


@needs_mounts
@pytest.mark.slow
def test_what_a_killed_run_has_mounted_and_started_is_swept_by_the_next(
    runbook: Runbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = runbook.start(*ON_A_DISK)
    stack = stack_with_its_lake_on_a_disk(started, runbook)
    services = service_processes(stack)
    started.process.kill()
    started.process.wait(PATIENCE_SECONDS)
    monkeypatch.setattr(tempfile, "tempdir", str(runbook.temporary))
    assert stack in sweep_abandoned()
    assert alive(services) == []
    assert mounted_below(runbook.temporary) == []
    assert wait_until(lambda: runbook.left_behind() == [], seconds=PATIENCE_SECONDS)


@pytest.mark.slow
def test_a_controller_that_stands_still_ends_with_a_run_that_was_killed(
    runbook: Runbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = runbook.start(*PAUSED)

    def stands_still() -> bool:
        assert started.process.poll() is None, started.output
        return any(_stopped(identity.pid) for stack in runbook.stacks() for identity in service_processes(stack))

    assert wait_until(stands_still, seconds=PATIENCE_SECONDS), started.output
    services = [identity for stack in runbook.stacks() for identity in service_processes(stack)]
    started.process.kill()
    started.process.wait(PATIENCE_SECONDS)
    monkeypatch.setattr(tempfile, "tempdir", str(runbook.temporary))
    assert sweep_abandoned()
    assert alive(services) == []
    assert wait_until(lambda: runbook.left_behind() == [], seconds=PATIENCE_SECONDS)


def _stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return False
