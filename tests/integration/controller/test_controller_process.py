"""The controller as a process of its own: its start, its end and its crash (contract section 7)."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.controller.settings import SettingsProblemError, read_settings
from fixtures.processes import Launch, ManagedProcess, http_ready, start_on_free_port
from tests.integration.controller.support import PATIENCE_SECONDS, FarmRows
from tsse_validation.domain.polling import wait_until

REPOSITORY = Path(__file__).parents[3]
CONTROLLER = [sys.executable, "-m", "fixtures.controller"]
SECRET_URL = "postgresql://user:hunter2@127.0.0.1:1/none"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[ManagedProcess, str]]]:
    """Start a module of the fixtures, return its process and its URL, and end it with the test."""
    started: list[ManagedProcess] = []

    def run(module: str, **env: str) -> tuple[ManagedProcess, str]:
        launch = Launch(module, tmp_path / f"{module}.log", REPOSITORY, _environment(tmp_path, **env))
        process = ManagedProcess(launch)
        started.append(process)
        port = start_on_free_port(
            process,
            lambda port: [sys.executable, "-m", module, "--port", str(port)],
            lambda port: http_ready(f"http://127.0.0.1:{port}/healthz"),
            PATIENCE_SECONDS,
        )
        return process, f"http://127.0.0.1:{port}"

    yield run
    for process in started:
        process.kill()


def test_a_job_killed_with_the_controller_runs_again_after_the_next_start(
    start: Callable[..., tuple[ManagedProcess, str]], conninfo: str, farm: FarmRows, add_token: Callable[..., str]
) -> None:
    headers = {"authorization": f"Bearer {add_token('all', 'analysis.run', 'analysis.view')}"}
    now = datetime.now(UTC)
    for hours in range(1, 60):
        farm.reading("s", now - timedelta(hours=hours), inserted_at=now - timedelta(minutes=5))
    alias = conninfo.replace("postgresql://", "postgresql+psycopg://")
    process, url = start("fixtures.controller", CORE_DATABASE_URL=alias)
    body = {"job_type": "noop_v1", "params": {"steps": 10_000}}
    long = httpx.post(f"{url}/api/analysis/jobs", json=body, headers=headers).json()["job"]
    body = {"job_type": "lake_backfill_v1", "params": {"days": 3, "replace_existing": True}}
    backfill = httpx.post(f"{url}/api/analysis/jobs", json=body, headers=headers).json()["job"]
    _await(url, long, headers, lambda job: job["status"] == "running")
    process.kill()
    process, url = start("fixtures.controller", CORE_DATABASE_URL=alias)
    _await(url, long, headers, lambda job: job["status"] == "running")
    _await(url, backfill, headers, lambda job: job["status"] == "completed")
    assert httpx.post(f"{url}/api/analysis/jobs/{long['id']}/cancel", headers=headers).status_code == 200
    _await(url, long, headers, lambda job: job["status"] == "canceled")
    result = httpx.get(f"{url}/api/analysis/jobs/{backfill['id']}/result", headers=headers).json()["result"]
    assert result["rows_exported"] == 59
    assert "hunter2" not in process.log_path.read_text()


def test_the_controller_serves_without_a_database_makes_qdrants_collection_and_ends_cleanly(
    start: Callable[..., tuple[ManagedProcess, str]], tmp_path: Path
) -> None:
    _, qdrant = start("fixtures.qdrant_standin")
    process, _ = start("fixtures.controller", CORE_DATABASE_URL=SECRET_URL, CORE_QDRANT_URL=qdrant)
    collection = f"{qdrant}/collections/sensor_similarity_v1"
    assert wait_until(lambda: http_ready(collection), seconds=PATIENCE_SECONDS)
    vectors = httpx.get(collection).json()["result"]["config"]["params"]["vectors"]
    assert {name: vector["size"] for name, vector in vectors.items()} == {"value": 128, "delta": 128, "event": 64}
    assert {vector["distance"] for vector in vectors.values()} == {"Cosine"}
    # Once the process is being stopped it has to end by itself, so the fixture's SIGKILL is not what ends it.
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    assert wait_until(lambda: not process.running, seconds=PATIENCE_SECONDS)
    log = (tmp_path / "fixtures.controller.log").read_text()
    assert "stopped" in log.splitlines()[-1]
    assert "hunter2" not in log


@pytest.mark.parametrize("module", ["fixtures.controller", "fixtures.qdrant_standin"])
def test_a_service_ends_when_its_parent_is_gone(tmp_path: Path, module: str) -> None:
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-m', '{module}', '--port', '0'])\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    env = _environment(tmp_path, CORE_DATABASE_URL=SECRET_URL, TSSE_EXIT_WITH_PARENT="1")
    with subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=REPOSITORY,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        # The child is up and watching, and it holds the pipe: the pipe's end is the child's end.
        while b"Uvicorn running" not in process.stderr.readline():
            assert process.poll() is None
        process.stdin.close()
        rest = process.stderr.read()
    assert b"Finished server process" in rest


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, "CORE_DATABASE_URL"),
        ({"CORE_DATABASE_URL": "postgresql://user:hunter2@[::1/none"}, "CORE_DATABASE_URL"),
        ({"CORE_DATABASE_URL": SECRET_URL, "CORE_ANALYSIS_LAKE_SHARDS": "many"}, "CORE_ANALYSIS_LAKE_SHARDS"),
    ],
)
def test_a_wrong_setting_ends_with_one_line_and_2(tmp_path: Path, env: dict[str, str], named: str) -> None:
    ended = subprocess.run(
        CONTROLLER, cwd=REPOSITORY, env=_environment(tmp_path, **env), capture_output=True, check=False, text=True
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert named in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "wrong",
    [
        {"CORE_ANALYSIS_REPLICATION_INTERVAL_SECONDS": "9"},
        {"CORE_ANALYSIS_REPLICATION_INTERVAL_SECONDS": "3601"},
        {"CORE_ANALYSIS_REPLICATION_LAG_SECONDS": "-1"},
        {"CORE_ANALYSIS_LAKE_SHARDS": "0"},
        {"CORE_ANALYSIS_LAKE_HOT_PATH": "/elsewhere"},
        {"CORE_ANALYSIS_TMP_PATH": "/data/../elsewhere"},
    ],
)
def test_a_setting_out_of_its_range_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsProblemError, match=next(iter(wrong))):
        read_settings({"CORE_DATABASE_URL": SECRET_URL, "CORE_DATA_ROOT": "/data"} | wrong)


def test_what_is_not_set_has_the_contracts_defaults() -> None:
    settings = read_settings({"CORE_DATABASE_URL": SECRET_URL})
    assert settings.hot == Path("/Users/Shared/FarmDashboard/storage/analysis/lake/hot")
    assert settings.tmp == Path("/Users/Shared/FarmDashboard/storage/analysis/tmp")
    assert settings.cold is None
    assert (settings.shards, settings.retention_days, settings.late_window_hours) == (16, 90, 48)
    assert settings.replication_interval == settings.replication_lag == timedelta(seconds=60)
    assert (settings.max_concurrent_jobs, settings.poll_interval) == (2, timedelta(milliseconds=500))
    assert settings.qdrant_url == "http://127.0.0.1:6333"
    assert "hunter2" not in repr(settings)


def test_the_cold_lake_may_lie_anywhere() -> None:
    settings = read_settings({"CORE_DATABASE_URL": SECRET_URL, "CORE_ANALYSIS_LAKE_COLD_PATH": "/nas/lake"})
    assert settings.cold == Path("/nas/lake")


def _environment(data_root: Path, **env: str) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("CORE_", "PG", "TSSE_"))
    }
    qdrant = {"CORE_QDRANT_URL": "http://127.0.0.1:1", "CORE_DATA_ROOT": str(data_root / "data")}
    return inherited | qdrant | {"PYTHONPATH": str(REPOSITORY)} | env


def _await(
    url: str, job: dict[str, Any], headers: dict[str, str], holds: Callable[[dict[str, Any]], bool]
) -> None:
    def look() -> bool:
        answer = httpx.get(f"{url}/api/analysis/jobs/{job['id']}", headers=headers)
        return holds(answer.json()["job"])

    assert wait_until(look, seconds=PATIENCE_SECONDS)
