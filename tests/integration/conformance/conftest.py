import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from fixtures.bench import StackBench
from fixtures.processes import http_ready
from fixtures.stacks.embedded import RunningStack, running_stack
from tests.support.command import Runbook
from tests.support.controller import OPTIONS, Controller
from tests.support.given import told
from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.http import HttpClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.conformance.subject import Subject
from tsse_validation.settings.loading import load_settings
from tsse_validation.steps.run import begin_run

MUTANT = "tests.integration.conformance.mutant"


@pytest.fixture
def runbook(tmp_path: Path) -> Iterator[Runbook]:
    with tempfile.TemporaryDirectory(prefix="tsse-conformance-") as name:
        path = Path(name).resolve()
        path.chmod(0o755)
        runbook = Runbook(tmp_path, path)
        yield runbook
        runbook.close()


@pytest.fixture(scope="module")
def running() -> Iterator[RunningStack]:
    """Run one stack, with fresh rows for the parity jobs."""
    with running_stack(replace(OPTIONS, live_ingest=True), lambda _: None) as running:
        yield running


@pytest.fixture
def controller(running: RunningStack, tmp_path: Path) -> Controller:
    return Controller(running, tmp_path)


@pytest.fixture(scope="module")
def put(running: RunningStack) -> Callable[[str], None]:
    """Let the mutant of a group be the controller, in the other's place and with no job of its time."""
    process, port = running.controller, urlsplit(running.stack.base_url).port
    there = ""

    def start(group: str) -> None:
        nonlocal there
        if group == there:
            return
        process.kill()
        with psycopg.connect(told(running.stack.conninfo), autocommit=True) as connection:
            connection.execute("TRUNCATE analysis_jobs CASCADE")
        process.start([sys.executable, "-m", MUTANT, group, "--host", "127.0.0.1", "--port", str(port)])
        process.wait_ready(lambda: http_ready(f"http://127.0.0.1:{port}/healthz"), 60)
        there = group

    return start


@pytest.fixture
def subject_of(
    put: Callable[[str], None], running: RunningStack, tmp_path: Path
) -> Iterator[Callable[[str], Subject]]:
    """Provide the subject of a group's mutant; each test has jobs of its own."""
    given = {"report_dir": str(tmp_path), "job_timeout": "8", "backfill_timeout": "60", "poll_interval": "0.25"}
    run = begin_run(load_settings(given, tmp_path), {})
    stack = running.stack
    http = HttpClient.from_settings(stack.base_url, "core-server", run.settings)
    core = CoreClient(http, stack.token, run.budget)
    subject = Subject(run, stack, http, JobRunner(core, poll_interval=0.25), StackBench(stack))

    def of(group: str) -> Subject:
        put(group)
        return subject

    yield of
    subject.close()
    http.close()
    run.log.close()
