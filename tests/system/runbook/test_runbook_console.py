"""What a person sees of a run: a line for each step, each cause once, a verdict, and what pytest's options add."""

from pathlib import Path

import pytest

from fixtures.processes import free_port
from tests.support.command import EXIT_INCOMPLETE, EXIT_NO_GO, QUICK, Run, Runbook, meddling
from tests.support.controller import Controller, days_ago
from tests.support.damage import at_row, lake_file, next_double, rewrite
from tsse_validation.runlog.records import CheckStatus

CAUSE = "refuses the connection"
HINT = "Is the service running, and is the port right?"
SECTIONS = (" FAILURES ", "short test summary info")
LOOK_ONLY = (*QUICK, "--skip-backfill", "--max-windows=7", "--max-job-windows=0")


@pytest.fixture
def wrong_port(tmp_path: Path) -> list[str]:
    """Return the arguments of a run that is led to a port where nobody is."""
    token = tmp_path / "token.txt"
    token.touch(mode=0o600)
    token.write_text("A" * 43)
    return [
        f"--base-url=http://127.0.0.1:{free_port()}",
        f"--auth-token-file={token}",
        "--connect-timeout=1",
        "--skip-qdrant",
        "--no-discovery",
    ]


def lines_of(run: Run) -> list[str]:
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, "INCOMPLETE"), run
    assert "Traceback" not in run.output, run
    return [" ".join(line.split()) for line in run.output.splitlines()]


@pytest.mark.parametrize("options", [[], ["-x"]], ids=["all", "until the first"])
def test_a_wrong_port_is_one_line_with_its_hint(
    options: list[str], runbook: Runbook, wrong_port: list[str]
) -> None:
    run = runbook(*wrong_port, *options)
    lines = lines_of(run)
    said = " ".join(lines)
    assert "blocked by" not in said
    assert not any(section in run.output for section in SECTIONS), run
    block = next(number for number, line in enumerate(lines) if line.startswith("VERDICT: INCOMPLETE"))
    # once as its setting is tried before the run, and once, as the first of its causes, in the verdict
    for told in (lines[:block], lines[block:]):
        assert " ".join(told).count(CAUSE) == " ".join(told).count(HINT) == 1, run
    assert lines[block + 3].startswith("1. Core-server at http://127.0.0.1:")
    assert len(lines) - block <= 16, run
    assert len(lines) <= 30, run
    assert lines[-1] == f"Report: {run.directory}/report.html"


def test_a_command_to_copy_is_a_line_of_its_own(runbook: Runbook, wrong_port: list[str]) -> None:
    run = runbook(*wrong_port)
    (command,) = (line for line in run.output.splitlines() if line.startswith("pytest -m tier_a "))
    assert wrong_port[0] in command
    assert command == command.rstrip()


@pytest.mark.parametrize(
    ("options", "shown", "not_shown"),
    [
        (["-v"], [*SECTIONS, "test_core_server_answers_healthz FAILED", "Details", "rootdir: "], ["\nstep 1 "]),
        (["-q"], ["VERDICT: "], [*SECTIONS, "step 1 ", "test session starts"]),
        (["-qq"], ["VERDICT: "], [*SECTIONS, "step 1 "]),
        (["-rA"], [SECTIONS[1], "step 1 ", "\nFAILED tests_validation/test_1_health.py::"], [SECTIONS[0]]),
        (["-rs"], [SECTIONS[1], "\nSKIPPED [", "step 1 "], [SECTIONS[0]]),
        (["--tb=short"], [SECTIONS[0], "step 1 "], []),
        (["--tb=line"], [SECTIONS[0], "step 1 "], []),
        (["-s"], ["step 1 "], SECTIONS),
        (["--no-header"], ["step 1 "], ["validating: "]),
        (["-p", "no:terminal"], ["VERDICT: "], ["step 1 "]),
        (["-p", "no:html"], ["step 1 "], ["Generated html report"]),
    ],
    ids=" ".join,
)
def test_pytests_own_options_do_what_they_do(
    options: list[str], shown: list[str], not_shown: list[str], runbook: Runbook, wrong_port: list[str]
) -> None:
    run = runbook(*wrong_port, *options)
    lines_of(run)
    assert CAUSE in run.output
    for text in shown:
        assert text in run.output, run
    for text in not_shown:
        assert text not in run.output, run


OF_THE_SUITE = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if "core_server_answers_healthz" in item.name:
        raise RuntimeError("a fault of the suite")
    return (yield)
"""


def test_a_crash_of_the_suite_has_its_section_and_traceback(
    runbook: Runbook, wrong_port: list[str], tmp_path: Path
) -> None:
    run = runbook(*wrong_port, env=meddling(tmp_path, OF_THE_SUITE))
    assert run.code == EXIT_INCOMPLETE, run
    assert run.check("core_server_answers_healthz").status is CheckStatus.UNPROVEN
    for section in SECTIONS:
        assert section in run.output
    assert "meddling.py" in run.output


def test_on_a_terminal_the_bar_is_there_without_an_option(runbook: Runbook, controller: Controller) -> None:
    sensor, day = controller.sensor(), days_ago(5)
    rewrite(lake_file(controller, sensor, day), at_row(sensor, "value", next_double))
    runbook.secrets += controller.secrets
    run = runbook.on_a_terminal(*controller.directly(), *LOOK_ONLY, env=controller.environment)
    assert (run.code, run.verdict.outcome) == (EXIT_NO_GO, "NO-GO"), run
    for activity in ("lake files", "digests"):
        assert any(activity in line and "━" in line for line in run.output.splitlines()), run
    assert "VERDICT: NO-GO" in run.output


def test_where_there_is_no_terminal_no_bar_is_drawn_whatever_is_coloured(
    runbook: Runbook, controller: Controller
) -> None:
    runbook.secrets += controller.secrets
    env = {**controller.environment, "FORCE_COLOR": "1"}
    run = runbook(*controller.directly(), *LOOK_ONLY, "--max-windows=0", env=env)
    assert "━" not in run.output
    assert "\x1b[?25l" not in run.output
    assert "of 13 proven" in run.output
