"""What a start imports: nothing heavy where nothing heavy is done."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

import tsse_validation
from tsse_validation.cli.app import COMMANDS, app
from tsse_validation.domain.contract import ContractModel
from tsse_validation.runlog.records import Record

ROOT = Path(__file__).parents[2]
HEAVY = {
    "duckdb",
    "httpx",
    "hypothesis",
    "jinja2",
    "numpy",
    "pandas",
    "psycopg",
    "pyarrow",
    "pydantic",
    "pydantic_settings",
    "pytest",
    "rich",
    "tenacity",
    "testcontainers",
}
"""Packages that take from a twentieth of a second to half a second to import."""
FOR_COLLECTING = {"jinja2", "pydantic", "pydantic_settings", "pytest"}
"""What collecting the runbook cannot do without: the settings are read and held; jinja2 is pytest-html's own."""


def imported_by(*arguments: str, cwd: Path) -> set[str]:
    """Return the packages that Python had imported at its end, of `python ARGUMENTS`."""
    listing = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(listing, capture_output=True, text=True, check=True, cwd=cwd)
    modules = (line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line)
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_is_only_asked_for_its_help_or_version_imports_nothing_heavy(option: str, tmp_path: Path) -> None:
    assert imported_by("-m", "tsse_validation", option, cwd=tmp_path) & HEAVY == set()


def test_a_command_imports_only_what_it_needs(tmp_path: Path) -> None:
    imported = imported_by("-m", "tsse_validation", "report", "--help", cwd=tmp_path)
    assert imported & {"hypothesis", "pytest"} == set()


def test_the_plugin_imports_nothing_heavy_outside_of_the_suite(tmp_path: Path) -> None:
    program = (
        "import sys, pytest; before = {*sys.modules}; import tsse_validation.pytest_plugin;"
        "print(*{*sys.modules} - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert {name.partition(".")[0] for name in done.stdout.split()} & HEAVY == set()


@pytest.mark.parametrize("more", [[], ["-m", "nightly or conformance or failures"]], ids=["runbook", "all"])
def test_collecting_the_runbook_imports_nothing_that_only_a_run_needs(more: list[str]) -> None:
    # without -s pytest takes away what Python says of its imports
    collecting = [
        "-m",
        "pytest",
        "-s",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests_validation",
        *more,
    ]
    assert imported_by(*collecting, cwd=ROOT) & HEAVY <= FOR_COLLECTING


def packages_after_importing(*modules: str, cwd: Path) -> set[str]:
    """Return the packages that Python has imported once all parts of the plugin are loaded, and these modules."""
    program = (
        "import importlib, sys; from tsse_validation.pytest_plugin.parts import PARTS, RUN_PARTS;"
        "[importlib.import_module(name) for name in (*PARTS, *RUN_PARTS, *sys.argv[1:])]; print(*sys.modules)"
    )
    python = [sys.executable, "-c", program, *modules]
    done = subprocess.run(python, capture_output=True, text=True, check=True, cwd=cwd)
    return {module.partition(".")[0] for module in done.stdout.split()}


def test_a_run_that_begins_draws_nothing_yet(tmp_path: Path) -> None:
    assert packages_after_importing(cwd=tmp_path) & {"hypothesis", "pandas"} == set()


def test_a_run_imports_what_its_checks_call_before_the_first_one_is_timed(tmp_path: Path) -> None:
    files = (ROOT / "tests_validation").glob("test_*.py")
    texts = [file.read_text(encoding="utf-8") for file in files]
    called = {module for text in texts for module in re.findall(r"\bsteps\.(\w+)\.", text)}
    assert {"watermark", "proving", "drawing"} <= called
    modules = [f"tsse_validation.steps.{module}" for module in called]
    # so what is left to a check is a module or two of our own: milliseconds
    assert packages_after_importing(*modules, cwd=tmp_path) == packages_after_importing(cwd=tmp_path)


@pytest.mark.parametrize("base", [ContractModel, Record])
def test_no_model_is_left_to_be_built_by_threads_at_once(base: type[ContractModel | Record]) -> None:
    # an older pydantic, which we allow, may lend a second thread a model that is half built at its first use
    models = [base, *base.__subclasses__()]
    assert len(models) > 10
    assert [model for model in models if model.model_config.get("defer_build")] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_it_says_of_itself(name: str) -> None:
    summary = COMMANDS[name].summary()
    assert summary
    assert COMMANDS[name].load(name).help.startswith(summary)


def test_the_version_is_that_of_the_distribution() -> None:
    assert tsse_validation.__version__ == version("tsse-validation")
    assert "__version__" in dir(tsse_validation)


def test_a_command_that_is_replaced_by_its_own_keeps_its_name() -> None:
    context = typer.main.get_command(app).commands["index"].make_context("index", [])  # type: ignore[attr-defined]
    assert context.command.name == "index"
    assert context.params["reports"] == Path("reports")
