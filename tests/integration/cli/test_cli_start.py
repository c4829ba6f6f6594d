"""How `tsse-validate` is started, and what a shell asks of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tsse_validation

SCRIPT = str(Path(sys.executable).with_name("tsse-validate"))


def started(*command: str, **variables: str) -> str:
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("command", [(SCRIPT,), (sys.executable, "-m", "tsse_validation")])
def test_it_says_its_version_however_it_is_started(command: tuple[str, ...]) -> None:
    assert started(*command, "--version") == f"tsse-validate {tsse_validation.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_completes(shell: str) -> None:
    script = started(SCRIPT, "--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert f"_TSSE_VALIDATE_COMPLETE=complete_{shell}" in script


def test_completion_is_installed_for_the_shell_that_is_named(tmp_path: Path) -> None:
    detection_off = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert "completion installed" in started(SCRIPT, "--install-completion", "bash", **detection_off)
    assert any(path.is_file() and "TSSE_VALIDATE" in path.read_text() for path in tmp_path.rglob("*"))


def test_what_is_typed_is_completed_to_commands_options_and_values() -> None:
    def completed(line: str, word: int) -> list[str]:
        asked = {"_TSSE_VALIDATE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(word)}
        return started(SCRIPT, **asked).split()

    assert completed("tsse-validate pa", 1) == ["parity"]
    assert "--window-start" in completed("tsse-validate parity --win", 2)
    assert completed("tsse-validate parity --level ", 3) == ["count", "digest", "rows"]


def test_a_misspelt_option_of_a_run_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    command = [SCRIPT, "run", "--databse-url=postgresql://u:s3cr3t@h/farm", "--base-ulr", "http://127.0.0.1:9"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "there is no option --databse-url: did you mean --database-url?" in done.stderr
    assert "there is no option --base-ulr: did you mean --base-url?" in done.stderr
    assert "s3cr3t" not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_has_no_warning_that_pytest_came_too_late(tmp_path: Path) -> None:
    options = ("--collect-only", f"--report-dir={tmp_path}")
    said = started(SCRIPT, "run", *options, XDG_CACHE_HOME=str(tmp_path))
    assert "tests collected" in said
    assert "warnings summary" not in said
