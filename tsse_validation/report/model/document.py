"""The files of a run's folder: `result.json`, from which every other report is made, and the evidence by hash."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tsse_validation.runlog.difference_files import DIFFERENCE_NAMES
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.whole_files import replacing
from tsse_validation.verdict import Verdict, decide

REPORT_HTML = "report.html"
TESTS_HTML = "tests.html"
RESULT_JSON = "result.json"
_EVIDENCE = (
    *("run.jsonl", RESULT_JSON, *DIFFERENCE_NAMES),
    *("tsse-lake-parity-*.md", "junit.xml", "ctrf.json", "logs/*.log", "logs/*/*.log"),
)
"""What a run leaves as evidence. The pages are made from it, and are not part of it."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file at once or not at all: no reader sees half a report, and a failure leaves nothing behind."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


@dataclass(frozen=True)
class EvidenceFile:
    """One file of a run's folder, with its size in bytes."""

    name: str
    size: int
    sha256: str


def evidence_in(directory: Path) -> tuple[EvidenceFile, ...]:
    """Return the evidence that lies in a run's folder; links are not followed."""
    paths = (path for pattern in _EVIDENCE for path in sorted(directory.glob(pattern)))
    return tuple(_hashed(path, directory) for path in paths if path.is_file() and not path.is_symlink())


def _hashed(path: Path, directory: Path) -> EvidenceFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return EvidenceFile(path.relative_to(directory).as_posix(), path.stat().st_size, digest)


class ReportDocument(BaseModel):
    """A run's result and its verdict; `reports/README.md` documents every key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    run_id: str
    verdict: Verdict
    result: RunResult

    @classmethod
    def of(cls, result: RunResult) -> "ReportDocument":
        """Decide on a result, and hold both."""
        return cls(run_id=result.started.run_id, verdict=decide(result), result=result)


def as_decided_today(document: ReportDocument) -> ReportDocument:
    """Return a result of an earlier version, which knew no grades, faults or soak, with today's verdict on it.

    Any other comes back as it is: its verdict is held against its records, and never put right.
    """
    verdict = document.verdict
    of_today = None not in (verdict.proven, verdict.faults, *(gate.rests_on for gate in verdict.gates))
    return document if of_today else ReportDocument.of(document.result)


def to_json(document: ReportDocument) -> bytes:
    """Return the document as one line of JSON in UTF-8; lone surrogates become question marks."""
    text = json.dumps(document.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", errors="replace") + b"\n"


def write_result_json(path: Path, document: ReportDocument) -> None:
    """Write `result.json` at once or not at all."""
    write_atomically(path, to_json(document))


def read_result_json(path: Path) -> ReportDocument:
    """Read a `result.json` back: a run's `verdict`, and the `result` that it rests on.

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
