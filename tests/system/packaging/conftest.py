"""The suite as its wheel, installed where no checkout is."""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.stacks.embedded import running_stack
from tests.support.command import REPOSITORY
from tests.support.controller import OPTIONS, Controller

_FOREIGN = ("TSSE_", "CORE_", "PG", "PYTEST_", "PYTHON", "GITHUB_")
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the wheel; what the wheel needs it finds in the environment of these tests."""

    root: Path
    temporary: Path

    @property
    def package(self) -> Path:
        """Where the wheel's package is."""
        (package,) = self.root.glob("lib/python*/site-packages/tsse_validation")
        return package

    def run(self, program: str, *arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs somewhere, without a setting of this machine."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return subprocess.run(
            [self.root / "bin" / program, *arguments],
            cwd=cwd,
            env=inherited | {"TMPDIR": str(self.temporary), "XDG_CACHE_HOME": str(self.temporary / "cache")} | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from this checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (path,) = directory.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Install the wheel into an environment of its own."""
    root = tmp_path_factory.mktemp("environment")
    venv.create(root, with_pip=False, symlinks=True)
    (packages,) = root.glob("lib/python*/site-packages")
    (packages / "these-tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    how = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--ignore-installed"]
    pip = [sys.executable, "-m", "pip", "--python", str(root / "bin" / "python")]
    subprocess.run([*pip, "install", *how, str(wheel)], check=True, capture_output=True)
    # every user must be able to pass through to a stack, as root's PostgreSQL runs as another one
    with tempfile.TemporaryDirectory(prefix="tsse-wheel-") as name:
        temporary = Path(name).resolve()
        temporary.chmod(0o755)
        yield Environment(root, temporary)


@pytest.fixture(scope="session")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """Run one controller."""
    with running_stack(OPTIONS, lambda _: None) as running:
        yield Controller(running, tmp_path_factory.mktemp("controller"))
