"""The last run of the same controller, which a later one is measured against."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from tsse_validation.report.model.document import RESULT_JSON, ReportDocument, as_decided_today, read_result_json
from tsse_validation.runlog.records import EarlierRun

MOST_READ = 20
"""Results that are read at most: a directory may hold years of runs, and each may be large."""


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
    for name in [name for name in names if name < before][:MOST_READ]:
        try:
            yield as_decided_today(read_result_json(directory / name / RESULT_JSON))
        except (OSError, ValidationError):
            continue
