"""The run log as a file: one JSON object a line, written at once, with secrets masked.

A soak may last for weeks. Once it has written very many lines, the log is written anew with fewer of them.
"""

import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tsse_validation.domain.errors import LogError
from tsse_validation.runlog.records import AnyRecord, Note, Record
from tsse_validation.runlog.redaction import Redactor
from tsse_validation.runlog.soak_records import SoakBegan
from tsse_validation.runlog.thinning import THINNED, thinned
from tsse_validation.runlog.whole_files import replacing

MOST_SOAK_LINES = 4_000
"""Lines of a soak's samples and slices that a log holds before it is written anew with fewer."""
_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyRecord)


def _beginning(kind: type[Record]) -> bytes:
    return f'{{"record": "{kind.model_fields["record"].default}",'.encode()


_THINNED = tuple(map(_beginning, THINNED))
_SOAK_BEGAN = _beginning(SoakBegan)


class RunLog:
    """Appends records to a JSON-lines file, each at once and with known secrets masked.

    Above `most_soak_lines` lines of a soak, the file is replaced by one with fewer of them: by `thinning`, and at
    once or not at all. Every other line stays as it was, to the byte.
    """

    def __init__(self, path: Path, redactor: Redactor, most_soak_lines: int = MOST_SOAK_LINES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.failure = ""
        """Why nothing is written any more: a log with a hole in it would be no evidence."""
        self._redactor = redactor
        self._stream = path.open("xb", buffering=0)
        self._most, self._soak_lines = most_soak_lines, 0
        self._thin_above = most_soak_lines

    def append(self, record: Record) -> None:
        """Write one record; it has left the process when this returns.

        A lone surrogate, as in an undecodable file name, becomes a question mark: UTF-8 cannot hold it.

        Raises LogError when it cannot be written. The log then ends with the record before, and takes no other.
        """
        if not self.failure:
            self._write(self._line(record))
        if self.failure:
            raise LogError(self.failure, "Make room there or have it made writable, then run again.")
        self._soak_lines += isinstance(record, THINNED)
        if self._soak_lines > self._thin_above:
            self._thin()

    def _line(self, record: Record) -> bytes:
        line = json.dumps(_encodable(record.model_dump(mode="json")), ensure_ascii=False)
        return f"{self._redactor.redact(line)}\n".encode()

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

    def _thin(self) -> None:
        """Write the log anew with fewer lines of the soak; where it cannot be, it stays as it is and grows."""
        try:
            self._soak_lines = self._write_anew()
        except (OSError, ValueError) as error:
            self._thin_above = self._soak_lines + self._most
            why = error.strerror if isinstance(error, OSError) else "a line of it is no record"
            self.append(
                Note(text=f"The run log could not be written anew with fewer lines, and stays whole: {why}.")
            )
        else:
            # what cannot become fewer, as slices that differ, must not have it written anew for each line
            self._thin_above = max(self._most, self._soak_lines + self._most // 2)

    def _write_anew(self) -> int:
        """Replace the file, and return how many lines of a soak it has now."""
        places = self._fewer()
        fresh = self._stream
        try:
            with replacing(self.path) as unfinished:
                with unfinished.open("wb") as stream:
                    stream.writelines(self._anew(places))
                    stream.flush()
                    os.fsync(stream.fileno())
                fresh = unfinished.open("ab", buffering=0)
        finally:
            # by what lies there: a Ctrl-C may come between any two steps
            if fresh is not self._stream:
                over, self._stream = (self._stream, fresh) if _lies_at(self.path, fresh) else (fresh, self._stream)
                over.close()
        return sum(place is not None for place in places)

    def _fewer(self) -> list[Record | None]:
        """Return what takes the place of each line of a soak, and `None` where it goes."""
        records: list[Record] = []
        limit: float | None = None
        for line in _lines(self.path):
            if line.startswith(_THINNED):
                records.append(_ADAPTER.validate_json(line))
            elif line.startswith(_SOAK_BEGAN):
                limit = _ADAPTER.validate_json(line).limit_seconds
        return thinned(records, self._most, limit)

    def _anew(self, places: Iterable[Record | None]) -> Iterator[bytes]:
        taking = iter(places)
        for line in _lines(self.path):
            if not line.startswith(_THINNED):
                yield line
            elif (record := next(taking)) is not None:
                yield self._line(record)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from stream


def _lies_at(path: Path, stream: io.FileIO) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False


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
