"""The page over the runs of a directory: `index.html`, and `index.json` with what is known of each run.

It is made after each run, so it must be cheap and must never fail one. What was read once is kept in `index.json`,
and few results are read anew; those left over are counted on the page. It is no evidence: a run's own folder is.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tsse_validation.domain.polling import poll
from tsse_validation.report.html.html_pages import render_index
from tsse_validation.report.html.trend import Run, Runs
from tsse_validation.report.model.document import (
    REPORT_HTML,
    RESULT_JSON,
    ReportDocument,
    as_decided_today,
    read_result_json,
    write_atomically,
)
from tsse_validation.suite_home import suite_version

INDEX_HTML, INDEX_JSON = "index.html", "index.json"
MOST_SHOWN = 500
"""Runs on the page that a run makes: the newest, by the names of their folders, which begin with the start."""
MOST_NEW, MOST_NEW_BYTES = 10, 30_000_000
"""Results that a run reads for it beside those that are known: some seconds at the most."""
_TURN_SECONDS, _PAUSE = 10.0, 0.1


class _Entry(BaseModel):
    """A run as it is known, and by which `size` and `modified` its result is recognized."""

    model_config = ConfigDict(frozen=True)

    size: int
    modified: int
    run: Run


class _Known(BaseModel):
    """The content of `index.json`; what another version has read is read again."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    suite_version: str
    runs: tuple[_Entry, ...] = ()


@dataclass
class _Left:
    """How much may still be read anew; `None` is no bound."""

    results: int | None
    bytes: int | None

    def take(self, size: int) -> bool:
        """Take one result off, and return whether it may be read."""
        if self.results is None or self.bytes is None:
            return True
        if self.results < 1 or self.bytes < size:
            return False
        self.results, self.bytes = self.results - 1, self.bytes - size
        return True


def write_index(directory: Path) -> Path:
    """Write the page over all runs of a directory, each read anew, and return its path.

    Raises:
        OSError: the directory cannot be read or written.

    """
    with _turn(directory):
        return _write(directory, {}, _Left(None, None), None)


def index_after_run(directory: Path) -> str:
    """Write the page over the newest runs, of which few are read, and return why it could not be, or nothing."""
    try:
        with _turn(directory):
            _write(directory, _known(directory / INDEX_JSON), _Left(MOST_NEW, MOST_NEW_BYTES), MOST_SHOWN)
    except Exception as error:  # noqa: BLE001 - whatever lies there: the run's verdict stands without its index
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return f"The page over all runs, {directory / INDEX_HTML}, could not be written: {why}."
    return ""


def _write(directory: Path, known: dict[str, _Entry], left: _Left, most: int | None) -> Path:
    folders = sorted(_folders(directory), key=lambda folder: folder.name, reverse=True)
    entries, unread, unlisted = [], [], len(folders[most:]) if most else 0
    for folder in folders[:most]:
        try:
            entry = _entry(folder, known.get(folder.name), left)
        except (OSError, ValueError):
            # Named on the page, never left out.
            unread.append(folder.name)
            continue
        if entry is None:
            unlisted += 1
        else:
            entries.append(entry)
    entries.sort(key=lambda entry: entry.run.started, reverse=True)
    content = _Known(suite_version=suite_version(), runs=tuple(entries))
    page = render_index(Runs(tuple(entry.run for entry in entries), tuple(sorted(unread)), unlisted))
    write_atomically(directory / INDEX_JSON, content.model_dump_json().encode("utf-8", errors="replace") + b"\n")
    write_atomically(directory / INDEX_HTML, page.encode("utf-8", errors="replace"))
    return directory / INDEX_HTML


def _folders(directory: Path) -> Iterator[Path]:
    for folder in directory.iterdir():
        if folder.is_symlink() or not folder.is_dir():
            continue
        try:
            of_a_run = (folder / RESULT_JSON).exists() or (folder / "run.jsonl").exists()
        except OSError:  # a folder that this user may not enter
            of_a_run = True
        if of_a_run:
            yield folder


def _entry(folder: Path, known: _Entry | None, left: _Left) -> _Entry | None:
    """Return what is known of a run, or read it; `None` where no more may be read."""
    folder.name.encode()  # a name that no page can hold is no run's
    path = folder / RESULT_JSON
    seen = path.stat()
    linked = (folder / REPORT_HTML).exists()
    if known is not None and (known.size, known.modified) == (seen.st_size, seen.st_mtime_ns):
        return known.model_copy(update={"run": known.run.model_copy(update={"linked": linked})})
    if not left.take(seen.st_size):
        return None
    return _Entry(size=seen.st_size, modified=seen.st_mtime_ns, run=_read(path, linked=linked))


def _read(path: Path, *, linked: bool) -> Run:
    written = read_result_json(path)
    document, then = as_decided_today(written), written.verdict.outcome
    said_then = "" if then is document.verdict.outcome else then.value
    borne_out = ReportDocument.of(document.result) == document
    return Run.of(document, path.parent.name, linked=linked, borne_out=borne_out, said_then=said_then)


def _known(path: Path) -> dict[str, _Entry]:
    """Return what is known of the runs by their folders; nothing where the file is none of ours."""
    try:
        known = _Known.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return {}
    ours = known.suite_version == suite_version()
    return {entry.run.folder: entry for entry in known.runs} if ours else {}


@contextmanager
def _turn(directory: Path) -> Iterator[None]:
    """Hold the directory's lock: of two runs that end at once the second sees what the first has written.

    The operating system frees it however its owner ends. A file system without locks gives none, and all goes on.

    Raises BlockingIOError where another holds it for too long.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not poll(lambda: _try_lock(handle), bool, timeout=_TURN_SECONDS, pause=_PAUSE, clock=time.monotonic):
            raise BlockingIOError(None, "another run is writing it")
        yield
    finally:
        with suppress(OSError):
            os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here
        return True
    return True
