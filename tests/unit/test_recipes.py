"""Each recipe is what its program takes, its command line what ours takes, and no code but GO's is a success."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from croniter import croniter

from tests.support import recipes
from tests.support.command_lines import given_by, hold_helper, simple_commands
from tests.support.recipes import CRONTAB, PLIST, RECIPES, SERVICE, TIMER, WORKFLOWS

SCHEMA = "vendor.github-workflows"
LIVE = recipes.live_commands()
PLACES = ("auth_token_file", "setup_config", "hot_path", "report_dir")


def of_validate(text: str) -> list[str]:
    """Return the arguments of the one call of `tsse-validate` in a shell's text."""
    (words,) = (words for words in simple_commands(text) if words[0].endswith("/tsse-validate"))
    return words[1:]


def complaints(file: Path, *command: str) -> str:
    """Return what a program says of a file; none where it takes it."""
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    assert bool(done.returncode) <= bool(done.stdout + done.stderr)
    return "" if not done.returncode and not done.stderr else done.stdout + done.stderr


def test_the_page_links_every_recipe_and_each_is_tried_here() -> None:
    page = (RECIPES.parent / "RECIPES.md").read_text(encoding="utf-8")
    there = {path.name for path in RECIPES.iterdir()}
    assert set(re.findall(r"\]\(recipes/(.+?)\)", page)) == there
    assert there == {path.name for path in (*WORKFLOWS, SERVICE, TIMER, PLIST, CRONTAB)}


# ---- the command lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", LIVE)
def test_a_recipe_for_a_controller_gives_what_makes_a_proof(recipe: str) -> None:
    run, *arguments = of_validate(LIVE[recipe])
    assert run == "run"
    given, paths = given_by(arguments)
    assert not paths
    assert given.keys() == {"base_url", *PLACES}
    for name in PLACES:
        assert re.match(
            r"/|\$HOME/|\$\{CREDENTIALS_DIRECTORY\}/", given[name]
        )  # whatever the working directory is


@pytest.mark.parametrize("recipe", LIVE)
def test_no_secret_and_no_place_for_one_is_on_a_command_line(recipe: str) -> None:
    assert not {"auth_token", "database_url"} & given_by(of_validate(LIVE[recipe])[1:])[0].keys()
    assert "secrets." not in LIVE[recipe]


def test_the_recipe_for_a_stack_of_its_own_runs_the_main_job_and_keeps_its_evidence() -> None:
    (words,) = simple_commands(recipes.script_of(RECIPES / "embedded.yml"))
    assert words[:4] == ["tox", "-e", "validate", "--"]
    given, _paths = given_by(words[4:])
    assert given.keys() == {"report_dir"}
    kept = [
        step["with"]["path"]
        for step in recipes.steps_of(RECIPES / "embedded.yml")
        if "upload" in step.get("uses", "")
    ]
    assert kept == [f"{given['report_dir']}/", f"{given['report_dir']}/*/junit.xml"]


def test_a_renamed_option_would_be_noticed() -> None:
    with pytest.raises(ValueError, match="--auth-token-fil"):
        given_by(["--base-url=http://127.0.0.1:8000", "--auth-token-fil", "x"])
    with pytest.raises(ValueError, match="--hot-pth"):
        hold_helper("inspect", ["--hot-pth", "x"])


# ---- GitHub Actions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one_and_a_broken_one_is_not(path: Path, tmp_path: Path) -> None:
    check = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMA)
    assert complaints(path, *check) == ""
    broken = tmp_path / path.name
    broken.write_text(path.read_text(encoding="utf-8").replace("runs-on:", "run-on:"), encoding="utf-8")
    assert complaints(broken, *check)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_red_unless_go_and_keeps_the_evidence_in_any_case(path: Path) -> None:
    said = recipes.workflow(path)
    assert croniter.is_valid(said["on"]["schedule"][0]["cron"])
    assert said["permissions"] == {"contents": "read"}
    steps = recipes.steps_of(path)
    assert "continue-on-error" not in path.read_text(encoding="utf-8")
    assert not re.search(r"\|\||; *true|set \+e", recipes.script_of(path))
    names = [step.get("name") for step in steps]
    after = steps[names.index("Validate") + 1 :]
    assert after
    assert {step["if"] for step in after} == {"always()"}
    assert any("upload-artifact" in step.get("uses", "") for step in after)


