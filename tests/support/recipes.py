"""The recipes of the documentation, and the command line of each."""

import configparser
import plistlib
import re
import shlex
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.command import REPOSITORY

RECIPES = REPOSITORY / "docs" / "recipes"
WORKFLOWS = tuple(sorted(RECIPES.glob("*.yml")))
SERVICE, TIMER = RECIPES / "tsse-validate.service", RECIPES / "tsse-validate.timer"
PLIST = RECIPES / "org.example.tsse-validate.plist"
CRONTAB = RECIPES / "tsse-validate.crontab"
PROGRAM = "/opt/tsse-validation/bin/tsse-validate"
HOT_PATH = "/Users/Shared/FarmDashboard/storage/analysis/lake/hot"
URL = "http://127.0.0.1:8000"


def workflow(path: Path) -> dict[str, Any]:
    """Return what a workflow says."""
    said: dict[str, Any] = YAML(typ="safe").load(path)
    return said


def steps_of(path: Path) -> list[dict[str, Any]]:
    """Return the steps of a workflow's one job."""
    (job,) = workflow(path)["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    return steps


def script_of(path: Path) -> str:
    """Return what a workflow's step `Validate` gives to its shell."""
    (step,) = (step for step in steps_of(path) if step.get("name") == "Validate")
    return str(step["run"])


def unit_file(path: Path) -> configparser.ConfigParser:
    """Return a unit's sections; of a key that is given more than once, the last."""
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",)
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as its own documentation has it
    parser.read_string(re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8")))
    return parser


def service_command() -> str:
    """Return what systemd is to run; it takes variables from the environment as a shell does."""
    return unit_file(SERVICE)["Service"]["ExecStart"]


def plist() -> dict[str, Any]:
    """Return what launchd is told."""
    said: dict[str, Any] = plistlib.loads(PLIST.read_bytes())
    return said


def crontab_line() -> tuple[str, str]:
    """Return the schedule of the crontab's one line, and what it gives to its shell."""
    lines = CRONTAB.read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if not line.startswith("#") and not re.match(r"[A-Z]+=", line))
    *schedule, command = line.split(maxsplit=5)
    return " ".join(schedule), command


def live_commands() -> dict[str, str]:
    """Return, by the recipe's name, the shell's text of each recipe for an installed controller."""
    return {
        "controller.yml": script_of(RECIPES / "controller.yml"),
        SERVICE.name: service_command(),
        PLIST.name: shlex.join(plist()["ProgramArguments"]),
        CRONTAB.name: crontab_line()[1],
    }
