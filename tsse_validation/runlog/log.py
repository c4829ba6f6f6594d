"""The run log as a file: one JSON object a line, written at once, with secrets masked."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tsse_validation.domain.errors import LogError
from tsse_validation.runlog.records import AnyRecord, Record
from tsse_validation.runlog.redaction import Redactor

_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyRecord)


class RunLog:
    """Appends records to a JSON-lines file, each at once and with known secrets masked."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.failure = ""
        """Why nothing is written any more: a log with a hole in it would be no evidence."""
        self._redactor = redactor
        self._stream = path.open("xb", buffering=0)

    def append(self, record: Record) -> None:
        """Write one record; it has left the process when this returns.

        A lone surrogate, as in an undecodable file name, becomes a question mark: UTF-8 cannot hold it.

        Raises LogError when it cannot be written. The log then ends with the record before, and takes no other.
        """
        line = json.dumps(_encodable(record.model_dump(mode="json")), ensure_ascii=False)
        if not self.failure:
            self._write(f"{self._redactor.redact(line)}\n".encode())
        if self.failure:
            raise LogError(self.failure, "Make room there or have it made writable, then run again.")

    def _write(self, line: bytes) -> None:
        whole = self._stream.tell()
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._stream.write(rest) :]
        except OSError as error:
            self.failure = f"The run log {self.path} could not be written: {error.strerror}."
            with suppress(OSError):
                self._stream.truncate(whole)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(content) for key, content in value.items()}
    return [_encodable(content) for content in value] if isinstance(value, list) else value


def read_log(path: Path) -> Iterator[Record]:
    """Yield the records of a run log.

    A last line that a crash cut off is left out; any other line that does not parse is an error.

    Raises:
        pydantic.ValidationError: a line is not a record of this schema.

    """
    # As bytes, since a crash may have cut the last line in the middle of a character.
    *whole, _cut_off = path.read_bytes().split(b"\n")
    yield from (_ADAPTER.validate_json(line) for line in whole if line)