def test_the_newest_folder_is_found_by_its_name(tmp_path: Path) -> None:
    for name in ("20260124T162948Z-live-0001", "20261126T230026Z-live-d0e1", "20261126T225959Z-live-ffff"):
        (tmp_path / "tsse-reports" / name).mkdir(parents=True)
    (step,) = (step for step in recipes.steps_of(RECIPES / "controller.yml") if step.get("id") == "newest")
    output = tmp_path / "output"
    subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        env={"HOME": str(tmp_path), "GITHUB_OUTPUT": str(output), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    assert output.read_text() == f"folder={tmp_path}/tsse-reports/20261126T230026Z-live-d0e1\n"


# ---- systemd ---------------------------------------------------------------------------------------------------


def test_only_go_is_a_success_of_the_service() -> None:
    service = recipes.unit_file(SERVICE)["Service"]
    assert service["Type"] == "oneshot"  # its start ends as the run does
    assert service["Restart"] == "no"
    assert not {"SuccessExitStatus", "RestartForceExitStatus", "ExecStartPre"} & set(service)
    assert service["ExecStart"].startswith(
        f"{recipes.PROGRAM} "
    )  # with none of the prefixes that forgive a failure


def test_the_service_gets_its_secrets_handed_over() -> None:
    text = SERVICE.read_text(encoding="utf-8")
    handed = dict(re.findall(r"^LoadCredential=(\w+):(\S+)$", text, re.MULTILINE))
    assert set(handed) == set(re.findall(r"\$\{CREDENTIALS_DIRECTORY\}/(\w+)", text))
    page = (RECIPES.parent / "RECIPES.md").read_text(encoding="utf-8")
    assert set(handed.values()) == set(re.findall(r"install -m 600 \S+ (/etc/\S+)", page))


def test_what_the_service_writes_lies_where_it_may_write() -> None:
    service = recipes.unit_file(SERVICE)["Service"]
    given, _paths = given_by(of_validate(LIVE[SERVICE.name])[1:])
    assert Path(given["report_dir"]).is_relative_to(f"/var/lib/{service['StateDirectory']}")
    assert service["Environment"] == f"XDG_CACHE_HOME=/var/cache/{service['CacheDirectory']}"
    assert service["ProtectSystem"] == "strict"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="not run: no systemd-analyze here")
def test_systemd_takes_the_units_and_would_not_take_a_misspelt_one(tmp_path: Path) -> None:
    program = tmp_path / "tsse-validate"
    program.symlink_to(sys.executable)
    for unit in (SERVICE, TIMER):
        text = unit.read_text(encoding="utf-8").replace(recipes.PROGRAM, str(program))
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    for unit in (SERVICE, TIMER):
        assert complaints(tmp_path / unit.name, "systemd-analyze", "verify") == ""
    broken = tmp_path / "broken.service"
    broken.write_text((tmp_path / SERVICE.name).read_text().replace("KillMode=", "KilMode="), encoding="utf-8")
    assert "KilMode" in complaints(broken, "systemd-analyze", "verify")


def test_the_timer_starts_the_service_of_its_name_every_night() -> None:
    timer = recipes.unit_file(TIMER)
    assert TIMER.stem == SERVICE.stem
    assert re.fullmatch(r"\*-\*-\* \d\d:\d\d:\d\d UTC", timer["Timer"]["OnCalendar"])
    assert timer["Timer"]["Persistent"] == "yes"
    assert timer["Install"]["WantedBy"] == "timers.target"


# ---- launchd ---------------------------------------------------------------------------------------------------

KEYS: dict[str, type | tuple[type, ...]] = {
    "Label": str,
    "UserName": str,
    "ProgramArguments": list,
    "WorkingDirectory": str,
    "StartCalendarInterval": dict,
    "Umask": int,
    "ProcessType": str,
    "ExitTimeOut": int,
    "StandardOutPath": str,
    "StandardErrorPath": str,
}
"""Those of launchd.plist(5) that the recipe has, with their types: launchd passes over what it does not know."""


def test_launchd_knows_every_key_of_the_plist() -> None:
    said = recipes.plist()
    assert {key: type(value) for key, value in said.items()} == KEYS
    assert PLIST.name == f"{said['Label']}.plist"
    assert all(isinstance(word, str) for word in said["ProgramArguments"])
    assert set(said["StartCalendarInterval"]) == {"Hour", "Minute"}
    assert said["ProcessType"] in {"Background", "Standard", "Adaptive", "Interactive"}
    assert said["Umask"] & 0o007 == 0o007


def test_launchd_gives_no_word_to_a_shell() -> None:
    words: list[Any] = recipes.plist()["ProgramArguments"]
    assert [word for word in words if re.search(r"[$~*\s]", word)] == []


@pytest.mark.skipif(not shutil.which("plutil"), reason="not run: no plutil here")
def test_plutil_takes_the_plist() -> None:
    assert subprocess.run(["plutil", "-lint", str(PLIST)], capture_output=True, check=False).returncode == 0


# ---- cron ------------------------------------------------------------------------------------------------------


def test_cron_takes_the_line_and_begins_it_once_a_night() -> None:
    schedule, command = recipes.crontab_line()
    begins = croniter(schedule, datetime(2026, 1, 24, tzinfo=UTC), datetime)
    first, second = begins.get_next(), begins.get_next()
    assert (second - first).total_seconds() == 24 * 3600
    assert first.hour < 6
    assert "%" not in command  # cron would end the line there
    assert CRONTAB.read_text(encoding="utf-8").endswith("\n")  # cron passes over a line without


def test_cron_s_shell_can_read_the_line() -> None:
    done = subprocess.run(
        ["sh", "-n", "-c", recipes.crontab_line()[1]], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
