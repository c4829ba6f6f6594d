"""The nightly run on containers ends in its verdict, and leaves nothing in Docker, however it ends."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from fixtures.images.local import POSTGRES
from fixtures.stacks.engine import STACK_LABEL, sweep_abandoned_stacks
from fixtures.stacks.workdir import sweep_abandoned
from tests.support.command import EXIT_GO, EXIT_INCOMPLETE, PATIENCE_SECONDS, Run, Runbook
from tests.system.containers.docker_side import NIGHTLY, ON_LOCAL_IMAGES, SMALL, DockerSide
from tsse_validation.domain.outcome import Outcome
from tsse_validation.runlog.records import CheckStatus

pytestmark = pytest.mark.slow

LOGS = {"core-server.log", "postgres.log", "qdrant.log"}


def logs_of(run: Run) -> dict[str, str]:
    return {path.name: path.read_text() for path in (run.directory / "logs").iterdir()}


def test_the_nightly_run_is_go_and_leaves_nothing(runbook: Runbook, docker_side: DockerSide) -> None:
    run = runbook(*ON_LOCAL_IMAGES, *SMALL)
    assert (run.code, run.verdict.outcome) == (EXIT_GO, Outcome.GO), run
    assert run.verdict.not_checked == ()
    assert run.verdict.rows_compared > 1000
    assert run.stack.kind == "containers"
    described = {part.name: part.description for part in run.stack.components}
    assert "the suite's own reference controller, not a core-server" in described["core-server"]
    assert "Qdrant stand-in" in described["qdrant"]
    assert "no TimescaleDB" in described["postgres"]
    logs = logs_of(run)
    assert logs.keys() == LOGS
    assert "Uvicorn running" in logs["core-server.log"]
    assert "ready to accept connections" in logs["postgres.log"]
    report = (run.directory / "report.html").read_text()
    assert "The logs of the stack&#39;s services are beside this report, in logs/." in report
    docker_side.holds_nothing_of(runbook)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stopped_in_mid_backfill_leaves_nothing_but_its_report(
    number: signal.Signals, runbook: Runbook, docker_side: DockerSide
) -> None:
    started = runbook.start(*ON_LOCAL_IMAGES, *SMALL, "--backfill-days=365")
    started.wait_for_its_backfill()
    started.process.send_signal(number)
    run = started.end()
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert "it was stopped before its end" in run.reasons
    assert "Traceback" not in run.output
    assert logs_of(run).keys() == LOGS
    docker_side.holds_nothing_of(runbook)


def test_a_run_stopped_while_its_stack_starts_leaves_nothing(runbook: Runbook, docker_side: DockerSide) -> None:
    started = runbook.start(*ON_LOCAL_IMAGES, *SMALL)
    started.wait_for("\nLoading a farm")
    started.process.send_signal(signal.SIGINT)
    run = started.end()
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert "Traceback" not in run.output
    docker_side.holds_nothing_of(runbook)


def test_a_killed_run_is_swept_by_the_next(
    runbook: Runbook, docker_side: DockerSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = runbook.start(*ON_LOCAL_IMAGES, *SMALL)
    started.wait_for("\nLoading a farm")
    stack = docker_side.stack()
    assert sweep_abandoned_stacks(docker_side.client) == []
    started.process.kill()
    started.process.wait(PATIENCE_SECONDS)
    assert stack in {container.labels[STACK_LABEL] for container in docker_side.client.containers.list()}
    assert sweep_abandoned_stacks(docker_side.client) == [stack]
    assert docker_side.left_behind() == []
    monkeypatch.setattr(tempfile, "tempdir", str(runbook.temporary))
    assert [path.name for path in sweep_abandoned()] == [stack]
    assert runbook.left_behind() == []


def test_a_kept_stack_runs_on_until_it_is_removed_as_it_says(runbook: Runbook, docker_side: DockerSide) -> None:
    run = runbook(*ON_LOCAL_IMAGES, *SMALL, "--keep-stack", "-k", "healthz")
    assert run.code == EXIT_INCOMPLETE, run
    assert sweep_abandoned_stacks(docker_side.client) == []
    assert docker_side.service("core-server").status == "running"
    removal = run.output.split("Remove it with: ", 1)[1].splitlines()[0]
    assert os.system(removal) == 0  # noqa: S605 - what a user pastes into a shell
    docker_side.holds_nothing_of(runbook)


def first_message(run: Run) -> str:
    """Return why the first check, with which the stack is started, was not made."""
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert "Traceback" not in run.output
    first = run.result.checks[0]
    assert first.status is CheckStatus.UNPROVEN
    return f"{first.message} {first.advice}"


def test_a_core_server_that_dies_is_told_with_its_last_words(runbook: Runbook, docker_side: DockerSide) -> None:
    run = runbook(*NIGHTLY, *SMALL, f"--core-image={POSTGRES}")
    message = first_message(run)
    assert "core-server is not running: its container ended with exit status 2" in message
    assert "POSTGRES_PASSWORD: is needed" in message
    assert "POSTGRES_PASSWORD: is needed" in logs_of(run)["core-server.log"]
    docker_side.holds_nothing_of(runbook)


def test_an_image_that_is_nowhere_is_named_with_its_option(runbook: Runbook, docker_side: DockerSide) -> None:
    run = runbook(*NIGHTLY, *SMALL, "--core-image=registry.invalid/nobody/nothing:1")
    message = first_message(run)
    assert "registry.invalid/nobody/nothing:1 (--core-image) is not on this machine" in message
    assert "python -m fixtures.images.local" in message
    docker_side.holds_nothing_of(runbook)


def test_a_prefix_for_images_with_ryuk_on_is_refused(runbook: Runbook, docker_side: DockerSide) -> None:
    env = {"TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX": "registry.invalid/", "TESTCONTAINERS_RYUK_DISABLED": "false"}
    message = first_message(runbook(*ON_LOCAL_IMAGES, *SMALL, env=env))
    assert "issue 1085" in message
    assert "Set TESTCONTAINERS_RYUK_DISABLED=true" in message
    assert docker_side.left_behind() == []


def test_a_prefix_for_images_goes_before_every_name(runbook: Runbook, docker_side: DockerSide) -> None:
    env = {"TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX": "registry.invalid/"}
    assert "The image registry.invalid/tsse-local/" in first_message(runbook(*ON_LOCAL_IMAGES, env=env))
    assert docker_side.left_behind() == []


def test_without_docker_one_sentence_says_so(tmp_path: Path, runbook: Runbook) -> None:
    run = runbook(*ON_LOCAL_IMAGES, *SMALL, env={"DOCKER_HOST": f"unix://{tmp_path}/no.sock"})
    message = first_message(run)
    assert "The Docker engine can not be reached" in message
    assert "the embedded stack needs none" in message
    assert runbook.left_behind() == []
