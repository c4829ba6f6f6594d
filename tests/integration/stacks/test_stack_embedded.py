import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from fixtures.farm import FarmSpec, Role
from fixtures.identity import ProcessIdentity
from fixtures.postgres import EmbeddedPostgres
from fixtures.stacks.embedded import EmbeddedOptions, RunningStack, embedded_stack, running_stack
from fixtures.stacks.workdir import Workdir, sweep_abandoned
from tests.integration.stacks.conftest import processes_below, scalar
from tests.support.given import given, told
from tsse_validation.domain.errors import StackError
from tsse_validation.domain.polling import wait_until
from tsse_validation.steps.validated_stack import Stack

REPOSITORY = Path(__file__).parents[3]
FARM = FarmSpec(sensors=6, rows=5_000)
pytestmark = pytest.mark.usefixtures("clean_tmp")
Program = Callable[[str], Path]


def quiet(text: str) -> None:
    pass


@pytest.fixture
def options(program: Program, healthy_server: str) -> EmbeddedOptions:
    """Return a stack with a core-server that does nothing, so that it starts fast."""
    return EmbeddedOptions(farm=FARM, core_binary=program(healthy_server), qdrant_url="http://127.0.0.1:9")


def processes_of(running: RunningStack) -> list[ProcessIdentity]:
    notes = sorted((running.workdir / "processes").glob("*.json"))
    return [ProcessIdentity.from_json(note.read_text()) for note in notes]


def health(stack: Stack) -> httpx.Response:
    return httpx.get(f"{stack.base_url}/healthz")


def refusal(options: EmbeddedOptions, told: str, say: Callable[[str], None] = quiet) -> StackError:
    with pytest.raises(StackError, match=told) as caught, running_stack(options, say):
        pass
    return caught.value


def status_of_a_job(stack: Stack, token: str) -> int:
    job = {"job_type": "noop_v1", "params": {"steps": 1}, "job_key": None, "dedupe": False}
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{stack.base_url}/api/analysis/jobs", json=job, headers=headers).status_code


def test_a_stack_has_everything_that_a_check_may_look_at() -> None:
    spoken: list[str] = []
    with running_stack(EmbeddedOptions(farm=FARM, rng=random.Random(1)), spoken.append) as running:
        stack = running.stack
        assert (stack.kind, stack.owned) == ("embedded", True)
        assert health(stack).json() == {"status": "ok"}
        assert httpx.get(f"{stack.qdrant_url}/healthz").text == "healthz check passed"
        token_file, lake = given(stack.token_file), given(stack.lake)
        assert token_file.read_text().splitlines() == [stack.token.get_secret_value()]
        assert token_file.stat().st_mode & 0o777 == 0o600
        assert scalar(told(stack.conninfo), "SELECT count(*) FROM metrics") >= running.farm.rows
        assert lake.hot.is_dir()
        assert given(lake.cold).is_dir()
        assert set(stack.logs) == {"controller", "postgres", "qdrant"}
        assert all(path.is_file() for path in stack.logs.values())
        assert [component.name for component in stack.components] == ["core-server", "postgres", "qdrant", "farm"]
        assert "reference controller" in stack.components[0].description
        assert "stand-in" in stack.components[2].description
        secrets = [told(secret) for secret in (stack.token, stack.view_token, stack.conninfo)]
        tokens = [*secrets[:2], "unknown"]
        assert [status_of_a_job(stack, token) for token in tokens] == [200, 403, 401]
        assert running.ingest is not None
        processes = processes_of(running)
        assert len(processes) == 3
        shown = repr(stack) + "".join(spoken) + "".join(path.read_text() for path in stack.logs.values())
        assert not any(secret in shown for secret in secrets)
    assert [process for process in processes if process.alive] == []


