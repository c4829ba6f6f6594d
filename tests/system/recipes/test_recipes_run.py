"""The very command of each recipe validates a controller, with nothing changed but places."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import recipes
from tests.support.command import EXIT_INCOMPLETE, PATIENCE_SECONDS, Run
from tests.support.controller import Controller
from tests.support.recipes import HOT_PATH, PLIST, PROGRAM, SERVICE, URL
from tsse_validation.domain.outcome import Outcome

FOREIGN = ("TSSE_", "CORE_", "PG", "PYTEST_", "GITHUB_")
TOKEN, DATABASE = "tsse-token.txt", "tsse-database.json"


@dataclass(frozen=True)
class Host:
    """A host as the recipes know it: its home directory has token, DSN and reports."""

    home: Path
    controller: Controller
    temporary: Path

    @property
    def reports(self) -> Path:
        """Where the recipes have the reports."""
        return self.home / "tsse-reports"

    def adapted(self, text: str, **places: str) -> str:
        """Put this host's places into a recipe's text; each must be there once."""
        ours = {PROGRAM: str(Path(sys.executable).with_name("tsse-validate")), URL: self.controller.url}
        for example, place in {**ours, HOT_PATH: str(self.controller.paths.hot), **places}.items():
            assert text.count(example) == 1, example
            text = text.replace(example, place)
        return text

    def run(self, shell: str, text: str, **variables: str) -> Run:
        """Give a text to a shell, in the environment of a service: home, and what the controller's host has."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        # what no recipe names, for an installation has them where the suite looks by itself
        elsewhere = {
            "TSSE_QDRANT_URL": self.controller.qdrant_url,
            "TSSE_COLD_PATH": str(self.controller.cold),
            "TSSE_POLL_INTERVAL": "0.25",
            "TSSE_MAX_WINDOWS": "14",
        }
        own = {"HOME": str(self.home), "TMPDIR": str(self.temporary), "XDG_CACHE_HOME": str(self.home / "cache")}
        done = subprocess.run(
            [*shell.split(), "-c", text],
            cwd=self.home,
            env=inherited | elsewhere | own | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        return Run(done.returncode, done.stdout, self.reports)


@pytest.fixture
def host(controller: Controller, stack_directory: Path, tmp_path: Path) -> Host:
    token, _view_token, _password = controller.secrets
    files = {TOKEN: f"{token}\n", DATABASE: json.dumps({"database_url": controller.conninfo})}
    for name, content in files.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(content)
    return Host(tmp_path, controller, stack_directory)


def by_workflow(host: Host) -> Run:
    text = recipes.script_of(recipes.RECIPES / "controller.yml")
    programs = host.home / "suite" / "bin"
    programs.mkdir(parents=True)
    (programs / "tsse-validate").symlink_to(Path(sys.executable).with_name("tsse-validate"))
    adapted = text.replace(URL, host.controller.url).replace(HOT_PATH, str(host.controller.paths.hot))
    return host.run("bash -e", adapted, RUNNER_TEMP=str(host.home))


def by_systemd(host: Host) -> Run:
    handed_over = host.home / "credentials"
    handed_over.mkdir()
    for name, file in (("token", TOKEN), ("database", DATABASE)):
        (handed_over / name).write_bytes((host.home / file).read_bytes())
        (handed_over / name).chmod(0o440)
    text = host.adapted(recipes.service_command(), **{"/var/lib/tsse-validate/reports": str(host.reports)})
    return host.run("sh", text, CREDENTIALS_DIRECTORY=str(handed_over))


def by_launchd(host: Host) -> Run:
    places = {
        "/usr/local/etc/tsse-validate/token": str(host.home / TOKEN),
        "/usr/local/etc/tsse-validate/database.json": str(host.home / DATABASE),
        "/usr/local/var/tsse-validate/reports": str(host.reports),
    }
    return host.run("sh", host.adapted(recipes.live_commands()[PLIST.name], **places))


def by_cron(host: Host, **variables: str) -> Run:
    return host.run("sh", host.adapted(recipes.crontab_line()[1]), **variables)


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(by_workflow, id="Actions"),
        pytest.param(by_systemd, id=SERVICE.name, marks=pytest.mark.slow),
        pytest.param(by_launchd, id=PLIST.name, marks=pytest.mark.slow),
    ],
)
def test_a_recipe_s_command_ends_in_a_proof(recipe: Callable[[Host], Run], host: Host) -> None:
    run = recipe(host)
    assert run.is_go_with_nothing_flagged, run
    assert run.verdict.assurance == "proof"
    assert "can be read by others" not in run.output
    for secret in host.controller.secrets:
        assert secret not in run.output


@pytest.mark.slow
def test_cron_has_nothing_to_mail_after_a_go_and_what_was_said_after_anything_else(host: Host) -> None:
    run = by_cron(host)
    assert run.is_go_with_nothing_flagged, run
    assert run.output == ""
    assert run.directory.stat().st_mode & 0o077 == 0
    run.directory.rename(host.home / "first")
    again = by_cron(host, TSSE_SKIP_BACKFILL="1")
    assert (again.code, again.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), again
    assert again.output.startswith(f"tsse-validate ended with exit code {EXIT_INCOMPLETE}\n")
    assert "INCOMPLETE" in again.output
