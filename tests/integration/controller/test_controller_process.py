"""The controller as a process of its own: its start, its end and its crash (contract section 7)."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.controller.settings import SettingsProblemError, read_settings
from fixtures.processes import Launch, ManagedProcess, http_ready
from tests.integration.controller.support import PATIENCE_SECONDS, FarmRows
from tests.support.given import given
from tests.support.serving import serve
from tsse_validation.domain.polling import wait_until

REPOSITORY = Path(__file__).parents[3]
CONTROLLER = [sys.executable, "-m", "fixtures.controller"]
Start = Callable[..., tuple[ManagedProcess, str]]
SECRET_URL = "postgresql://user:hunter2@127.0.0.1:1/none"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a module of the fixtures, return its process and its URL, and end it with the test."""
    with ExitStack() as ends:

        def run(module: str, **env: str) -> tuple[ManagedProcess, str]:
            launch = Launch(module, tmp_path / f"{module}.log", REPOSITORY, _environment(tmp_path, **env))
            process = ManagedProcess(launch)
            ends.callback(process.kill)
            return process, f"http://127.0.0.1:{serve(process, [sys.executable, '-m', module])}"

        yield run


def test_a_job_killed_with_the_controller_stays_running_after_the_next_start(
    start: Start, conninfo: str, farm: FarmRows, add_token: Callable[..., str]
) -> None:
    headers = {"authorization": f"Bearer {add_token('all', 'analysis.run', 'analysis.view')}"}
    now = datetime.now(UTC)
    for hours in range(1, 60):
        farm.reading("s", now - timedelta(hours=hours), inserted_at=now - timedelta(minutes=5))
    alias = conninfo.replace("postgresql://", "postgresql+psycopg://")

    def ask(method: str, path: str, **options: Any) -> Any:
        answer = httpx.request(method, f"{url}/api/analysis/jobs{path}", headers=headers, **options)
        assert answer.status_code == 200
        return answer.json()

    def post(job_type: str, **params: Any) -> str:
        return str(ask("POST", "", json={"job_type": job_type, "params": params})["job"]["id"])

    def await_status(job: str, status: str) -> None:
        assert wait_until(lambda: ask("GET", f"/{job}")["job"]["status"] == status, seconds=PATIENCE_SECONDS)

    process, url = start("fixtures.controller", CORE_DATABASE_URL=alias)
    long = post("noop_v1", steps=10_000)
    await_status(long, "running")
    process.kill()
    process, url = start("fixtures.controller", CORE_DATABASE_URL=alias)
    backfill = post("lake_backfill_v1", days=3, replace_existing=True)
    assert ask("POST", f"/{long}/cancel")["job"]["status"] == "running"
    await_status(backfill, "completed")
    assert ask("GET", f"/{long}")["job"]["status"] == "running"
    assert ask("GET", f"/{backfill}/result")["result"]["rows_exported"] == 59
    assert "hunter2" not in process.log_path.read_text()


def test_the_controller_serves_without_a_database_makes_qdrants_collection_and_ends_cleanly(
    start: Start, tmp_path: Path
) -> None:
    _, qdrant = start("fixtures.qdrant_standin")
    process, _ = start("fixtures.controller", CORE_DATABASE_URL=SECRET_URL, CORE_QDRANT_URL=qdrant)
    collection = f"{qdrant}/collections/sensor_similarity_v1"
    assert wait_until(lambda: http_ready(collection), seconds=PATIENCE_SECONDS)
    vectors = httpx.get(collection).json()["result"]["config"]["params"]["vectors"]
    assert {name: vector["size"] for name, vector in vectors.items()} == {"value": 128, "delta": 128, "event": 64}
    assert {vector["distance"] for vector in vectors.values()} == {"Cosine"}
    # Once the process is being stopped it has to end by itself, so the fixture's SIGKILL is not what ends it.
    os.kill(given(process.pid), signal.SIGTERM)
    assert wait_until(lambda: not process.running, seconds=PATIENCE_SECONDS)
    log = (tmp_path / "fixtures.controller.log").read_text()
    assert "stopped" in log.splitlines()[-1]
    assert "hunter2" not in log


@pytest.mark.parametrize("module", ["fixtures.controller", "fixtures.qdrant_standin"])
def test_a_service_ends_when_its_parent_is_gone(tmp_path: Path, module: str) -> None:
    parent = (
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-m', '{module}', '--port', '0'])\n"
        "sys.stdin.read()\n"
    )
    env = _environment(tmp_path, CORE_DATABASE_URL=SECRET_URL, TSSE_EXIT_WITH_PARENT="1")
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=REPOSITORY, env=env, stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        said = given(process.stderr)
        # The child is up and watching, and it holds the pipe: the pipe's end is the child's end.
        while b"Uvicorn running" not in said.readline():
            assert process.poll() is None
        given(process.stdin).close()
        rest = said.read()
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
        {"CORE_ANALYSIS_LAKE_COLD_PATH": "/nas/lake"},
        {"CORE_ANALYSIS_LAKE_COLD_PATH": "/data-of-another/cold"},
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


def test_a_link_below_the_data_root_may_lead_elsewhere(tmp_path: Path) -> None:
    root, nas = tmp_path / "data", tmp_path / "nas"
    for directory in (root, nas):
        directory.mkdir()
    cold = root / "cold"
    cold.symlink_to(nas)
    settings = {"CORE_DATABASE_URL": SECRET_URL, "CORE_DATA_ROOT": str(root)}
    assert read_settings(settings | {"CORE_ANALYSIS_LAKE_COLD_PATH": str(cold)}).cold == cold


def test_a_data_root_that_is_a_link_may_be_named_either_way(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    link = tmp_path / "link"
    link.symlink_to(root)
    settings = {"CORE_DATABASE_URL": SECRET_URL, "CORE_DATA_ROOT": str(link)}
    for named in (root, link):
        assert read_settings(settings | {"CORE_ANALYSIS_LAKE_HOT_PATH": str(named / "hot")}).hot == named / "hot"


def _environment(data_root: Path, **env: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in os.environ if not name.startswith(("CORE_", "PG", "TSSE_"))}
    qdrant = {"CORE_QDRANT_URL": "http://127.0.0.1:1", "CORE_DATA_ROOT": str(data_root / "data")}
    return inherited | qdrant | {"PYTHONPATH": str(REPOSITORY)} | env