def test_a_core_binary_gets_the_settings_of_the_contract_and_no_secret_in_its_arguments(
    options: EmbeddedOptions, program: Program, healthy_server: str
) -> None:
    binary = program(
        "import os, sys\n"
        "print(sys.argv)\n"
        "print(*(f'{name} {value}' for name, value in os.environ.items()), sep='\\n', flush=True)\n"
        f"{healthy_server}"
    )
    with running_stack(replace(options, core_binary=binary, shards=4), quiet) as running:
        stack, lake = running.stack, given(running.stack.lake)
        arguments, *environment = running.controller.log_path.read_text().splitlines()
        settings = dict(line.partition(" ")[::2] for line in environment)
        expected = {
            "CORE_DATABASE_URL": told(stack.conninfo),
            "CORE_ANALYSIS_LAKE_HOT_PATH": str(lake.hot),
            "CORE_ANALYSIS_LAKE_COLD_PATH": str(lake.cold),
            "CORE_ANALYSIS_LAKE_SHARDS": "4",
            "CORE_ANALYSIS_REPLICATION_INTERVAL_SECONDS": "10",
            "CORE_ENABLE_EXTERNAL_DEVICES": "false",
            "TSSE_EXIT_WITH_PARENT": "1",
        }
        assert settings | expected == settings
        assert lake.shards == 4
        for name in ("CORE_ANALYSIS_LAKE_HOT_PATH", "CORE_ANALYSIS_TMP_PATH"):
            assert Path(settings[name]).is_relative_to(settings["CORE_DATA_ROOT"])
        assert given(running.postgres).password not in arguments
        assert "core-server binary fake-core-server" in stack.components[0].description
        assert stack.components[0].version.startswith("sha256:")


def test_a_core_binary_that_crashes_at_its_start_is_reported_with_its_log_and_all_is_cleaned_up(
    options: EmbeddedOptions, program: Program
) -> None:
    binary = program("import os\nprint('no luck with', os.environ['CORE_DATABASE_URL'])\nraise SystemExit(3)")
    words = r"(?s)controller is not running.*exit status 3.*no luck with .*\[redacted\]"
    assert "removed with the stack" in refusal(replace(options, core_binary=binary), words).advice


def test_a_core_binary_that_is_none_is_refused_before_anything_is_started(
    options: EmbeddedOptions, tmp_path: Path
) -> None:
    spoken: list[str] = []
    refusal(replace(options, core_binary=tmp_path), "not an executable file", spoken.append)
    assert spoken == []


@pytest.mark.parametrize("moment", ["Starting PostgreSQL", "Loading", "stand-in", "fake-core-server", "in use"])
def test_ctrl_c_at_any_moment_leaves_nothing_behind(options: EmbeddedOptions, moment: str) -> None:
    def interrupt_at(text: str) -> None:
        if moment in text:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), running_stack(replace(options, qdrant_url=None), interrupt_at):
        interrupt_at("in use")


def test_ctrl_c_while_the_database_is_made_leaves_nothing_behind(options: EmbeddedOptions, own_tmp: Path) -> None:
    def interrupt_in_the_middle() -> None:
        assert wait_until(lambda: any(own_tmp.glob("*/postgres/data/base")), seconds=30, every=0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt_in_the_middle)
    thread.start()
    with pytest.raises(KeyboardInterrupt), running_stack(options, quiet):
        wait_until(lambda: False, seconds=30)
    thread.join()


def test_a_failing_check_leaves_nothing_behind(options: EmbeddedOptions) -> None:
    with pytest.raises(ZeroDivisionError), embedded_stack(replace(options, live_ingest=False), quiet):
        _ = 1 / 0


def test_two_stacks_run_side_by_side(options: EmbeddedOptions) -> None:
    with ExitStack() as both:
        one, two = (both.enter_context(running_stack(options, quiet)).stack for _ in range(2))
        for name in ("base_url", "lake", "token", "conninfo"):
            assert getattr(one, name) != getattr(two, name)
        assert health(one).status_code == health(two).status_code == 200


