"""Embedded stacks stay out of each other's way, and one that is kept says how it is used and removed."""

import subprocess
import sys
from pathlib import Path

from fixtures.processes import http_ready
from tests.support.command import EXIT_GO, EXIT_INCOMPLETE, PATIENCE_SECONDS, Runbook, alive, service_processes
from tsse_validation.domain.polling import wait_until

DOCTOR = Path(sys.executable).with_name("tsse-validate").as_posix() + " doctor"
SMALL = ("--farm-rows=1500", "--farm-sensors=6", "--max-windows=14")


def test_two_runs_side_by_side_do_not_collide(runbook: Runbook, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    both = [runbook.start(*SMALL, report_dir=reports) for _ in range(2)]
    runs = [started.end() for started in both]
    assert [run.code for run in runs] == [EXIT_GO, EXIT_GO], "\n".join(map(str, runs))
    assert len([path for path in reports.iterdir() if (path / "result.json").is_file()]) == 2
    assert runbook.left_behind() == []


def test_a_kept_stack_runs_on_until_it_is_removed_as_it_says(runbook: Runbook) -> None:
    run = runbook(*SMALL, "--keep-stack", "-k", "healthz")
    assert run.code == EXIT_INCOMPLETE, run
    (stack,) = runbook.stacks()
    services = service_processes(stack)
    try:
        assert len(services) == 3
        assert all(service.alive for service in services)
        assert http_ready(f"{run.stack.base_url}/healthz")
        said = run.output.split("A run against it: tsse-validate run ", 1)[1].splitlines()[0]
        assert (stack / "pgpass").read_text().strip().rpartition(":")[2] not in run.output
        assert (stack / "token.txt").read_text().strip() not in run.output
        tried = subprocess.run(["sh", "-c", f"{DOCTOR} {said}"], capture_output=True, text=True, check=False)
        assert tried.returncode == EXIT_GO, tried
        assert "table public.metrics" in tried.stdout
    finally:
        removal = run.output.split("Remove it with: ", 1)[1].splitlines()[0]
        subprocess.run(["sh", "-c", removal], check=True)
    assert alive(services) == []
    assert wait_until(lambda: runbook.left_behind() == [], seconds=PATIENCE_SECONDS)
