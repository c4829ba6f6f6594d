import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from fixtures.identity import ProcessIdentity
from fixtures.processes import (
    Launch,
    ManagedProcess,
    child_environment,
    end_recorded_process,
    free_port,
    http_ready,
    start_on_free_port,
)
from tsse_validation.domain.errors import StackError
from tsse_validation.domain.polling import wait_until
from tsse_validation.runlog.redaction import Redactor

Script = Callable[..., tuple[ManagedProcess, list[str]]]


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    made: list[ManagedProcess] = []

    def make(
        source: str, *, stop_grace: float = 10.0, redactor: Redactor | None = None
    ) -> tuple[ManagedProcess, list[str]]:
        path = tmp_path / "script.py"
        path.write_text(dedent(source))
        process = ManagedProcess(
            Launch(
                name="a service",
                log_path=tmp_path / "service.log",
                cwd=tmp_path,
                env=child_environment({}, exit_with_parent=True),
                stop_grace=stop_grace,
                pid_file=tmp_path / "service.json",
                redactor=redactor or Redactor(),
            )
        )
        made.append(process)
        return process, [sys.executable, str(path)]

    yield make
    for process in made:
        process.kill()


def says(process: ManagedProcess, text: str) -> bool:
    return wait_until(lambda: text in process.tail(), seconds=30)


def test_a_service_is_ready_when_healthz_answers_and_gone_afterwards(script: Script, healthy_server: str) -> None:
    process, argv = script(healthy_server)
    port = start_on_free_port(
        process,
        lambda port: [*argv, "--port", str(port)],
        lambda port: http_ready(f"http://127.0.0.1:{port}/healthz"),
        30,
    )
    assert process.running
    assert not http_ready(f"http://127.0.0.1:{port}/elsewhere")
    process.stop()
    assert process.pid is None
    assert not http_ready(f"http://127.0.0.1:{port}/healthz")


def test_a_service_that_ends_before_it_is_ready_is_reported_with_its_status_and_last_words(script: Script) -> None:
    process, argv = script("print('the disk is on fire'); raise SystemExit(3)")
    process.start(argv)
    with pytest.raises(StackError, match=r"(?s)a service is not running: .*exit status 3.*the disk is on fire"):
        process.wait_ready(lambda: False, 30)


def test_a_killed_service_is_reported_by_the_signal(script: Script) -> None:
    process, argv = script("import time; time.sleep(600)")
    process.start(argv)
    process.check_alive()
    process.kill()
    with pytest.raises(StackError, match="signal SIGKILL"):
        process.check_alive()


def test_a_service_that_is_not_ready_in_time_is_reported_with_its_log(script: Script) -> None:
    process, argv = script("import time; print('still thinking', flush=True); time.sleep(600)")
    process.start(argv)
    assert says(process, "thinking")
    with pytest.raises(StackError, match=r"(?s)did not become ready within 0 s.*still thinking"):
        process.wait_ready(lambda: False, 0)


def test_an_answer_from_a_stranger_on_the_port_does_not_pass_for_a_service_that_has_ended(script: Script) -> None:
    process, argv = script("")
    process.start(argv)
    with pytest.raises(StackError, match="exit status 0"):
        process.wait_ready(lambda: wait_until(lambda: not process.running, seconds=30), 30)


def test_a_service_that_ignores_the_stop_signal_is_killed_after_its_grace(script: Script) -> None:
    process, argv = script(
        """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        time.sleep(600)
        """,
        stop_grace=0.1,
    )
    process.start(argv)
    assert says(process, "deaf")
    process.stop()
    with pytest.raises(StackError, match="SIGKILL"):
        process.check_alive()


def test_the_children_of_a_wrapper_end_with_it(script: Script) -> None:
    process, argv = script(
        """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid, flush=True)
        time.sleep(600)
        """
    )
    process.start(argv)
    assert says(process, "child")
    child = ProcessIdentity.of(int(process.tail().split()[1]))
    assert child is not None
    process.stop()
    assert not child.alive


def test_ctrl_c_in_the_terminal_does_not_reach_the_service(script: Script) -> None:
    process, argv = script("import time; time.sleep(600)")
    process.start(argv)
    assert process.pid is not None
    assert os.getpgid(process.pid) != os.getpgid(0)
    assert os.getsid(process.pid) != os.getsid(0)


