"""Watches the files of an arena's lake as they appear, so that a strike comes at a chosen moment."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tsse_validation.domain.errors import SuiteError
from tsse_validation.domain.stack import LakePaths
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.scenario import MissedError

Names = frozenset[str]
"""The files of a lake by place and path, as ``hot/metrics/v1/date=2026-01-01/shard=00/part-….parquet``."""
_PAUSE_SECONDS = 0.0005


def names(paths: LakePaths, below: str = "") -> Names:
    """Return the names of the lake's files and directories, or of those below a path within each place."""
    roots = {"hot": paths.hot} | ({"cold": paths.cold} if paths.cold is not None else {})
    return frozenset(name for place, root in roots.items() for name in _walk(root / below, root, place))


def _walk(directory: Path, root: Path, place: str) -> Iterator[str]:
    try:
        with os.scandir(directory) as entries:
            found = list(entries)
    except OSError:
        return  # it is moved or removed just now
    for entry in found:
        yield f"{place}/{os.path.relpath(entry.path, root)}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), root, place)


def strike_when(
    arena: Arena,
    seen: Callable[[Names], bool],
    what: str,
    *,
    below: str = "",
    seconds: float = 60.0,
    over: Callable[[], bool] = lambda: False,
) -> Names:
    """Let the controller stand still at a moment that its files show, and return their names.

    The files are looked at all the time. Once they are as wanted, the controller is paused and they are looked at
    again: where the moment has passed meanwhile, it goes on, and the watch too. `over` says that there will be no
    such moment any more, as when a job has ended.

    Raises:
        MissedError: there was no such moment; the controller runs.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if seen(names(arena.paths, below)):
            arena.pause()
            if seen(caught := names(arena.paths, below)):
                return caught
            arena.resume()
        elif over():
            break
        time.sleep(_PAUSE_SECONDS)
    msg = f"{what} was not seen."
    raise MissedError(msg)


def ended(arena: Arena, job_id: str, every: float = 0.25) -> Callable[[], bool]:
    """Return what says whether a job has ended, asking at most each `every` seconds."""
    next_look = time.monotonic()

    def over() -> bool:
        nonlocal next_look
        if time.monotonic() < next_look:
            return False
        next_look = time.monotonic() + every
        try:
            return arena.job(job_id).terminal
        except SuiteError:
            return False

    return over
