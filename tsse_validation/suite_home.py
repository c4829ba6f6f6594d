"""Where the runbook is: in a checkout, or inside the installed package."""

import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path

RUNBOOK_DIR = "tests_validation"
CONFIG_NAME = "pyproject.toml"
RUN_COMMAND = "tsse-validate run"
"""The command that runs the runbook from any directory: what its plugin is called, too."""
_PROJECT = "tsse-validation"
_PACKAGE = Path(__file__).resolve().parent


@cache
def suite_version() -> str:
    """Return the version that is installed."""
    return version(_PROJECT)


def checkout_around(directory: Path) -> Path | None:
    """Return the nearest directory, from here upwards, that is a checkout of the suite."""
    return next((path for path in (directory, *directory.parents) if _is_checkout(path)), None)


def runbook_home() -> Path:
    """Return the directory with the runbook and pytest's configuration that belong to this installation."""
    return _PACKAGE.parent if _is_checkout(_PACKAGE.parent) else _PACKAGE / "suite"


def _is_checkout(directory: Path) -> bool:
    if not (directory / RUNBOOK_DIR).is_dir():
        return False
    try:
        project = tomllib.loads((directory / CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(project.get("project", {}).get("name") == _PROJECT)
