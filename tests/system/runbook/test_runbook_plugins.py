"""Whatever plugins and options do to a run, its exit code and its verdict are those of what was found."""

import http.server
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import EXIT_INCOMPLETE, EXIT_USAGE, QUICK, Directly, Run, Runbook, meddling
from tests.support.controller import Controller
from tests.support.servers import serving
from tsse_validation.domain.outcome import Outcome
from tsse_validation.runlog.records import CheckStatus

EXIT_CRASH = 3
HEALTHZ = "core_server_answers_healthz"
ONLY_HEALTH = ("-k", "core_server_answers_healthz", "--skip-qdrant", "--no-discovery")

AGAIN = """
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.name not in {names}:
        return None
    for attempt in range(2):
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
BY_THE_FUNCTION = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except Exception:
        item.runtest()
"""
IN_A_HOOK = """
def pytest_{hook}(**_given):
    raise {error}
"""
SHUFFLED = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    outcome = yield
    items.reverse()
    return outcome
"""


class _Recovering(http.server.BaseHTTPRequestHandler):
    """Is no core-server at its first answers, and one that is well from then on."""

    strange_answers = 4
    """Health and who answers, each asked for by the tries at first and by the check."""

    def do_GET(self) -> None:
        type(self).strange_answers -= 1
        well = self.strange_answers < 0
        body = b'{"status":"ok"}' if well else b"Bad gateway"
        self.send_response(200 if well else 502)
        self.send_header("Content-Type", "application/json" if well else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_said: object) -> None:
        pass


@pytest.fixture
def recovering(tmp_path: Path) -> Iterator[list[str]]:
    """Serve a core-server that is well from its second health on; lend what a run of it is given."""
    token = tmp_path / "token.txt"
    token.write_text("A" * 43, encoding="utf-8")

    class Handler(_Recovering):
        pass

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield [f"--base-url=http://127.0.0.1:{port}", f"--auth-token-file={token}", *ONLY_HEALTH]


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (AGAIN.format(names={f"test_{HEALTHZ}"}), "What answers there is no core-server"),
        (BY_THE_FUNCTION, "has run in this run already"),
    ],
    ids=["whole", "its function"],
)
def test_a_check_that_passes_when_it_is_tried_again_has_not_passed(
    plugin: str, words: str, runbook: Runbook, recovering: list[str], tmp_path: Path
) -> None:
    run = runbook(*recovering, env=meddling(tmp_path, plugin))
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    check = run.check(HEALTHZ)
    assert check.status is CheckStatus.UNPROVEN
    assert words in check.message


def test_a_backfill_is_started_once_whatever_tries_it_again(
    directly: Directly, controller: Controller, tmp_path: Path
) -> None:
    started = "SELECT count(*) FROM analysis_jobs WHERE job_type = 'lake_backfill_v1'"
    ((before,),) = controller.sql(started)
    plugin = AGAIN.format(names={"test_backfill_job_completes"})
    run = directly(*QUICK, "--backfill-days=11", env=meddling(tmp_path, plugin))
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert "has run in this run already" in run.check("backfill_job_completes").message
    ((after,),) = controller.sql(started)
    assert (after - before, run.posts.by_purpose["backfill"], len(run.result.backfills)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("hook", "error", "code"),
    [
        ("runtest_setup", "AssertionError('threads left')", EXIT_INCOMPLETE),
        ("runtest_teardown", "AssertionError('threads left')", EXIT_INCOMPLETE),
        ("runtest_logreport", "RuntimeError('boom')", EXIT_CRASH),
        ("sessionfinish", "RuntimeError('boom')", EXIT_CRASH),
        ("unconfigure", "RuntimeError('boom')", EXIT_CRASH),
    ],
)
def test_a_plugin_that_crashes_is_no_evidence_and_leaves_the_reports(
    hook: str, error: str, code: int, runbook: Runbook, recovering: list[str], tmp_path: Path
) -> None:
    run = runbook(*recovering, env=meddling(tmp_path, IN_A_HOOK.format(hook=hook, error=error)))
    assert (run.code, run.verdict.outcome) == (code, Outcome.INCOMPLETE), run
    assert (run.directory / "report.html").exists()
    if code == EXIT_CRASH:
        assert "RuntimeError: boom" in run.output
        assert hook != "runtest_logreport" or "RuntimeError: boom" in run.reasons


def test_an_exit_code_that_a_plugin_sets_is_not_the_runs(
    runbook: Runbook, recovering: list[str], tmp_path: Path
) -> None:
    plugin = "def pytest_sessionfinish(session):\n    import pytest\n    pytest.exit('done', returncode=0)\n"
    run = runbook(*recovering, env=meddling(tmp_path, plugin))
    assert run.code not in {0, 1}, run


def test_steps_run_in_their_order_whatever_shuffles_them(
    runbook: Runbook, recovering: list[str], tmp_path: Path
) -> None:
    arguments = [argument for argument in recovering if argument not in ONLY_HEALTH]
    run = runbook(*arguments, "--skip-qdrant", "--no-discovery", "-m", "tier_a", env=meddling(tmp_path, SHUFFLED))
    steps = [check.step for check in run.result.checks]
    assert steps == sorted(steps)
    assert len(set(steps)) > 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--noconftest"], "the runbook cannot do without "),
        (["-p", "no:tsse_validation.pytest_plugin.recording"], "the runbook cannot do without "),
        (["-p", "no:tsse_validation.pytest_plugin.ordering"], "the runbook cannot do without "),
        (["--setup-plan"], "--setup-plan: nothing would be proven"),
        (["-n", "2"], "-n (pytest-xdist): the runbook's steps run in order"),
    ],
)
def test_what_a_run_cannot_be_held_to_is_refused(
    options: list[str], words: str, runbook: Runbook, recovering: list[str]
) -> None:
    run = runbook(*recovering, *options)
    assert run.code == EXIT_USAGE, run
    assert words in run.output
    assert "Traceback" not in run.output
    assert not run.report_dir.exists()


@pytest.mark.parametrize("option", ["-p no:html", "--import-mode=importlib", "--rootdir=/ tests_validation"])
def test_what_changes_nothing_is_let_be(option: str, runbook: Runbook, recovering: list[str]) -> None:
    run = runbook(*recovering, *option.split())
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.check(HEALTHZ).status is CheckStatus.UNPROVEN


def test_the_help_begins_no_run(runbook: Runbook) -> None:
    run = runbook("--markers")
    assert run.code == 0, run
    assert not run.report_dir.exists()


SMALL = """
import resource

