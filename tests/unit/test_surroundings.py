"""What a run runs on: told for who signs it, and never at the price of the run."""

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from tsse_validation.steps.surroundings import commit_of, machine_and_suite


def git(directory: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", directory, *who, *arguments], check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("as committed")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "one")
    git(tmp_path, "tag", "v1")
    return tmp_path


def test_a_checkout_tells_its_commit_and_whether_it_was_changed(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert commit_of(checkout) == commit
    (checkout / "file").write_text("changed")
    assert commit_of(checkout) == f"{commit}-dirty"


def test_the_repository_around_an_installed_package_is_not_asked(checkout: Path) -> None:
    (checkout / "site-packages").mkdir()
    assert commit_of(checkout / "site-packages") == ""


def test_a_hook_s_environment_leads_nowhere_else(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert len(commit_of(checkout)) == 40


def test_without_git_or_with_a_broken_checkout_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere")
    assert commit_of(tmp_path) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(tmp_path) == ""


def test_host_user_and_versions_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "operator")
    told = machine_and_suite()
    assert told["user"] == "operator"
    assert told["host"]
    assert told["pytest"] == version("pytest")
    assert all(told.values())


def test_a_user_without_a_name_is_told_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert machine_and_suite()["user"].startswith("uid ")
