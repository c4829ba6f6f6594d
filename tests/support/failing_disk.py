"""A disk that fails for one process only, by a library that it loads first."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("failing_open.c")


def failing_disk(directory: Path, part_of_path: str, number: int) -> Mapping[str, str]:
    """Return the environment of a process that cannot open some paths, by the system's error of that number."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    library = directory / "failing_open.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, _SOURCE, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "FAILING_OPEN": part_of_path, "FAILING_ERRNO": str(number)}
