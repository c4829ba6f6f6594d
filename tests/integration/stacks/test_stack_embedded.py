import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest

from fixtures.farm import FarmSpec, Role
from fixtures.identity import ProcessIdentity
from fixtures.postgres import EmbeddedPostgres
from fixtures.stacks.embedded import EmbeddedOptions, RunningStack, embedded_stack, running_stack
from fixtures.stacks.workdir import Workdir, sweep_abandoned
from tsse_validation.domain.errors import StackError
from tsse_validation.domain.polling import wait_until
from tsse_validation.steps.validated_stack import Stack

REPOSITORY = Path(__file__).parents[3]
FARM = FarmSpec(sensors=6, rows=5_000)
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


def processes_below(directory: Path) -> list[str]:
    result = subprocess.run(["ps", "axww", "-o", "args="], capture_output=True, text=True, check=True)
    return [line for line in result.stdout.splitlines() if str(directory) in line]


def status_of_a_job(stack: Stack, token: str) -> int:
    job = {"job_type": "noop_v1", "params": {"steps": 1}, "job_key": None, "dedupe": False}
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{stack.base_url}/api/analysis/jobs", json=job, headers=headers).status_code


def test_a_stack_has_everything_that_a_check_may_look_at(own_tmp: Path) -> None:
    spoken: list[str] = []
    with running_stack(EmbeddedOptions(farm=FARM, rng=random.Random(1)), spoken.append) as running:
        stack = running.stack
        assert stack.kind == "embedded"
        assert stack.owned
        assert httpx.get(f"{stack.base_url}/healthz").json() == {"status": "ok"}
        assert stack.qdrant_url is not None
        assert httpx.get(f"{stack.qdrant_url}/healthz").text == "healthz check passed"
        assert stack.token_file is not None
        assert stack.token_file.read_text().splitlines() == [stack.token.get_secret_value()]
        assert stack.token_file.stat().st_mode & 0o777 == 0o600
        assert stack.conninfo is not None
        with psycopg.connect(stack.conninfo.get_secret_value()) as connection:
            row = connection.execute("SELECT count(*) FROM metrics").fetchone()
        assert row is not None
        assert row[0] >= running.farm.rows
        assert stack.lake is not None
        assert stack.lake.hot.is_dir()
        assert stack.lake.cold is not None
        assert stack.lake.cold.is_dir()
        assert set(stack.logs) == {"controller", "postgres", "qdrant"}
        assert all(path.is_file() for path in stack.logs.values())
        assert [component.name for component in stack.components] == ["core-server", "postgres", "qdrant", "farm"]
        assert "reference controller" in stack.components[0].description
        assert "stand-in" in stack.components[2].description
        assert stack.view_token is not None
        tokens = [stack.token.get_secret_value(), stack.view_token.get_secret_value(), "unknown"]
        assert [status_of_a_job(stack, token) for token in tokens] == [200, 403, 401]
        assert running.ingest is not None
        processes = processes_of(running)
        assert len(processes) == 3
        secrets = [stack.token, stack.view_token, stack.conninfo]
        shown = repr(stack) + "".join(spoken) + "".join(path.read_text() for path in stack.logs.values())
        assert not any(secret is None or secret.get_secret_value() in shown for secret in secrets)
    assert [process for process in processes if process.alive] == []
    assert list(own_tmp.iterdir()) == []


