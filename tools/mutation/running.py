"""Runs mutmut over one module, in a working copy of it and of its own tests."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES: Mapping[str, tuple[str, ...]] = {
    "windows": ("test_windows.py",),
    "file_triage": ("test_file_triage.py",),
    "verdict": ("test_verdict.py",),
    "patterns": ("test_patterns.py", "test_patterns_by_rows.py"),
    "digest": ("test_digest.py",),
    "settings": ("test_settings.py", "test_settings_files.py"),
    "triage": ("test_triage.py", "test_patterns.py"),
}
"""The pure parts, and the tests of each: a mutant that only others' tests see counts as unseen."""
FILES: Mapping[str, tuple[str, ...]] = {
    "windows": ("domain/windows.py",),
    "file_triage": ("diagnosis/file_triage.py",),
    "verdict": ("verdict.py",),
    "patterns": ("diagnosis/patterns.py",),
    "digest": ("domain/digest.py",),
    "settings": tuple(
        f"settings/{name}.py"
        for name in ("fields", "definitions", "loading", "complaints", "places", "credentials")
    ),
    "triage": ("diagnosis/row_triage.py", "diagnosis/count_triage.py", "diagnosis/tally.py"),
}
"""The modules of each part."""
_COPIED = ("tsse_validation", "tests/unit", "tests/support", "tests/conftest.py", "pyproject.toml")
"""What a test of a pure module needs; the checkout's own conftest.py is the runbook's."""
_SECTION = "[tool.mutmut]\n"
_STATUS = re.compile(r"^ +(?P<name>\S+): (?P<status>killed|survived|timeout|no tests)$")

_SEEN = {"killed", "timeout"}
_SHOW = """
import sys
from mutmut.__main__ import cli
for name in sys.argv[1:]:
    cli(["show", name], standalone_mode=False)
"""


@dataclass(frozen=True)
class Mutant:
    """One mutant: what became of it, and, where no test saw it, its function and how its line reads."""

    status: str
    function: str
    was: str = ""
    line: str = ""

    @property
    def seen(self) -> bool:
        """Whether a test failed, or did not come to an end."""
        return self.status in _SEEN


def run(module: str, directory: Path, *, processes: int) -> list[Mutant]:
    """Run all mutants of a module; `directory` is for the working copy.

    Raises:
        subprocess.CalledProcessError: the tests fail without a mutant already; the log has been printed.
        RuntimeError: mutmut tells of a mutant what we do not know.

    """
    _copy(module, directory)
    _mutmut(directory, "run", "--max-children", str(processes))
    statuses = _statuses(_mutmut(directory, "results", "--all", "true"))
    diffs = _diffs(directory, (name for name, status in statuses.items() if status not in _SEEN))
    return [_mutant(name, status, diffs.get(name, "")) for name, status in statuses.items()]


def _copy(module: str, directory: Path) -> None:
    for name in _COPIED:
        source, target = ROOT / name, directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    tests = [f"tests/unit/{test}" for test in MODULES[module]]
    mutated = [f"tsse_validation/{name}" for name in FILES[module]]
    chosen = f"only_mutate = {mutated}\npytest_add_cli_args_test_selection = {tests}\n"
    config = directory / "pyproject.toml"
    before, section, after = config.read_text(encoding="utf-8").partition(_SECTION)
    config.write_text(f"{before}{section}{chosen}{after}", encoding="utf-8")


def _mutmut(directory: Path, *arguments: str) -> str:
    return _said(directory, Path(sys.executable).with_name("mutmut"), *arguments)


def _said(directory: Path, *command: str | Path) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
    done.check_returncode()
    return done.stdout


def _statuses(results: str) -> dict[str, str]:
    statuses = {}
    for line in filter(None, results.splitlines()):
        match = _STATUS.match(line)
        if match is None:
            msg = f"mutmut says what we do not know: {line}"
            raise RuntimeError(msg)
        statuses[match["name"]] = match["status"]
    return statuses


def _mutant(name: str, status: str, diff: str) -> Mutant:
    function = re.sub(r"^x_?|__mutmut_\d+$", "", name.rpartition(".")[2]).strip("ǁ").replace("ǁ", ".")
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    was, line = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Mutant(status, function, was, line)


def _diffs(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """Return what mutmut shows of each mutant; all in one process, for it takes long to start."""
    told = _said(directory, sys.executable, "-c", _SHOW, *names)
    _, *parts = re.split(r"^# (\S+): .*\n", told, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))