def pytest_runtest_logstart():
    resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))
"""


def test_a_disk_that_runs_full_in_the_middle_is_told_and_is_no_evidence(
    runbook: Runbook, recovering: list[str], tmp_path: Path
) -> None:
    started = runbook.start(*recovering, env=meddling(tmp_path, SMALL.format(size=12_000)))
    assert started.process.wait() == EXIT_INCOMPLETE, started.output
    assert "could not be written" in started.output
    assert "Traceback" not in started.output
    assert "VERDICT: NO-GO" not in started.output


def finds_what_is_here(run: Run) -> list[str]:
    return [line for line in run.output.splitlines() if line.startswith(("found: ", "not used: "))]


def test_the_first_lines_say_what_was_found(runbook: Runbook, recovering: list[str], tmp_path: Path) -> None:
    root = tmp_path / "FarmDashboard"
    (root / "storage/analysis/lake/hot/_state").mkdir(parents=True)
    (root / "setup").mkdir()
    (root / "setup/config.json").write_text('{"database_url": "host=127.0.0.1 port=1"}', encoding="utf-8")
    moved = (
        "from pathlib import Path\nfrom tsse_validation.settings import discovery\n"
        f"discovery.DATA_ROOT = Path({str(root)!r})\n"
    )
    arguments = [argument for argument in recovering if argument != "--no-discovery"]
    run = runbook(*arguments, env=meddling(tmp_path, moved))
    assert finds_what_is_here(run) == [
        f"found: the setup config {root}/setup/config.json (its default place)",
        f"found: the hot lake {root}/storage/analysis/lake/hot (its default place)",
    ], run
    assert {"postgres", "lake"}.isdisjoint(run.stack.absent)
    assert not finds_what_is_here(runbook(*recovering))
