"""What runs on a worker of a cluster, around the function that runs locally too: who answers, by what code."""

import hashlib
import platform
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

import tsse_validation
from tsse_validation.domain.digest import DIGEST_VERSION
from tsse_validation.domain.errors import SuiteError
from tsse_validation.domain.stack import STATE_DIR
from tsse_validation.suite_home import suite_version

SUITE = "tsse-validation"
Software = Mapping[str, str]
"""What could change a digest, by name: a plain mapping, that any version of ours understands of any other."""

Task = TypeVar("Task")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Reply(Generic[Answer]):
    """What a worker hands back: an answer, or what it complains of; neither where its software is not ours."""

    worker: str
    software: Software
    answer: Answer | None = None
    complaint: SuiteError | None = None


@dataclass(frozen=True)
class WorkerLook:
    """What a worker is and sees before any work.

    `state` is the SHA-256 of the lake's state file, or why that is not `there`.
    """

    host: str
    software: Software
    state: str
    there: bool


@cache
def software() -> Software:
    """Return this process' own.

    Releases of the libraries are told by their first two numbers: the third changes no result. Our own code is
    told by its content too, for checkouts of several states have one version.
    """
    import duckdb
    import numpy as np
    import pyarrow as pa

    return {
        SUITE: suite_version(),
        "its code": _code(),
        "its digest": str(DIGEST_VERSION),
        "Python": _release(platform.python_version()),
        "duckdb": _release(duckdb.__version__),
        "pyarrow": _release(pa.__version__),
        "numpy": _release(np.__version__),
    }


def look(hot: Path) -> WorkerLook:
    """Look at the lake's state as a reader does; what is wrong is said, and not raised."""
    there, state = state_of(hot)
    return WorkerLook(socket.gethostname(), software(), state, there)


def state_of(hot: Path) -> tuple[bool, str]:
    """Return whether a lake's state can be read here, and its SHA-256, or why not."""
    try:
        content = (hot / STATE_DIR / "replication.json").read_bytes()
    except OSError as error:
        return False, error.strerror or type(error).__name__
    return True, hashlib.sha256(content).hexdigest()


def answered(function: Callable[[Task], Answer], task: Task, expected: Software) -> Reply[Answer]:
    """Run a task, but by no other software than expected: the answer would be taken for what it is not."""
    from distributed import get_worker

    worker = get_worker()
    name = in_words(worker.name, worker.address)
    ours = software()
    if ours != expected:
        return Reply(name, ours)
    try:
        return Reply(name, ours, function(task))
    except SuiteError as error:
        return Reply(name, ours, complaint=error)
    except Exception as error:  # noqa: BLE001 - else it goes without the worker's name
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return Reply(name, ours, complaint=SuiteError(f"{what}.", "That is a fault of the suite's: report it."))


def in_words(name: object, address: str) -> str:
    """Name a worker as its cluster does."""
    return f"worker {address}" if str(name) == address else f"worker {name} ({address})"


def _release(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _code() -> str:
    """Return a digest of the code that a digest is made by: two packages, without what an editor leaves there."""
    home = Path(tsse_validation.__file__).parent
    found = hashlib.sha256()
    for package in ("domain", "lake"):
        for path in sorted((home / package).glob("*.py")):
            found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]
