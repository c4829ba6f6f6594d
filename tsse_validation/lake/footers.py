"""The footer of a Parquet file: by its digest a file is known again, without reading its pages."""

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tsse_validation.domain.errors import AccessError

_MAGIC = b"PAR1"
_TAIL_BYTES = 8
"""The length of the metadata in four bytes, and the magic."""
_FIRST_LOOK_BYTES = 64 * 1024
"""Most footers are shorter: one read then does."""


@dataclass(frozen=True)
class Footer:
    """The SHA-256 of a footer, in hex, from its metadata to the end of the file; `rows` by it."""

    sha256: str
    rows: int


def footer_of(path: Path) -> Footer | None:
    """Read a file's footer; `None` where there is none that can be read.

    Raises FileNotFoundError where the file is gone, AccessError where this user may not read it.
    """
    try:
        content = footer_bytes(path)
        return None if content is None else Footer(_sha256(content), _rows(content))
    except FileNotFoundError:
        raise
    except PermissionError:
        raise _not_ours(path) from None
    except (pa.ArrowException, OSError):
        return None


def footer_sha256(path: Path) -> str | None:
    """Return the SHA-256 of a file's footer alone; errors as in `footer_of`."""
    try:
        content = footer_bytes(path)
    except PermissionError:
        raise _not_ours(path) from None
    except OSError:
        return None
    return None if content is None else _sha256(content)


def footer_bytes(path: Path) -> bytes | None:
    """Return the metadata and what ends the file, or `None` where it ends otherwise; raises OSError."""
    with path.open("rb") as file:
        return _footer_in(file)


def sha256_in(content: bytes) -> str | None:
    """Return the SHA-256 of the footer in a file's content, or `None` where it has none."""
    footer = _footer_in(io.BytesIO(content))
    return None if footer is None else _sha256(footer)


def _footer_in(file: BinaryIO) -> bytes | None:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _FIRST_LOOK_BYTES))
    end = file.read()
    length = int.from_bytes(end[-_TAIL_BYTES:-4], "little") + _TAIL_BYTES
    if size < length + len(_MAGIC) or end[-4:] != _MAGIC:
        return None
    if length > len(end):
        file.seek(size - length)
        end = file.read(length)
    return end[-length:]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _rows(content: bytes) -> int:
    return int(pq.read_metadata(pa.BufferReader(_MAGIC + content)).num_rows)


def _not_ours(path: Path) -> AccessError:
    return AccessError(f"This user may not read {path}.", "Run as the service user.")
