"""A window that differs is told as small as it can be, with the command that compares just that one again."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.command import EXIT_GO, EXIT_NO_GO, QUICK, REPOSITORY, Directly, Runbook
from tests.support.controller import Controller, days_ago
from tests.support.damage import first_instant, lake_file, rewrite, without_row
from tsse_validation.domain.instants import MICROSECOND, format_rfc3339

LOOK_ONLY = (*QUICK, "--skip-backfill", "--max-job-windows=0")
RANDOM = "random_windows_agree_by_direct_count[random]"


def repeated(command: str, controller: Controller) -> subprocess.CompletedProcess[str]:
    """Run a command that a report has told, as a user in a new shell does, who gives no more than the password."""
    program, *arguments = shlex.split(command)
    path = Path(sys.executable).with_name(program)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TSSE_", "PG"))}
    return subprocess.run(
        [path, *arguments],
        env=inherited | {"PGPASSWORD": str(conninfo_to_dict(controller.conninfo).get("password") or "none")},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def lost(controller: Controller) -> str:
    """Take a row out of the lake, amid a covered range that drawn windows fill at any hour; return its instant."""
    controller.backfill(2)
    sensor, day = controller.sensor(), days_ago(1)
    instant = first_instant(controller, sensor, day)
    rewrite(lake_file(controller, sensor, day), without_row(sensor))
    return format_rfc3339(instant)


def test_a_failing_window_is_told_as_the_microsecond_that_differs_and_how_to_compare_it_again(
    lost: str, directly: Directly, controller: Controller
) -> None:
    run = directly(*LOOK_ONLY, "--max-windows=420")
    assert run.code == EXIT_NO_GO, run
    check, sensor = run.check(RANDOM), controller.sensor()
    assert check.message.startswith(f"Window {lost} → {lost}: Postgres 1, lake 0, 1 sensors differ ({sensor})")
    assert "with --window-seed 20260124." in check.message
    command = check.facts["to repeat"]
    assert f"To compare this window again: {command}" in check.advice
    told = [run.directory / name for name in ("report.html", "junit.xml", "ctrf.json", "result.json")]
    for text in (path.read_text() for path in told):
        assert "tsse-validate parity --mode direct" in text
        assert f"--start {lost} --end {lost}" in text
    (smallest,) = [
        (window.postgres, window.lake, window.mismatching)
        for window in run.result.windows
        if window.edge == "random" and window.start == window.end and window.mismatching
    ]
    assert smallest == (1, 0, (sensor,))

    again = repeated(command, controller)
    assert again.returncode == EXIT_NO_GO, again
    assert f"| `{sensor}` | 1 | 0 | ❌ |" in again.stdout
    assert "rows missing: 1 row of 1 sensor" in again.stdout
    assert f"Window (checked): `{lost}` → `{lost}`" in again.stdout
    controller.restore()
    healed = repeated(command, controller)
    assert healed.returncode == EXIT_GO, healed
    assert f"| `{sensor}` | 1 | 1 | ✅ |" in healed.stdout


@pytest.mark.slow
def test_by_the_job_a_failing_window_is_told_with_the_command_that_counts_it_again(
    runbook: Runbook, controller: Controller
) -> None:
    sensor = controller.sensor()
    for days in range(1, 10):
        lake_file(controller, sensor, days_ago(days)).unlink()
    run = runbook(*controller.by_api(), *QUICK, "--skip-backfill", f"--sensor-ids={sensor}")
    assert run.code == EXIT_NO_GO, run
    check = run.check("random_windows_agree_by_the_parity_job")
    command = check.facts["to repeat"]
    assert f"--sensor-ids {sensor}" in command
    again = repeated(command, controller)
    assert again.returncode == EXIT_NO_GO, again
    assert "❌" in again.stdout
    failing = [window for window in run.result.windows if window.mismatching][-1]
    assert failing.start + MICROSECOND <= failing.end
    assert f"`{format_rfc3339(failing.start)}` → `{format_rfc3339(failing.end)}`" in again.stdout
