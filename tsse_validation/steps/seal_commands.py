"""The commands that the lake's owner runs, in words that a shell takes: who, where, and what may be in the way."""

import os
import pwd
import shlex
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tsse_validation.domain.contract import Inspection
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.discovery import is_this_host

SERVICE_USER = "SERVICE_USER"
"""Stands for the lake's owner where that cannot be looked up."""
PROGRAM = "tsse-validate"


@dataclass(frozen=True)
class SealCommand:
    """One command for the lake's owner, and lines that say what to know about it."""

    line: str
    notes: tuple[str, ...] = ()


def lake_command(
    inspection: Inspection, settings: Settings, *, request: Path, answer: Path, asks: str
) -> SealCommand:
    """Return the command that reads the lake where the controller says it is, from one file into another.

    `asks` is what of `seal lake` takes the request from standard input, such as `--as-of`.
    """
    hot, cold = inspection.hot_path, inspection.cold_path
    owner = _owner(Path(hot))
    mine = owner == _name_of(os.geteuid())
    program = _program()
    words = [*([] if mine else ["sudo", "-u", owner or SERVICE_USER]), *program, "seal", "lake", "--hot-path", hot]
    words += ["--cold-path", cold] if cold else []
    words += ["--shards", str(settings.shards), asks, "-", "--output", "-"]
    line = f"{shlex.join(words)} < {shlex.quote(str(request))} > {shlex.quote(str(answer))}"
    return SealCommand(line, tuple(_notes(settings, owner, Path(program[0]), mine=mine)))


def _program() -> list[str]:
    beside = Path(sys.executable).with_name(PROGRAM)
    if beside.is_file():
        return [str(beside)]
    found = shutil.which(PROGRAM)
    return [found] if found else [sys.executable, "-m", "tsse_validation"]


def _notes(settings: Settings, owner: str | None, program: Path, *, mine: bool) -> Iterator[str]:
    if settings.base_url and not is_this_host(settings.base_url):
        yield "The lake is on another host: run it there, on copies of these files, and bring the answer here."
    elif owner is None:
        yield f"{SERVICE_USER} is the user that the controller runs as, who may read the lake."
    if not mine and (closed := _closed(program)):
        yield (
            f"{owner or SERVICE_USER} may not enter {closed}: install the suite where it can, as by "
            "python3 -m venv /opt/tsse && /opt/tsse/bin/pip install tsse-validation, and run it from there."
        )


def _closed(program: Path) -> Path | None:
    """Return the first directory on the way to a program, and to our package, that others may not pass through."""
    ours = Path(__file__).resolve().parent
    for target in (program, Path(sys.executable).resolve(), ours):
        for parent in [*reversed(target.parents)]:
            try:
                if not parent.stat().st_mode & stat.S_IXOTH:
                    return parent
            except OSError:
                return parent
    return None


def _owner(path: Path) -> str | None:
    """Return who owns a directory, or `None` where it cannot be looked up from here."""
    try:
        return _name_of(path.stat().st_uid)
    except OSError:
        return None


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
