import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from fixtures.identity import ProcessIdentity
from fixtures.processes import (
    Launch,
    ManagedProcess,
    child_environment,
    end_recorded_process,
    free_port,
    http_ready,
)
from tests.support.given import given
from tests.support.serving import healthy, serve
from tsse_validation.domain.errors import StackError
from tsse_validation.domain.polling import wait_until
from tsse_validation.runlog.redaction import Redactor

SLEEPS = "import time; time.sleep(600)"


class Script(ManagedProcess):
    """A service that is a Python script."""

    def __init__(self, source: str, directory: Path, **options: Any) -> None:
        path = directory / "script.py"
        path.write_text(dedent(source))
        self.argv = [sys.executable, str(path)]
        where = (directory / "service.log", directory, child_environment({}, exit_with_parent=True))
        super().__init__(Launch("a service", *where, pid_file=directory / "service.json", **options))

    def says(self, text: str) -> bool:
        return wait_until(lambda: text in self.tail(), seconds=30)


Make = Callable[..., Script]


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as ends:

        def make(source: str, **options: Any) -> Script:
            made = Script(source, tmp_path, **options)
            ends.callback(made.kill)
            return made

        yield make


@pytest.fixture
def run(script: Make) -> Make:
    """Start a script, which sleeps where none is given."""

    def start(source: str = SLEEPS, **options: Any) -> Script:
        process = script(source, **options)
        process.start(process.argv)
        return process

    return start


def test_a_service_is_ready_when_its_health_endpoint_answers_and_gone_after_its_stop(
    script: Make, healthy_server: str
) -> None:
    process = script(healthy_server)
    port = serve(process, process.argv)
    assert process.running
    assert not http_ready(f"http://127.0.0.1:{port}/elsewhere")
    process.stop()
    assert process.pid is None
    assert not healthy(port)


def test_a_service_that_ends_before_it_is_ready_is_reported_with_its_status_and_last_words(run: Make) -> None:
    process = run("print('the disk is on fire'); raise SystemExit(3)")
    with pytest.raises(StackError, match=r"(?s)a service is not running: .*exit status 3.*the disk is on fire"):
        process.wait_ready(lambda: False, 30)


def test_a_killed_service_is_reported_by_the_signal(run: Make) -> None:
    process = run()
    process.check_alive()
    process.kill()
    with pytest.raises(StackError, match="signal SIGKILL"):
        process.check_alive()


def test_a_service_that_is_not_ready_in_time_is_reported_with_its_log(run: Make) -> None:
    process = run("import time; print('still thinking', flush=True); time.sleep(600)")
    assert process.says("thinking")
    with pytest.raises(StackError, match=r"(?s)did not become ready within 0 s.*still thinking"):
        process.wait_ready(lambda: False, 0)


def test_an_answer_from_a_stranger_on_the_port_does_not_pass_for_a_service_that_has_ended(run: Make) -> None:
    process = run("")
    with pytest.raises(StackError, match="exit status 0"):
        process.wait_ready(lambda: wait_until(lambda: not process.running, seconds=30), 30)


def test_a_service_that_ignores_the_stop_signal_is_killed_after_its_grace(run: Make) -> None:
    process = run(
        """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        time.sleep(600)
        """,
        stop_grace=0.1,
    )
    assert process.says("deaf")
    process.stop()
    with pytest.raises(StackError, match="SIGKILL"):
        process.check_alive()


def test_the_children_of_a_wrapper_end_with_it(run: Make) -> None:
    process = run(
        """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid, flush=True)
        time.sleep(600)
        """
    )
    assert process.says("child")
    child = given(ProcessIdentity.of(int(process.tail().split()[1])))
    process.stop()
    assert not child.alive


def test_ctrl_c_in_the_terminal_does_not_reach_the_service(run: Make) -> None:
    process = run()
    pid = given(process.pid)
    assert os.getpgid(pid) != os.getpgid(0)
    assert os.getsid(pid) != os.getsid(0)


def test_the_log_of_an_earlier_start_is_not_shown_for_a_later_one(run: Make) -> None:
    process = run("import os; print('run', os.getpid(), flush=True)")
    assert process.says("run")
    first = process.tail()
    assert wait_until(lambda: not process.running, seconds=30)
    process.start(process.argv)
    assert process.says("run")
    assert first not in process.tail()


