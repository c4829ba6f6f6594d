"""`result.json`: the run's result with its verdict, the document that every other report is rendered from."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tsse_validation.report.model.files import write_atomically
from tsse_validation.runlog.result import RunResult
from tsse_validation.verdict import Verdict, decide

RESULT_JSON = "result.json"


class ReportDocument(BaseModel):
    """A run's result and the verdict on it; `reports/README.md` documents every key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    run_id: str
    verdict: Verdict
    result: RunResult

    @classmethod
    def of(cls, result: RunResult) -> "ReportDocument":
        """Decide on a result and put both together."""
        return cls(run_id=result.started.run_id, verdict=decide(result), result=result)


def to_json(document: ReportDocument) -> bytes:
    """Return the document as one line of JSON in UTF-8; what UTF-8 cannot hold becomes a question mark."""
    text = json.dumps(document.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", errors="replace") + b"\n"


def write_result_json(path: Path, document: ReportDocument) -> None:
    """Write `result.json` at once or not at all."""
    write_atomically(path, to_json(document))


def read_result_json(path: Path) -> ReportDocument:
    """Read a `result.json` back: a run's `verdict`, and the `result` that it was decided on.

    Instants in it are UTC, durations seconds, sizes bytes; `reports/README.md` documents every key.

    >>> from tsse_validation import read_result_json
    >>> document = read_result_json(RUN / "result.json")
    >>> str(document.verdict.outcome), len(document.result.counts) > 0
    ('GO', True)

    Raises:
        OSError: the file cannot be read.
        pydantic.ValidationError: the file is not a document of this schema.

    """
    return ReportDocument.model_validate_json(path.read_bytes())
