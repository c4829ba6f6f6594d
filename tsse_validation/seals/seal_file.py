"""A seal as one Parquet file: the lines are its rows, all else is in its metadata, a SHA-256 is over every byte.

The same seal gives the same bytes: rows are sorted, and no clock is in them but the stamp's.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from tsse_validation.domain.digest import DIGEST_VERSION
from tsse_validation.domain.errors import NotCheckedError, SettingsError
from tsse_validation.seals.seal import FORMAT_VERSION, LINE_SCHEMA, Seal, SealFacts, Stamp

FACTS, STAMP, TABLE = "tsse.seal", "tsse.stamp", "tsse.table."
"""Keys of the metadata: the words, what differs each time, and the prefix of the tables beside the lines."""
_NO_SHA256 = "0" * 64
_AGAIN = "Make the seal again."


def seal_bytes(seal: Seal) -> bytes:
    """Return a seal as the bytes of its file; `stamp.sha256` is worked out here."""
    stamp = seal.stamp.model_copy(update={"sha256": _NO_SHA256})
    buffer = BytesIO()
    order = [(name, "ascending") for name in ("part", "sensor_id", "day", "shard")]
    # not Arrow's schema: the metadata would stand in it once more
    with pq.ParquetWriter(buffer, LINE_SCHEMA, compression="zstd", store_schema=False) as writer:
        writer.write_table(seal.lines.cast(LINE_SCHEMA).sort_by(order))
        metadata = {FACTS: seal.facts.model_dump_json(), STAMP: stamp.model_dump_json()}
        tables = {f"{TABLE}{name}": _encoded(table) for name, table in sorted(seal.tables.items())}
        writer.add_key_value_metadata({**metadata, **tables})
    content = buffer.getvalue()
    at = _place_of_the_sha256(content)
    return content[:at] + hashlib.sha256(content).hexdigest().encode() + content[at + len(_NO_SHA256) :]


def read_seal(path: Path) -> Seal:
    """Read a seal and hold it to its own SHA-256, and to the versions that are read here.

    Raises NotCheckedError with the reason where it is no seal, was changed or cut off, or is of another version.
    SettingsError where it cannot be read.
    """
    return seal_of(read_given(path), str(path))


def read_given(path: Path) -> bytes:
    """Return the content of a file that was given by its name; raises SettingsError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        stdin = " Nothing is read from stdin here." if path == Path("-") else ""
        msg = f"{path} cannot be read: {error.strerror}.{stdin}"
        raise SettingsError(msg) from None


def seal_of(content: bytes, name: str) -> Seal:
    """Return the seal of a file's bytes; errors as in `read_seal`, with `name` as the file's."""
    try:
        with pq.ParquetFile(BytesIO(content)) as parquet:
            metadata = {key.decode(): value for key, value in (parquet.metadata.metadata or {}).items()}
            _hold_version(metadata, name)
            facts = SealFacts.model_validate_json(metadata[FACTS])
            stamp = Stamp.model_validate_json(metadata[STAMP])
            _hold_unchanged(content, stamp, name)
            lines = parquet.read().cast(LINE_SCHEMA)
            tables = {
                key.removeprefix(TABLE): _decoded(metadata[key]) for key in metadata if key.startswith(TABLE)
            }
    except (pa.ArrowException, OSError, KeyError, ValidationError, UnicodeDecodeError, ValueError) as error:
        msg = f"{name} is no whole seal: {' '.join(str(error).split())[:200].rstrip('.')}."
        raise NotCheckedError(msg, _AGAIN) from None
    return Seal(facts, stamp, lines, tables)


def _hold_version(metadata: Mapping[str, bytes], name: str) -> None:
    """Hold the versions before all else: what another version says, this one may not even parse."""
    facts: Any = json.loads(metadata[FACTS])
    for what, ours, its in (
        ("format", FORMAT_VERSION, facts["format"]),
        ("digest", DIGEST_VERSION, facts["digest"]),
    ):
        if its != ours:
            msg = f"{name} is of {what} version {its}, and this suite reads {ours}."
            raise NotCheckedError(msg, "Make both seals by the same version of the suite.")


def _hold_unchanged(content: bytes, stamp: Stamp, name: str) -> None:
    blank = content.replace(stamp.sha256.encode(), _NO_SHA256.encode(), 1)
    if hashlib.sha256(blank).hexdigest() != stamp.sha256:
        msg = f"{name} was changed after it was sealed: its SHA-256 is not the one in it."
        raise NotCheckedError(msg, _AGAIN)


def _place_of_the_sha256(content: bytes) -> int:
    place = content.rfind(f'"sha256":"{_NO_SHA256}"'.encode())
    assert place >= 0  # noqa: S101 - the stamp has been written just now
    return place + len('"sha256":"')


def _encoded(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())
    return base64.b64encode(sink.getvalue()).decode("ascii")


def _decoded(text: bytes) -> pa.Table:
    with pa.ipc.open_stream(base64.b64decode(text)) as reader:
        return reader.read_all()