def test_a_core_binary_gets_the_settings_of_the_contract_and_no_secret_in_its_arguments(
    options: EmbeddedOptions, program: Program, healthy_server: str, own_tmp: Path
) -> None:
    binary = program(
        "import os, sys\n"
        "print(sys.argv)\n"
        "print(*(f'{name} {value}' for name, value in os.environ.items()), sep='\\n', flush=True)\n"
        f"{healthy_server}"
    )
    with running_stack(replace(options, core_binary=binary, shards=4), quiet) as running:
        stack = running.stack
        assert stack.conninfo is not None
        assert stack.lake is not None
        arguments, *environment = running.controller.log_path.read_text().splitlines()
        settings = dict(line.partition(" ")[::2] for line in environment)
        assert settings["CORE_DATABASE_URL"] == stack.conninfo.get_secret_value()
        assert settings["CORE_ANALYSIS_LAKE_HOT_PATH"] == str(stack.lake.hot)
        assert settings["CORE_ANALYSIS_LAKE_COLD_PATH"] == str(stack.lake.cold)
        assert settings["CORE_ANALYSIS_LAKE_SHARDS"] == "4"
        assert stack.lake.shards == 4
        assert settings["CORE_ANALYSIS_REPLICATION_INTERVAL_SECONDS"] == "10"
        assert settings["CORE_ENABLE_EXTERNAL_DEVICES"] == "false"
        assert settings["TSSE_EXIT_WITH_PARENT"] == "1"
        for name in ("CORE_ANALYSIS_LAKE_HOT_PATH", "CORE_ANALYSIS_TMP_PATH"):
            assert Path(settings[name]).is_relative_to(settings["CORE_DATA_ROOT"])
        assert running.postgres is not None
        assert running.postgres.password not in arguments
        assert "core-server binary fake-core-server" in stack.components[0].description
        assert stack.components[0].version.startswith("sha256:")
    assert list(own_tmp.iterdir()) == []


def test_a_core_binary_that_crashes_at_its_start_is_reported_with_its_log_and_all_is_cleaned_up(
    options: EmbeddedOptions, program: Program, own_tmp: Path
) -> None:
    binary = program("import os\nprint('no luck with', os.environ['CORE_DATABASE_URL'])\nraise SystemExit(3)")
    with (
        pytest.raises(
            StackError, match=r"(?s)controller is not running.*exit status 3.*no luck with .*\[redacted\]"
        ) as caught,
        running_stack(replace(options, core_binary=binary), quiet),
    ):
        pass
    assert "removed with the stack" in caught.value.advice
    assert processes_below(own_tmp) == []
    assert list(own_tmp.iterdir()) == []


def test_a_binary_that_is_none_starts_nothing(options: EmbeddedOptions, tmp_path: Path, own_tmp: Path) -> None:
    spoken: list[str] = []
    with (
        pytest.raises(StackError, match="not an executable file"),
        running_stack(replace(options, core_binary=tmp_path), spoken.append),
    ):
        pass
    assert spoken == []
    assert list(own_tmp.iterdir()) == []


@pytest.mark.parametrize("moment", ["Starting PostgreSQL", "Loading", "stand-in", "fake-core-server", "in use"])
def test_ctrl_c_at_any_moment_leaves_nothing_behind(options: EmbeddedOptions, own_tmp: Path, moment: str) -> None:
    def interrupt_at(text: str) -> None:
        if moment in text:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), running_stack(replace(options, qdrant_url=None), interrupt_at):
        interrupt_at("in use")
    assert processes_below(own_tmp) == []
    assert list(own_tmp.iterdir()) == []


def test_ctrl_c_while_the_database_is_made_leaves_nothing_behind(options: EmbeddedOptions, own_tmp: Path) -> None:
    def interrupt_in_the_middle() -> None:
        assert wait_until(lambda: any(own_tmp.glob("*/postgres/data/base")), seconds=30, every=0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt_in_the_middle)
    thread.start()
    with pytest.raises(KeyboardInterrupt), running_stack(options, quiet):
        wait_until(lambda: False, seconds=30)
    thread.join()
    assert processes_below(own_tmp) == []
    assert list(own_tmp.iterdir()) == []


def test_a_failing_check_leaves_nothing_behind(options: EmbeddedOptions, own_tmp: Path) -> None:
    with pytest.raises(ZeroDivisionError), embedded_stack(replace(options, live_ingest=False), quiet):
        _ = 1 / 0
    assert processes_below(own_tmp) == []
    assert list(own_tmp.iterdir()) == []


