"""A helper as a process: without a shell, with a bare environment, in bounded time, and gone at the end."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.integration.clients.conftest import TOKEN
from tsse_validation.clients.helper_calls import INSPECTOR, HelperCall, inspector_call
from tsse_validation.clients.helper_output import HelperEnd
from tsse_validation.clients.helpers import HelperMissingError, Helpers, token_file
from tsse_validation.domain.errors import NotAllowedError
from tsse_validation.domain.polling import wait_until

CALL = inspector_call("http://127.0.0.1:8000", Path("/token.txt"))
Made = Callable[[str], Helpers]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Make an inspector of a few lines of Python."""

    def make(source: str) -> Helpers:
        program = tmp_path / INSPECTOR
        program.write_text(f"#!{sys.executable}\nimport os, subprocess, sys, time\n{source}\n", encoding="utf-8")
        program.chmod(0o755)
        return Helpers(str(tmp_path))

    return make


def ended(helpers: Helpers, seconds: float = 20.0) -> HelperEnd:
    with helpers.started(CALL) as process:
        process.wait(seconds)
        return process.end()


def test_a_helper_gets_the_runbooks_words_and_its_outputs_are_kept_apart(made: Made) -> None:
    end = ended(made("print(*sys.argv[1:], sep='|'); sys.stderr.write('aside'); sys.exit(7)"))
    assert (end.exit_code, end.stdout, end.stderr) == (7, f"{'|'.join(CALL.arguments)}\n", "aside")


def test_a_helper_sees_no_variable_that_may_hold_a_secret(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSSE_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("PGPASSWORD", "x")
    names = set(ended(made("print(*os.environ, sep='\\n')")).stdout.split())
    assert "PATH" in names
    assert not {name for name in names if name.startswith(("TSSE_", "PG", "CORE_"))}


def test_a_helper_that_does_not_end_is_ended_with_all_that_it_has_started(made: Made, tmp_path: Path) -> None:
    child = tmp_path / "child"
    helpers = made(
        f"child = subprocess.Popen(['sleep', '600'])\nopen({str(child)!r}, 'w').write(str(child.pid))\n"
        "print('so far', flush=True)\ntime.sleep(600)"
    )
    with helpers.started(CALL) as process:
        process.wait(20, until=lambda: "so far" in process.stdout)
        assert process.running
        end = process.end()
    assert (end.exit_code, end.stdout) == (None, "so far\n")
    assert wait_until(lambda: not Path(f"/proc/{child.read_text()}").exists(), seconds=10)


def test_a_helper_that_ignores_its_end_is_killed_when_the_block_is_left(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsse_validation.clients.helpers._TERM_SECONDS", 0.2)
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"
    helpers = made(f"{deaf}\nprint('on', flush=True)\ntime.sleep(600)")
    with helpers.started(CALL) as process:
        process.wait(20, until=lambda: "on" in process.stdout)
    assert process.end().exit_code is None
    assert not process.running


def test_what_is_printed_without_end_is_not_all_kept(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsse_validation.clients.helpers.MOST_OUTPUT_BYTES", 100_000)
    end = ended(made("for _ in range(100): print('x' * 99_999)"))
    assert end.exit_code == 0
    assert 100_000 <= len(end.stdout) < 400_000


def test_bytes_that_are_no_text_are_read_all_the_same(made: Made) -> None:
    assert ended(made("sys.stdout.buffer.write(b'\\xff\\x00ok')")).stdout.endswith("ok")


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda path: path.chmod(stat.S_IRUSR), lambda path: path.write_bytes(b"\x7fELF")]
)
def test_what_is_no_program_is_told_and_was_never_started(made: Made, spoil: Callable[[Path], object]) -> None:
    helpers = made("print('never')")
    spoil(Path(helpers.form) / INSPECTOR)
    with pytest.raises(HelperMissingError, match=r"^tsse_lake_inspector cannot be run: .+\.$"):
        ended(helpers)


def test_a_command_that_is_not_the_runbooks_is_not_started(made: Made, tmp_path: Path) -> None:
    helpers = made(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(NotAllowedError), helpers.started(HelperCall(INSPECTOR, ("--mode", "direct"))):
        pass
    assert not (tmp_path / "ran").exists()


def test_a_shell_has_no_part_in_a_command_line(tmp_path: Path) -> None:
    helpers = Helpers(f"echo $HOME `id` {{helper}} > {tmp_path}/out")
    with helpers.started(CALL) as process:
        process.wait(20)
        assert process.end().stdout.startswith("$HOME `id` tsse_lake_inspector > ")
    assert not (tmp_path / "out").exists()


def test_a_token_without_a_file_is_lent_in_a_private_one_that_is_gone_afterwards() -> None:
    with token_file(None, SecretStr(TOKEN)) as path:
        assert path.read_text() == f"{TOKEN}\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.stat().st_uid == os.getuid()
    assert not path.parent.exists()


def test_a_token_file_that_was_given_is_lent_as_it_is(tmp_path: Path) -> None:
    with token_file(tmp_path / "token.txt", SecretStr(TOKEN)) as path:
        assert path == tmp_path / "token.txt"
    assert not path.exists()
