"""The catalogue against the tests that perform it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tsse_validation.domain.aspects import FILE_ASPECTS, INSPECTION_ASPECTS
from tsse_validation.domain.catalogue import (
    CHECKS,
    FAILURES_STEP,
    GATE_TITLES,
    OTHER_CHECKS,
    STEP_NAMES,
    Gate,
    step_label,
)
from tsse_validation.parity.landmarks import EDGES
from tsse_validation.steps.promises import BACKFILL_PROMISES, REPLICATION_PROMISES

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "tests_validation"


def python(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a module of Python's without a setting of this machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TSSE_", "PYTEST_"))}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=cwd, env=inherited | variables, capture_output=True, text=True, check=False)


def collected_by(*arguments: str, cwd: Path) -> list[str]:
    """Collect the runbook's tests as pytest does, in their order, without a run."""
    done = python("pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments, str(RUNBOOK), cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"^\S*?test_\d_\w+\.py::(\S+)$", done.stdout, re.MULTILINE)


@pytest.fixture(scope="module")
def collected() -> list[str]:
    return collected_by(cwd=ROOT)


def test_pytest_takes_the_options_wherever_it_is_started(collected: list[str], tmp_path: Path) -> None:
    assert collected_by("--backfill-days=7", cwd=tmp_path) == collected


def test_the_installed_runbook_begins_a_run_through_a_link_too(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(ROOT)
    done = python("tsse_validation", "run", "--base-url=no-url", cwd=tmp_path, PYTHONPATH=str(tmp_path / "linked"))
    assert (done.returncode, "--base-url (command line): must be an http" in done.stderr) == (4, True)


def functions(collected: list[str]) -> list[str]:
    return list(dict.fromkeys(name.split("[")[0] for name in collected))


def test_the_catalogue_and_the_runbooks_tests_are_the_same_in_the_same_order(collected: list[str]) -> None:
    assert functions(collected) == list(CHECKS)


@pytest.mark.parametrize(
    ("key", "cases"),
    [
        ("test_replication_is_healthy", REPLICATION_PROMISES),
        ("test_direct_inspection_agrees_with_the_api", INSPECTION_ASPECTS),
        ("test_backfill_keeps_its_promises", BACKFILL_PROMISES),
        ("test_lake_files_are_well_formed", FILE_ASPECTS),
        ("test_random_windows_agree_by_direct_count", EDGES),
    ],
)
def test_a_check_of_many_cases_has_each_of_them(key: str, cases: object, collected: list[str]) -> None:
    found = [name.removeprefix(f"{key}[").removesuffix("]") for name in collected if name.startswith(f"{key}[")]
    assert isinstance(cases, dict | tuple)
    assert found == list(cases)


@pytest.mark.parametrize("file", sorted(RUNBOOK.glob("test_*.py")), ids=lambda file: file.stem)
def test_each_file_holds_the_checks_of_its_step(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    (step,) = re.findall(r"pytest\.mark\.step\((\d+)", text)
    assert file.name.startswith(f"test_{step}_")
    assert re.findall(r"^def (test_\w+)", text, re.MULTILINE) == [
        key for key, spec in {**CHECKS, **OTHER_CHECKS}.items() if spec.step == int(step)
    ]
    # failures are for stacks of our own alone
    assert ("pytest.mark.tier_a" in text) is (int(step) != FAILURES_STEP)


def test_every_line_of_the_gate_has_a_check_that_needs_nothing_but_the_api() -> None:
    assert GATE_TITLES.keys() == set(Gate)
    for gate in Gate:
        assert any(spec.gate is gate and not spec.requires for spec in CHECKS.values())


def test_titles_tell_checks_apart_and_their_steps_have_names() -> None:
    titles = [spec.title for spec in CHECKS.values()]
    assert len(set(titles)) == len(titles)
    assert {spec.step for spec in CHECKS.values()} == set(STEP_NAMES)
    assert [spec.step for spec in CHECKS.values()] == sorted(spec.step for spec in CHECKS.values())


def test_a_step_is_named_in_messages_and_a_strange_one_too() -> None:
    assert step_label(2) == "step 2 (token)"
    assert step_label(99).startswith("step 99")


FAILURES = "tests_validation/test_10_failures.py"


@pytest.mark.parametrize("asked", [["-m", "failures"], ["-m", "nightly or failures"], [FAILURES]], ids=" ".join)
def test_failures_are_refused_where_a_live_controller_is_named(asked: list[str], tmp_path: Path) -> None:
    live = ("--base-url=http://127.0.0.1:9", f"--report-dir={tmp_path}", "-p", "no:cacheprovider")
    done = python("pytest", *asked, *live, cwd=ROOT, TSSE_AUTH_TOKEN="a-token")
    assert done.returncode == int(pytest.ExitCode.USAGE_ERROR), done.stdout
    assert "never on a live controller: leave out --base-url (command line)" in done.stderr
    assert list(tmp_path.iterdir()) == [] or asked == [FAILURES], "no report tells to run it again"


def test_failures_are_no_part_of_a_run_that_does_not_name_them() -> None:
    assert not any(name.startswith("test_lake_survives") for name in collected_by("-m", "nightly", cwd=ROOT))
