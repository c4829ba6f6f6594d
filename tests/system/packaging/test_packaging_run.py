"""`tsse-validate run` validates from the wheel alone, wherever it is called."""

import re
from pathlib import Path

import pytest

from tests.support.command import EXIT_GO, EXIT_INCOMPLETE, EXIT_USAGE, QUICK
from tests.support.controller import Controller
from tests.system.packaging.conftest import Environment
from tsse_validation.domain.outcome import Outcome
from tsse_validation.report.model.document import ReportDocument, read_result_json

SMALL = ("--farm-rows=1500", "--farm-sensors=6", *QUICK)


def document(directory: Path) -> ReportDocument:
    (run,) = (path for path in directory.iterdir() if path.is_dir())
    assert (run / "report.html").is_file()
    return read_result_json(run / "result.json")


@pytest.mark.slow
def test_a_live_controller_is_validated_with_the_report_where_one_stands(
    environment: Environment, controller: Controller, tmp_path: Path
) -> None:
    options = [*controller.directly(), *QUICK]
    done = environment.run("tsse-validate", "run", *options, cwd=tmp_path, **controller.environment)
    assert done.returncode == EXIT_GO, done.stdout
    found = document(tmp_path / "reports")
    assert found.verdict.outcome is Outcome.GO
    assert found.result.stack is not None
    assert not found.result.stack.owned
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
    assert not list(environment.package.rglob(".pytest_cache"))


def test_what_pytest_takes_is_passed_on(environment: Environment, controller: Controller, tmp_path: Path) -> None:
    options = [*controller.by_api(), "--report-dir=there", "-m", "tier_a", "-k", "test_1_health", "-v", "-x"]
    done = environment.run("tsse-validate", "run", *options, cwd=tmp_path)
    assert done.returncode == EXIT_INCOMPLETE, done.stdout
    assert re.search(r"tests_validation/test_1_health\.py::\w+ PASSED", done.stdout)
    assert f"rootdir: {environment.package / 'suite'}\n" in done.stdout
    assert {check.step for check in document(tmp_path / "there").result.checks} == {1}


def test_a_stack_of_its_own_is_started_from_the_wheel(environment: Environment, tmp_path: Path) -> None:
    # packages may lie where nothing can be written beside them
    for directory in environment.package.rglob("tests_validation"):
        (directory / "__pycache__").touch()
    done = environment.run("tsse-validate", "run", *SMALL, cwd=tmp_path)
    assert done.returncode == EXIT_GO, done.stdout
    assert document(tmp_path / "reports").verdict.outcome is Outcome.GO
    assert not list(environment.temporary.glob("tsse-stack-*"))


def test_without_a_test_bed_one_sentence_says_what_to_install(environment: Environment, tmp_path: Path) -> None:
    done = environment.run("tsse-validate", "run", "-p", "no:fixtures.plugin", "-k", "test_1_health", cwd=tmp_path)
    assert done.returncode == EXIT_INCOMPLETE, done.stdout
    messages = {check.message for check in document(tmp_path / "reports").result.checks}
    assert messages == {"No stack of our own can be started: the test bed is not installed."}
    assert "pip install 'tsse-validation[stack]'" in done.stdout


def test_wrong_usage_is_told_before_anything_is_contacted(environment: Environment, tmp_path: Path) -> None:
    for arguments, told in (
        (("tests_validation/test_1_health.py",), "takes options only, not tests_validation/test_1_health.py"),
        (("--backfill-days=0",), "backfill-days"),
    ):
        done = environment.run("tsse-validate", "run", *arguments, cwd=tmp_path)
        assert done.returncode == EXIT_USAGE, done.stdout
        assert told in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_its_help_shows_the_suite_s_options_and_pytest_s(environment: Environment, tmp_path: Path) -> None:
    shown = environment.run("tsse-validate", "run", "--help", cwd=tmp_path)
    assert shown.returncode == EXIT_GO
    for option in ("--auth-token-file", "--base-url", "--keep-stack", "-k EXPRESSION"):
        assert option in shown.stdout