def test_secrets_are_masked_in_what_is_quoted_of_a_log(run: Make) -> None:
    process = run(
        "print('connecting with hunter2hunter2'); raise SystemExit(1)", redactor=Redactor(["hunter2hunter2"])
    )
    with pytest.raises(StackError) as caught:
        process.wait_ready(lambda: False, 30)
    assert "hunter2" not in str(caught.value)
    assert "connecting with" in str(caught.value)


def test_a_program_that_can_not_be_run_is_named(script: Make, tmp_path: Path) -> None:
    process = script("")
    with pytest.raises(StackError, match=r"no-such-program can not be run"):
        process.start([str(tmp_path / "no-such-program")])
    process.stop()


def test_a_port_that_was_taken_in_the_meantime_is_given_up_for_another(
    script: Make, healthy_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        taken, free = squatter.getsockname()[1], free_port()
        offers = iter([taken, free])
        monkeypatch.setattr("fixtures.processes.free_port", lambda: next(offers))
        process = script(healthy_server)
        port = serve(process, process.argv, lambda port: port != taken and healthy(port))
    assert port == free


def test_a_service_can_be_stopped_twice_and_before_its_start(script: Make) -> None:
    process = script(SLEEPS)
    process.stop()
    process.start(process.argv)
    process.stop()
    process.stop()
    assert not process.running


def test_a_service_that_runs_is_not_started_again(run: Make) -> None:
    process = run()
    with pytest.raises(StackError, match="runs already"):
        process.start(process.argv)


def test_a_later_run_ends_a_service_by_its_pid_file(run: Make, tmp_path: Path) -> None:
    process = run()
    end_recorded_process(tmp_path / "service.json")
    assert not process.running


def test_a_service_that_was_stopped_still_hears_that_it_is_to_end(run: Make, tmp_path: Path) -> None:
    process = run()
    os.kill(given(process.pid), signal.SIGSTOP)
    end_recorded_process(tmp_path / "service.json")
    assert process.end == "signal SIGTERM"


def test_a_stranger_under_a_recorded_id_is_left_alone(run: Make, tmp_path: Path) -> None:
    process = run()
    note = tmp_path / "old.json"
    note.write_text(ProcessIdentity(given(process.pid), "another start").to_json())
    end_recorded_process(note)
    assert process.running


def test_settings_for_another_controller_or_server_do_not_reach_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPASSWORD", "CORE_DATA_ROOT", "TSSE_TOKEN"):
        monkeypatch.setenv(name, "x")
    env = child_environment({"CORE_QDRANT_URL": "here"}, exit_with_parent=True)
    ours = {name for name in env if name.startswith(("PG", "CORE_", "TSSE_"))}
    assert ours == {"CORE_QDRANT_URL", "TSSE_EXIT_WITH_PARENT"}
    assert "TSSE_EXIT_WITH_PARENT" not in child_environment({}, exit_with_parent=False)


def test_a_process_is_told_from_a_later_one_under_its_id_and_from_its_zombie(run: Make) -> None:
    process = run()
    identity = given(ProcessIdentity.of(given(process.pid)))
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


def test_a_process_stands_still_and_goes_on(script: Make, tmp_path: Path) -> None:
    beats = tmp_path / "beats"
    source = f"""
    import pathlib, time
    beats = pathlib.Path({str(beats)!r})
    while True:
        with beats.open("a") as file:
            file.write(".")
        time.sleep(0.01)
    """
    process = script(source)
    process.start(process.argv)
    assert wait_until(lambda: beats.exists() and beats.stat().st_size > 2, seconds=30)
    process.pause()
    assert process.running
    assert wait_until(lambda: _state_of(given(process.pid)).startswith("T"), seconds=30)
    stood = beats.stat().st_size
    process.resume()
    assert wait_until(lambda: beats.stat().st_size > stood, seconds=30)


def _state_of(pid: int) -> str:
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout


def test_a_process_is_started_again_as_before_with_more_in_its_environment(script: Make) -> None:
    process = script("import os; print('said', os.environ.get('MORE', 'nothing'), flush=True)")
    process.start(process.argv)
    assert process.says("said nothing")
    process.wait_end(30)
    process.start_again({"MORE": "a word"})
    assert process.says("said a word")
    process.wait_end(30)
    process.start_again()
    assert process.says("said nothing")


def test_a_process_that_never_ran_cannot_be_started_again_or_paused(script: Make) -> None:
    process = script(SLEEPS)
    for method in (process.start_again, process.pause, process.resume):
        with pytest.raises(StackError, match="never started"):
            method()
