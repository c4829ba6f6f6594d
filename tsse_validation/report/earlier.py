"""The last run of the same controller, which a later one is measured against."""

import errno
from collections.abc import Iterator
from pathlib import Path

from tsse_validation.report.model import words
from tsse_validation.report.model.document import RESULT_JSON, ReportDocument, as_decided_today, read_result_json
from tsse_validation.runlog.records import EarlierRun
from tsse_validation.runlog.result import RunResult

MOST_READ = 20
"""Results that are read at most: a directory may hold years of runs, and each may be large."""
MOST_BYTES = 100_000_000
"""Bytes of results that are read in all: more would hold up a run's end, and is passed over."""


def last_run_beside(directory: Path, of: RunResult) -> tuple[ReportDocument | None, str]:
    """Return the last run of the controller, which a run was measured against, if it lies beside the run's folder.

    Where it cannot be compared with, there is `None` with the reason; the reason is empty where there was no run
    before. It is named in the result, so that a page made again of the same files is the same.
    """
    if of.earlier_run is None:
        return None, ""
    name = of.earlier_run.run_id
    if Path(name).name != name or name == "..":
        return None, "its name is not that of a folder"
    try:
        document = _read(directory.parent / name / RESULT_JSON, MOST_BYTES)
    except OSError as error:
        return None, f"its result cannot be read: {error.strerror or error}"
    except ValueError:
        return None, "its result is none that this version reads"
    if ReportDocument.of(document.result) != document:
        return None, "its records do not bear out its verdict"
    return document, ""


def last_run_of(base_url: str, directory: Path, before: str) -> EarlierRun | None:
    """Return the last finished run of an installed controller that compared rows, of a directory's, or `None`.

    `before` is the id of the run that asks: an id begins with the UTC second of the run's start.
    """
    for document in _earlier(directory, before):
        stack, finished, share = document.result.stack, document.result.finished, document.verdict.proven
        if stack is None or stack.owned or stack.base_url != base_url or share is None or not share.rows:
            continue
        if finished is not None and finished.reason == "completed":
            return EarlierRun(
                run_id=document.run_id,
                at=document.result.started.at,
                outcome=document.verdict.outcome.value,
                assurance=document.verdict.assurance,
                rows=share.rows,
                days=share.days,
                first=share.first,
                last=share.last,
            )
    return None


def _earlier(directory: Path, before: str) -> Iterator[ReportDocument]:
    """Yield the results of earlier live runs, the latest first; what cannot be read is passed over."""
    try:
        names = sorted((path.name for path in directory.iterdir() if "-live-" in path.name), reverse=True)
    except OSError:
        return
    left = MOST_BYTES
    for name in [name for name in names if name < before][:MOST_READ]:
        path = directory / name / RESULT_JSON
        try:
            document = _read(path, left)
            left -= path.stat().st_size
        except (OSError, ValueError):
            continue
        yield document


def _read(path: Path, most: int) -> ReportDocument:
    if path.stat().st_size > most:
        raise OSError(errno.EFBIG, f"it is larger than {words.size(most)}")
    return as_decided_today(read_result_json(path))