def test_a_service_of_a_stack_can_be_broken_and_is_then_reported(options: EmbeddedOptions) -> None:
    with running_stack(options, quiet) as running:
        running.controller.check_alive()
        assert running.stack.ended() == ()
        running.controller.kill()
        (ended,) = running.stack.ended()
        assert (ended.name, ended.how) == ("controller", "signal SIGKILL")
        with pytest.raises(StackError, match="SIGKILL"):
            running.controller.check_alive()
        postgres, ingest = given(running.postgres), given(running.ingest)
        postgres.kill()
        postgres.start()
        seen = ingest.counts.fresh
        assert wait_until(lambda: ingest.counts.fresh > seen, seconds=30)
        assert running.farm.ids(Role.FORECAST)
    assert running.stack.ended() == (ended,)


def test_a_stack_on_a_named_server_has_a_database_of_its_own_there_and_drops_it(
    options: EmbeddedOptions, postgres: EmbeddedPostgres
) -> None:
    with psycopg.connect(postgres.conninfo, autocommit=True) as connection:
        before = connection.execute("SELECT datname FROM pg_database").fetchall()
        with running_stack(replace(options, server_conninfo=postgres.conninfo), quiet) as running:
            assert running.postgres is None
            assert "postgres" not in running.stack.logs
            assert "/tsse_validation_" in told(running.stack.conninfo)
        assert connection.execute("SELECT datname FROM pg_database").fetchall() == before


def test_a_used_database_is_refused_with_its_reason_and_the_stack_is_gone(
    options: EmbeddedOptions, farm_database: str
) -> None:
    refused = refusal(replace(options, server_conninfo=farm_database), r"already holds tables.*live controller")
    assert "Name a database without tables" in refused.advice


def test_the_stack_of_a_run_that_was_killed_is_swept_with_its_processes_by_the_next(
    options: EmbeddedOptions, own_tmp: Path
) -> None:
    source = f"""
import os, signal
from pathlib import Path
from fixtures.farm import FarmSpec
from fixtures.stacks.embedded import EmbeddedOptions, running_stack
options = EmbeddedOptions(
    farm=FarmSpec(sensors=6, rows=5_000), core_binary=Path({str(options.core_binary)!r}), qdrant_url="http://127.0.0.1:9"
)
with running_stack(options, print):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    where: dict[str, Any] = {"cwd": REPOSITORY, "env": {**os.environ, "TMPDIR": str(own_tmp)}}
    result = subprocess.run([sys.executable, "-c", source], **where, capture_output=True, text=True, check=False)
    assert result.returncode == -signal.SIGKILL, result.stderr
    (left,) = own_tmp.iterdir()
    processes = [ProcessIdentity.from_json(note.read_text()) for note in (left / "processes").glob("*.json")]
    assert [process.alive for process in processes] == [True, True]
    assert sweep_abandoned() == [left]
    assert [process for process in processes if process.alive] == []


def test_a_kept_stack_stays_running_and_says_how_to_end_it(options: EmbeddedOptions, own_tmp: Path) -> None:
    spoken: list[str] = []
    with running_stack(replace(options, keep=True), spoken.append) as running:
        processes = processes_of(running)
    try:
        assert health(running.stack).status_code == 200
        assert str(running.workdir) in spoken[-1]
        assert all(str(process.pid) in spoken[-1] for process in processes)
        assert sweep_abandoned() == []
        command = spoken[-1].rpartition("Remove it with: ")[2]
        subprocess.run(["sh", "-c", command], check=True)
        assert wait_until(lambda: not any(process.alive for process in processes), seconds=30)
        assert wait_until(lambda: list(own_tmp.iterdir()) == [], seconds=30)
    finally:
        Workdir(running.workdir).end_processes()


def test_a_stack_to_be_kept_that_does_not_start_keeps_its_logs_but_no_process(
    options: EmbeddedOptions, program: Program, own_tmp: Path
) -> None:
    spoken: list[str] = []
    binary = program("print('no luck'); raise SystemExit(3)")
    refusal(replace(options, core_binary=binary, keep=True), "no luck", spoken.append)
    (left,) = own_tmp.iterdir()
    assert "its services are ended" in spoken[-1]
    assert (left / "logs" / "controller.log").read_text() == "no luck\n"
    assert processes_below(own_tmp) == []
    shutil.rmtree(left)