def test_two_stacks_run_side_by_side(options: EmbeddedOptions, own_tmp: Path) -> None:
    with ExitStack() as both:
        one, two = (both.enter_context(running_stack(options, quiet)).stack for _ in range(2))
        assert one.base_url != two.base_url
        assert one.lake != two.lake
        assert one.token != two.token
        assert one.conninfo != two.conninfo
        assert httpx.get(f"{one.base_url}/healthz").status_code == 200
        assert httpx.get(f"{two.base_url}/healthz").status_code == 200
    assert list(own_tmp.iterdir()) == []


def test_a_service_of_a_stack_can_be_broken_and_is_then_reported(options: EmbeddedOptions, own_tmp: Path) -> None:
    with running_stack(options, quiet) as running:
        running.controller.check_alive()
        assert running.stack.ended() == ()
        running.controller.kill()
        (ended,) = running.stack.ended()
        assert (ended.name, ended.how) == ("controller", "signal SIGKILL")
        with pytest.raises(StackError, match="SIGKILL"):
            running.controller.check_alive()
        assert running.postgres is not None
        running.postgres.kill()
        running.postgres.start()
        assert running.ingest is not None
        seen = running.ingest.counts.fresh
        ingest = running.ingest
        assert wait_until(lambda: ingest.counts.fresh > seen, seconds=30)
        assert running.farm.ids(Role.FORECAST)
    assert running.stack.ended() == (ended,)
    assert list(own_tmp.iterdir()) == []


def test_a_stack_on_a_named_server_has_a_database_of_its_own_there_and_drops_it(
    options: EmbeddedOptions, postgres: EmbeddedPostgres, own_tmp: Path
) -> None:
    with psycopg.connect(postgres.conninfo, autocommit=True) as connection:
        before = connection.execute("SELECT datname FROM pg_database").fetchall()
        with running_stack(replace(options, server_conninfo=postgres.conninfo), quiet) as running:
            assert running.postgres is None
            assert "postgres" not in running.stack.logs
            conninfo = running.stack.conninfo
            assert conninfo is not None
            assert "/tsse_validation_" in conninfo.get_secret_value()
        assert connection.execute("SELECT datname FROM pg_database").fetchall() == before
    assert list(own_tmp.iterdir()) == []


def test_a_used_database_is_refused_with_its_reason_and_the_stack_is_gone(
    options: EmbeddedOptions, farm_database: str, own_tmp: Path
) -> None:
    with (
        pytest.raises(StackError, match=r"already holds tables.*live controller") as caught,
        running_stack(replace(options, server_conninfo=farm_database), quiet),
    ):
        pass
    assert "Name a database without tables" in caught.value.advice
    assert list(own_tmp.iterdir()) == []


def test_a_killed_runs_stack_and_processes_are_swept_by_the_next(options: EmbeddedOptions, own_tmp: Path) -> None:
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
    result = subprocess.run(
        [sys.executable, "-c", source],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(own_tmp)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr
    (left,) = own_tmp.iterdir()
    processes = [ProcessIdentity.from_json(note.read_text()) for note in (left / "processes").glob("*.json")]
    assert [process.alive for process in processes] == [True, True]
    assert sweep_abandoned() == [left]
    assert [process for process in processes if process.alive] == []
    assert list(own_tmp.iterdir()) == []


def test_a_kept_stack_stays_running_and_says_how_to_end_it(options: EmbeddedOptions, own_tmp: Path) -> None:
    spoken: list[str] = []
    with running_stack(replace(options, keep=True), spoken.append) as running:
        processes = processes_of(running)
        base_url = running.stack.base_url
    try:
        assert httpx.get(f"{base_url}/healthz").status_code == 200
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
    with (
        pytest.raises(StackError, match="no luck"),
        running_stack(replace(options, core_binary=binary, keep=True), spoken.append),
    ):
        pass
    (left,) = own_tmp.iterdir()
    assert "its services are ended" in spoken[-1]
    assert (left / "logs" / "controller.log").read_text() == "no luck\n"
    assert processes_below(own_tmp) == []