def test_the_log_of_an_earlier_start_is_not_shown_for_a_later_one(script: Script) -> None:
    process, argv = script("import os; print('run', os.getpid(), flush=True)")
    process.start(argv)
    assert says(process, "run")
    first = process.tail()
    assert wait_until(lambda: not process.running, seconds=30)
    process.start(argv)
    assert says(process, "run")
    assert first not in process.tail()


def test_secrets_are_masked_in_what_is_quoted_of_a_log(script: Script) -> None:
    process, argv = script(
        "print('connecting with hunter2hunter2'); raise SystemExit(1)", redactor=Redactor(["hunter2hunter2"])
    )
    process.start(argv)
    with pytest.raises(StackError) as caught:
        process.wait_ready(lambda: False, 30)
    assert "hunter2" not in str(caught.value)
    assert "connecting with" in str(caught.value)


def test_a_program_that_can_not_be_run_is_named(script: Script, tmp_path: Path) -> None:
    process, _ = script("")
    with pytest.raises(StackError, match=r"no-such-program can not be run"):
        process.start([str(tmp_path / "no-such-program")])
    process.stop()


def test_a_port_that_was_taken_in_the_meantime_is_given_up_for_another(
    script: Script, healthy_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, argv = script(healthy_server)
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        taken, free = squatter.getsockname()[1], free_port()
        offers = iter([taken, free])
        monkeypatch.setattr("fixtures.processes.free_port", lambda: next(offers))
        port = start_on_free_port(
            process,
            lambda port: [*argv, "--port", str(port)],
            lambda port: port != taken and http_ready(f"http://127.0.0.1:{port}/healthz"),
            30,
        )
    assert port == free


def test_a_service_can_be_stopped_twice_and_before_its_start(script: Script) -> None:
    process, argv = script("import time; time.sleep(600)")
    process.stop()
    process.start(argv)
    process.stop()
    process.stop()
    assert not process.running


def test_a_service_that_runs_is_not_started_again(script: Script) -> None:
    process, argv = script("import time; time.sleep(600)")
    process.start(argv)
    with pytest.raises(StackError, match="runs already"):
        process.start(argv)


def test_a_later_run_ends_a_service_by_its_pid_file(script: Script, tmp_path: Path) -> None:
    process, argv = script("import time; time.sleep(600)")
    process.start(argv)
    end_recorded_process(tmp_path / "service.json")
    assert not process.running


def test_a_stranger_under_a_recorded_id_is_left_alone(script: Script, tmp_path: Path) -> None:
    process, argv = script("import time; time.sleep(600)")
    process.start(argv)
    assert process.pid is not None
    note = tmp_path / "old.json"
    note.write_text(ProcessIdentity(process.pid, "another start").to_json())
    end_recorded_process(note)
    assert process.running


def test_settings_for_another_controller_or_server_do_not_reach_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "x")
    monkeypatch.setenv("CORE_DATA_ROOT", "/Users/Shared")
    monkeypatch.setenv("TSSE_TOKEN", "x")
    env = child_environment({"CORE_QDRANT_URL": "here"}, exit_with_parent=True)
    assert {name for name in env if name.startswith(("PG", "CORE_", "TSSE_"))} == {
        "CORE_QDRANT_URL",
        "TSSE_EXIT_WITH_PARENT",
    }
    assert "TSSE_EXIT_WITH_PARENT" not in child_environment({}, exit_with_parent=False)


def test_a_process_is_told_from_a_later_one_under_its_id_and_from_its_zombie(script: Script) -> None:
    process, argv = script("import time; time.sleep(600)")
    process.start(argv)
    assert process.pid is not None
    identity = ProcessIdentity.of(process.pid)
    assert identity is not None
    assert identity.alive
    assert ProcessIdentity.from_json(identity.to_json()) == identity
    assert not ProcessIdentity(identity.pid, "another start").alive
    os.kill(identity.pid, signal.SIGKILL)
    # Not reaped yet, so what is left is a zombie.
    assert wait_until(lambda: not identity.alive, seconds=30)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "x", "started": ""}'])
def test_a_note_that_was_cut_short_is_no_identity(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        ProcessIdentity.from_json(text)
