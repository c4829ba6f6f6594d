"""What only containers can suffer: the run ends before its deadlines, is never GO, and says what it has met."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from fixtures.images.building import CONTROLLER_TAG, Recipe, build
from fixtures.stacks.containers import CORE, POSTGRES
from fixtures.stacks.engine import STACK_LABEL, sweep_abandoned_stacks
from fixtures.stacks.workdir import sweep_abandoned
from tests.support.command import EXIT_INCOMPLETE, EXIT_NO_GO, PATIENCE_SECONDS, Run, Runbook, is_a_sentence
from tests.system.containers.docker_side import NIGHTLY, ON_LOCAL_IMAGES, SMALL, DockerSide
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.polling import wait_until
from tsse_validation.runlog.records import CheckStatus

pytestmark = pytest.mark.slow

LONG_BACKFILL = (*SMALL, "--backfill-days=365")
DISK_BYTES = 24 * 2**20
SKEW = {"ahead": "+10m", "behind": "-10m"}
_ITS_OWN_CLOCK_ALONE = "inserted_by=database.now,"
_SKEWED = rf"""
ARG BASE
FROM ${{BASE}}
RUN grep -q "{_ITS_OWN_CLOCK_ALONE}" fixtures/controller/__main__.py \
 && sed -i "s/{_ITS_OWN_CLOCK_ALONE}//" fixtures/controller/__main__.py
