"""Installed beside a project that is not the suite, the plugin adds nothing to its pytest."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

from tests.system.packaging.conftest import Environment
from tsse_validation.settings.definitions import Settings, option_of

OPTIONS = ("--level", "--stack", "--sample", "--resume")
CONFTEST = f"""
def pytest_addoption(parser):
    for option in {OPTIONS}:
        parser.addoption(option, default="none")

def pytest_configure(config):
    config.addinivalue_line("markers", "nightly: what is run at night")
"""
TESTS = """
import sys
import pytest

def test_an_option_is_the_project_s_own(request):
    assert request.config.getoption("--level") == "deep"
    assert request.config.getoption("--stack") == "high"

@pytest.mark.nightly
def test_a_marker_is_the_project_s_own(request):
    assert [mark.name for mark in request.node.iter_markers()] == ["nightly"]
    ours = ("step", "tier_a", "conformance")
    assert not [line for line in request.config.getini("markers") if line.startswith(ours)]

def test_a_param_keeps_its_id(request):
    assert request.node.name == "test_a_param_keeps_its_id"

@pytest.mark.parametrize("text", ["a b/c"])
def test_an_id_is_pytest_s_own(text, request):
    assert request.node.name.endswith("[a b/c]")

def test_nothing_of_the_library_is_loaded():
    loaded = {name for name in sys.modules if name.startswith("tsse_validation")}
    assert loaded <= {"tsse_validation", "tsse_validation.pytest_plugin", "tsse_validation.suite_home"}
    assert not {"duckdb", "pyarrow", "numpy", "psycopg", "pydantic", "httpx"} & sys.modules.keys()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_project.py").write_text(dedent(TESTS))
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\nversion = "1"\n')
    return tmp_path


def test_a_project_has_its_own_options_and_markers(environment: Environment, project: Path) -> None:
    done = environment.run(
        "python", "-m", "pytest", "--strict-markers", "--level=deep", "--stack=high", cwd=project
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout
    assert "validating:" not in done.stdout


def test_the_help_there_shows_no_option_of_ours(environment: Environment, project: Path) -> None:
    shown = environment.run("python", "-m", "pytest", "--help", cwd=project)
    assert shown.returncode == 0, shown.stdout
    assert "TSSE" not in shown.stdout
    found = set(re.findall(r"^ +(--[\w-]+)", shown.stdout, re.MULTILINE))
    # --base-url is pytest-base-url's, and pytest loads that plugin wherever it is installed
    ours = {option_of(name) for name in Settings.model_fields} - {"--base-url", *OPTIONS}
    assert found
    assert not found & ours


def test_the_plugin_is_there_and_brings_its_options_in_a_checkout(environment: Environment, project: Path) -> None:
    (project / "tests_validation").mkdir()
    (project / "conftest.py").unlink()
    (project / "pyproject.toml").write_text('[project]\nname = "tsse-validation"\n')
    below = project / "tests_validation"
    shown = environment.run("python", "-m", "pytest", "--help", cwd=below)
    assert "TSSE lake validation" in shown.stdout
