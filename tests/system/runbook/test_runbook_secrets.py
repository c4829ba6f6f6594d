"""No secret comes out; one that does all the same makes the run fail and its file go."""

from pathlib import Path

import pytest

from tests.support.command import EXIT_LEAK, EXIT_USAGE, Directly, Runbook, meddling
from tests.support.controller import Controller

LEAK = """
import os
from tsse_validation.pytest_plugin.options import RUN

def pytest_sessionfinish(session):
    run = session.config.stash[RUN]
    (run.directory / "debug.txt").write_text(f"Authorization: Bearer {os.environ['LEAKED']}")
"""
ERROR = """
import os
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    yield
    print("printed", os.environ["LEAKED"])
    raise RuntimeError("raised " + os.environ["LEAKED"])
"""
HEALTHZ = "tests_validation/test_1_health.py::test_core_server_answers_healthz"


@pytest.mark.parametrize("which", [0, 1, 2], ids=["token", "view-token", "password"])
def test_a_file_that_holds_a_secret_is_deleted_and_the_run_fails(
    which: int, directly: Directly, controller: Controller, tmp_path: Path
) -> None:
    leaked = {"LEAKED": controller.secrets[which]}
    run = directly(HEALTHZ, env=meddling(tmp_path, LEAK) | leaked)
    assert run.code == EXIT_LEAK, run
    assert not (run.directory / "debug.txt").exists()
    assert (run.directory / "result.json").exists()
    assert "A known secret stood in" in " ".join(run.output.split())
    assert "debug.txt" in "".join(run.output.split())


def test_a_secret_in_an_error_and_in_captured_output_is_masked(
    directly: Directly, controller: Controller, tmp_path: Path
) -> None:
    run = directly(HEALTHZ, env=meddling(tmp_path, ERROR) | {"LEAKED": controller.secrets[0]})
    assert run.code not in {0, EXIT_LEAK}, run
    assert "raised [redacted]" in run.output
    assert "printed [redacted]" in run.output


def test_a_secret_given_on_the_command_line_is_taken_with_a_warning_and_not_shown(
    runbook: Runbook, controller: Controller
) -> None:
    token, _view_token, _password = controller.secrets
    run = runbook(
        f"--base-url={controller.url}",
        f"--auth-token={token}",
        f"--qdrant-url={controller.qdrant_url}",
        f"--database-url={controller.conninfo}",
        HEALTHZ,
    )
    assert "the token was given on the command line" in run.output
    assert "a password was given on the command line" in run.output
    assert any("use --auth-token-file" in note.text for note in run.result.notes)


def test_a_refused_dsn_is_not_quoted(runbook: Runbook, controller: Controller) -> None:
    token, _view_token, password = controller.secrets
    run = runbook(
        f"--base-url={controller.url}",
        f"--auth-token-file={controller.running.stack.token_file}",
        f"--database-url=postgresql://tsse:{password}@[broken",
    )
    assert run.code == EXIT_USAGE, run
    assert token not in run.output
