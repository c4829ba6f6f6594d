"""The files that a verdict rests on, named by their SHA-256, so that a filed report can be held against them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_FILES = ("run.jsonl", "result.json", "tsse-lake-parity-*.md", "junit.xml", "ctrf.json", "logs/*.log")
"""What a run leaves as evidence. The pages are made of it, and are no part of it."""


@dataclass(frozen=True)
class EvidenceFile:
    """One file of a run's folder; its size in bytes."""

    name: str
    size: int
    sha256: str


def evidence_in(directory: Path) -> tuple[EvidenceFile, ...]:
    """Return the evidence that lies in a run's folder; links are not followed."""
    paths = (path for pattern in _FILES for path in sorted(directory.glob(pattern)))
    return tuple(_hashed(path, directory) for path in paths if path.is_file() and not path.is_symlink())


def _hashed(path: Path, directory: Path) -> EvidenceFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return EvidenceFile(path.relative_to(directory).as_posix(), path.stat().st_size, digest)
