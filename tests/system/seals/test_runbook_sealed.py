"""An operator who may not read the lake: its owner seals it by the command that the run prints."""

import re
import shlex
import subprocess
import threading
from collections.abc import Callable

import pytest

from tests.support.command import PATIENCE_SECONDS, QUICK, Directly, Run, Runbook, StartedRun
from tests.support.controller import Controller
from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.polling import wait_until

_PRINTED = re.compile(r"^(?:sudo -u \S+ )?(.* seal lake .*)$", re.MULTILINE)


class Owner(threading.Thread):
    """Runs each command that a run prints as soon as it does, as the lake's owner would in a shell."""

    def __init__(self, started: StartedRun) -> None:
        super().__init__(daemon=True)
        self._of = started
        self.ran: list[str] = []

    def run(self) -> None:
        def goes_on() -> bool:
            for line in _PRINTED.findall(self._of.output):
                if line not in self.ran:
                    self.ran.append(line)
                    subprocess.run(["sh", "-c", line], check=False, timeout=PATIENCE_SECONDS)
            return self._of.process.poll() is not None

        wait_until(goes_on, seconds=PATIENCE_SECONDS, every=0.2)


@pytest.fixture
def sealed(runbook: Runbook, controller: Controller) -> Callable[..., tuple[Run, Owner]]:
    """Run the runbook without the lake, beside an owner who seals it."""

    def run(*arguments: str) -> tuple[Run, Owner]:
        given = [*controller.by_api(), f"--view-token-file={controller.view_token_file}", "--await-seal=2m"]
        started = runbook.start(*given, *arguments, env=controller.environment)
        owner = Owner(started)
        owner.start()
        ended = started.end()
        owner.join()
        return ended, owner

    return run


def test_a_lake_that_its_owner_seals_is_proven(
    sealed: Callable[..., tuple[Run, Owner]], controller: Controller
) -> None:
    run, owner = sealed(*QUICK)
    assert run.is_go_with_nothing_flagged, run
    assert (run.verdict.assurance, len(owner.ran)) == (Assurance.PROOF, 1), run
    assert {seal.side for seal in run.result.seals} == {"postgres", "lake"}
    assert shlex.quote(str(controller.paths.hot)) in owner.ran[0]


@pytest.mark.slow
def test_a_row_that_was_changed_is_told_as_in_a_direct_run(
    sealed: Callable[..., tuple[Run, Owner]], directly: Directly, controller: Controller
) -> None:
    only = (*QUICK, "--skip-backfill", "--max-job-windows=0")
    controller.sql(
        "UPDATE metrics SET value = value + 1 WHERE (sensor_id, ts) = (SELECT sensor_id, ts FROM metrics "
        "WHERE ts BETWEEN now() - interval '4 days' AND now() - interval '3 days' ORDER BY ts LIMIT 1)"
    )
    run, owner = sealed(*only)
    assert run.verdict.outcome is Outcome.NO_GO, run
    assert len(owner.ran) == 2, run
    directly_run = directly(*only)
    told, wanted = (
        {name: (one.summary, one.evidence) for name, one in of.findings(flagged=True).items()}
        for of in (run, directly_run)
    )
    assert told == wanted
    ours, theirs = ((of.directory / "differences.parquet").read_bytes() for of in (run, directly_run))
    assert ours == theirs