ENV LD_PRELOAD=/usr/\$LIB/faketime/libfaketimeMT.so.1 DONT_FAKE_MONOTONIC=1 FAKETIME=
"""


def assert_stopped_at(run: Run, check_id: str, *words: str, failed: bool = False) -> None:
    """Hold that a run was stopped by one check, for the reason given, and that nothing was built upon it."""
    code, outcome = (EXIT_NO_GO, Outcome.NO_GO) if failed else (EXIT_INCOMPLETE, Outcome.INCOMPLETE)
    assert (run.code, run.verdict.outcome) == (code, outcome), run
    assert run.check(check_id).status is (CheckStatus.FAILED if failed else CheckStatus.UNPROVEN), run
    run.stopped_at(check_id, *words)


def test_a_core_server_paused_in_mid_backfill(runbook: Runbook, docker_side: DockerSide) -> None:
    started = runbook.start(*ON_LOCAL_IMAGES, *LONG_BACKFILL, "--request-timeout=3")
    started.wait_for_its_backfill()
    docker_side.service(CORE).pause()
    run = started.end()
    assert_stopped_at(run, "backfill_job_completes", "The controller went away while the lake_backfill_v1 job")
    (backfill,) = run.result.backfills
    assert backfill.status == "running"
    assert backfill.job_id in run.check("backfill_job_completes").message
    docker_side.holds_nothing_of(runbook)


def test_a_core_server_killed_in_mid_backfill(runbook: Runbook, docker_side: DockerSide) -> None:
    started = runbook.start(*ON_LOCAL_IMAGES, *LONG_BACKFILL)
    started.wait_for_its_backfill()
    docker_side.service(CORE).kill()
    run = started.end()
    (ended,) = run.result.services_ended
    assert (ended.name, ended.how) == (CORE, "exit status 137")
    assert ended.log_tail
    assert_stopped_at(run, "backfill_job_completes", "The controller went away while the lake_backfill_v1 job")
    docker_side.holds_nothing_of(runbook)


def test_postgres_restarted_in_mid_check(runbook: Runbook, docker_side: DockerSide) -> None:
    started = runbook.start(*ON_LOCAL_IMAGES, *SMALL, "--max-windows=700")
    started.wait_for("step 6  parity")
    docker_side.service(POSTGRES).restart(timeout=5)
    run = started.end()
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.red
    for check in run.red.values():
        assert check.status is CheckStatus.UNPROVEN
        assert check.step == 7
        assert "Postgres" in check.message
        assert is_a_sentence(check.message), check.message
        assert check.advice
    assert "Traceback" not in run.output
    docker_side.holds_nothing_of(runbook)


def test_the_network_cut_between_core_server_and_postgres(runbook: Runbook, docker_side: DockerSide) -> None:
    with docker_side.network("tsse-test-elsewhere") as elsewhere:
        started = runbook.start(*ON_LOCAL_IMAGES, *LONG_BACKFILL, "--request-timeout=8", "--backfill-timeout=60")
        started.wait_for_its_backfill()
        docker_side.move(POSTGRES, elsewhere)
        run = started.end()
    assert_stopped_at(run, "backfill_job_completes", "lake_backfill_v1 job")
    docker_side.holds_nothing_of(runbook)


def test_a_failure_is_recovered_from_and_its_arena_is_gone(runbook: Runbook, docker_side: DockerSide) -> None:
    run = runbook("-m", "failures", "-k", "kill-early-in-backfill", *ON_LOCAL_IMAGES[2:])
    (tried,) = run.result.failures
    assert tried.outcome == "recovered", run
    docker_side.holds_nothing_of(runbook)


def test_a_failure_run_that_is_killed_with_its_controller_paused_is_swept(
    runbook: Runbook, docker_side: DockerSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = runbook.start("-m", "failures", "-k", "pause-longer-than-lag", *ON_LOCAL_IMAGES[2:])

    def paused() -> bool:
        assert started.process.poll() is None, started.output
        return bool(docker_side.client.containers.list(filters={"label": STACK_LABEL, "status": "paused"}))

    assert wait_until(paused, seconds=PATIENCE_SECONDS), started.output
    started.process.kill()
    started.process.wait(PATIENCE_SECONDS)
    assert sweep_abandoned_stacks(docker_side.client)
    monkeypatch.setattr(tempfile, "tempdir", str(runbook.temporary))
    assert sweep_abandoned()
    docker_side.holds_nothing_of(runbook)


def write_without_end(path: Path) -> None:
    """Fill the disk to its last page."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a small disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("not run: to mount a small disk needs root")
    disk = Path(tempfile.mkdtemp(prefix="tsse-disk-", dir="/var/tmp"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0755", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        disk.rmdir()
        pytest.skip(f"not run: no disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
    disk.rmdir()


def test_the_disk_of_the_lake_is_full(small_disk: Path, tmp_path: Path, docker_side: DockerSide) -> None:
    runbook = Runbook(tmp_path, small_disk)
    started = runbook.start(*ON_LOCAL_IMAGES, *LONG_BACKFILL)
    started.wait_for_its_backfill()
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        write_without_end(ballast)
    run = started.end()
    ballast.unlink()
    assert_stopped_at(run, "backfill_job_completes", "No space left on device", failed=True)
    docker_side.holds_nothing_of(runbook)


@pytest.fixture
def skewed_controller(request: pytest.FixtureRequest, engine: DockerClient, tmp_path: Path) -> Iterator[str]:
    """Build a controller that goes by its own clock alone, and whose clock is wrong, by libfaketime."""
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(_SKEWED.strip() + f"{SKEW[request.param]}\n")
    tag = f"tsse-test/skewed:{request.param}"
    build(engine, Recipe(tag, CONTROLLER_TAG, {"Dockerfile": dockerfile}))
    yield tag
    engine.images.remove(tag)


@pytest.mark.parametrize("skewed_controller", SKEW, indirect=True)
def test_a_controller_whose_clock_is_wrong(
    skewed_controller: str, runbook: Runbook, docker_side: DockerSide
) -> None:
    run = runbook(*NIGHTLY, *SMALL, f"--core-image={skewed_controller}", "--settle-timeout=20")
    ahead = skewed_controller.endswith("ahead")
    assert run.verdict.outcome is (Outcome.NO_GO if ahead else Outcome.INCOMPLETE), run
    check = run.check("watermark_is_recent")
    assert check.status is CheckStatus.NOT_CHECKED
    said = re.search(r"The controller's clock is (\d+) s (ahead of|behind) Postgres's", run.reasons)
    assert said is not None, run
    assert 590 <= int(said[1]) <= 610
    assert said[2] == ("ahead of" if ahead else "behind")
    if ahead:  # what was inserted since the backfill lies below its watermark already, and is never replicated
        assert run.check("every_due_row_is_in_the_lake_unchanged").status is CheckStatus.FAILED
    else:
        assert not run.red
    docker_side.holds_nothing_of(runbook)
