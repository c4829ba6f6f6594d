"""Writes a file at once or not at all: a reader never sees half a report."""

import os
from pathlib import Path

REPORT_HTML = "report.html"
TESTS_HTML = "tests.html"


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the path and rename into place; nothing is left behind when that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
