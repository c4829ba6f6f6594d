"""How long a start takes that does nothing yet: what a person waits for at every command."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS = 5
PYTHON, PYTEST, HELP, COLLECTING = (
    "python -c pass",
    "pytest --version",
    "tsse-validate --help",
    "collecting the runbook",
)
_WAYS: Mapping[str, tuple[str, ...]] = {
    PYTHON: ("-c", "pass"),
    PYTEST: ("-m", "pytest", "--version", "-p", "no:tsse_validation"),
    HELP: ("-m", "tsse_validation", "--help"),
    COLLECTING: ("-m", "pytest", "--collect-only", "--quiet", "tests_validation"),
}


def starts() -> dict[str, float]:
    """Return the seconds of each start: the best of several."""
    return {name: min(_seconds(arguments) for _ in range(RUNS)) for name, arguments in _WAYS.items()}


def _seconds(arguments: tuple[str, ...]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=True)
    return time.perf_counter() - began
