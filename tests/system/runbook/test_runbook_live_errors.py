"""A controller that cannot be reached, or is none, is told of in one sentence; wrong settings contact nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.processes import free_port
from tests.support.command import EXIT_INCOMPLETE, EXIT_USAGE, QUICK, Run, Runbook
from tests.support.controller import Controller
from tests.support.servers import BROKEN, HTML, serve
from tsse_validation.domain.outcome import Outcome
from tsse_validation.runlog.records import CheckStatus

HEALTHZ = "core_server_answers_healthz"
IMPATIENT = ("--request-timeout=1", "--connect-timeout=1", "--skip-qdrant")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Return a file with a token that no controller knows."""
    path = tmp_path / "token.txt"
    path.touch(mode=0o600)
    path.write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
    return path


@pytest.fixture
def refused(runbook: Runbook, token_file: Path) -> Iterator[Callable[..., Run]]:
    """Give a run wrong settings, which it refuses without speaking to the server there."""
    with serve(HTML) as server:

        def run(*arguments: str) -> Run:
            run = runbook(f"--base-url={server.url}", f"--auth-token-file={token_file}", *arguments)
            assert run.code == EXIT_USAGE, run
            return run

        yield run
        assert server.connections == 0


def said_in_one_sentence(run: Run, check_id: str, words: str) -> None:
    """Hold a run that met no core-server against what its user may expect."""
    run.stopped_at(check_id, words, later=(CheckStatus.BLOCKED, CheckStatus.NOT_CHECKED))
    assert run.verdict.outcome is not Outcome.GO
    assert run.verdict.rows_compared == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HTML, "answered 200, text/html where JSON is promised"),
        (BROKEN, "answered 500, text/plain where JSON is promised: “Oops”"),
        (None, "did not answer within 1 s"),
    ],
    ids=["html", "500", "hangs"],
)
def test_a_server_that_is_no_core_server_is_told_in_a_sentence(
    answer: bytes | None, words: str, runbook: Runbook, token_file: Path
) -> None:
    with serve(answer) as server:
        run = runbook(f"--base-url={server.url}", f"--auth-token-file={token_file}", *IMPATIENT)
    assert run.code != 0
    said_in_one_sentence(run, HEALTHZ, words)


@pytest.mark.parametrize(
    ("host", "words"),
    [("127.0.0.1", "refuses the connection"), ("no-such-host.invalid", "The host name of core-server")],
    ids=["port", "host"],
)
def test_nobody_there_is_told_in_a_sentence(host: str, words: str, runbook: Runbook, token_file: Path) -> None:
    run = runbook(f"--base-url=http://{host}:{free_port()}", f"--auth-token-file={token_file}", *IMPATIENT)
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    said_in_one_sentence(run, HEALTHZ, words)


def test_https_to_a_plain_port_is_told_in_a_sentence(runbook: Runbook, controller: Controller) -> None:
    arguments = [argument.replace("--base-url=http:", "--base-url=https:") for argument in controller.by_api()]
    run = runbook(*arguments, *QUICK)
    assert run.code == EXIT_INCOMPLETE, run
    said_in_one_sentence(run, HEALTHZ, "does not speak TLS")


def test_a_wrong_token_is_told_in_a_sentence(runbook: Runbook, controller: Controller, token_file: Path) -> None:
    arguments = [argument for argument in controller.by_api() if not argument.startswith("--auth-token-file")]
    run = runbook(*arguments, f"--auth-token-file={token_file}", *QUICK)
    assert run.code == EXIT_INCOMPLETE, run
    said_in_one_sentence(run, "valid_token_runs_a_job", "it is unknown, revoked or expired")


def test_a_token_file_may_be_given_as_a_word_of_its_own(runbook: Runbook, controller: Controller) -> None:
    run = runbook(
        *("--base-url", controller.url, "--auth-token-file", str(controller.running.stack.token_file)),
        *("--qdrant-url", controller.qdrant_url, "--hot-path", str(controller.paths.hot)),
        *("-k", "healthz"),
    )
    assert run.code == EXIT_INCOMPLETE, run
    assert run.check(HEALTHZ).status is CheckStatus.PASSED


WRONG = {
    "no URL": (["--base-url=127.0.0.1:8000"], "--base-url (command line): must be an http:// or https:// URL"),
    "a password in the URL": (["--base-url=http://me:hidden@127.0.0.1"], "must not carry a user or password"),
    "no token file": (
        ["--auth-token-file=/no/such/file"],
        ": /no/such/file is not a file",
    ),
    "a window without a zone": (["--window-start=2026-01-01T00:00:00"], "--window-start (command line)"),
    "a window that ends first": (
        ["--window-start=2026-01-02T00:00:00Z", "--window-end=2026-01-01T00:00:00Z"],
        "--window-end must be after --window-start",
    ),
    "no days": (["--backfill-days=0"], "--backfill-days (command line)"),
    "days in words": (["--backfill-days=ninety"], "--backfill-days (command line)"),
    "no DSN": (["--database-url=postgresql://me:hidden@[broken"], "--database-url (command line)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_refused_in_a_line_before_anything_is_contacted(
    name: str, refused: Callable[..., Run]
) -> None:
    arguments, words = WRONG[name]
    run = refused(*arguments)
    errors = [line for line in run.output.splitlines() if line.strip()]
    assert len(errors) == 1, run
    assert errors[0].startswith("ERROR: ")
    assert words in errors[0]
    assert "hidden" not in run.output
    assert not run.report_dir.exists()


def test_wrong_settings_are_refused_together_a_line_each(refused: Callable[..., Run]) -> None:
    run = refused("--backfill-days=0", "--sample=none")
    lines = [line.split(" (")[0] for line in run.output.splitlines() if line.strip()]
    assert lines == ["ERROR: --backfill-days", "--sample"]


def test_a_report_directory_that_cannot_be_written_is_refused(
    refused: Callable[..., Run], token_file: Path
) -> None:
    run = refused(f"--report-dir={token_file}/reports")
    assert "cannot be written" in run.output
    assert "Traceback" not in run.output
