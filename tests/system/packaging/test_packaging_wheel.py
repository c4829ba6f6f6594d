"""The wheel holds the library, and the runbook in a place of its own within it."""

import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support.command import REPOSITORY


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_nothing_but_the_package_lies_beside_others(names: set[str]) -> None:
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"tsse_validation"}


def test_the_runbook_lies_within_as_in_a_checkout(names: set[str]) -> None:
    for place in ("tests_validation", "fixtures"):
        files = [path for path in (REPOSITORY / place).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        assert {f"tsse_validation/suite/{path.relative_to(REPOSITORY).as_posix()}" for path in files} == {
            name for name in names if name.startswith(f"tsse_validation/suite/{place}/")
        }
    assert {"tsse_validation/suite/conftest.py", "tsse_validation/suite/pyproject.toml"} <= names
    assert not [name for name in names if "__pycache__" in name]


def test_the_extra_for_a_stack_asks_for_the_same_on_every_platform() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert not [requirement for requirement in project["optional-dependencies"]["stack"] if ";" in requirement]
