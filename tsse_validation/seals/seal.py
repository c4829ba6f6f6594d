"""What a seal says: digests by sensor-day of one side, as of a coverage, and what was read to make them.

A seal travels: the lake may be sealed by its owner and Postgres elsewhere. Both are made of the same parts, in the
same order, so that the lines of a part can be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import DIGEST_SCHEMA, DIGEST_VERSION, KEY_SCHEMA
from tsse_validation.domain.instants import Instant
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.database_record import DatabaseSeen

FORMAT_VERSION: Literal[1] = 1
"""Of the file: its metadata, its tables and their columns."""

LINE_SCHEMA = pa.schema([("part", pa.int16()), ("shard", pa.string()), *DIGEST_SCHEMA])
"""A line of a seal: the digest of a sensor-day's rows in one part, and in the lake in one shard's directory.

`shard` is empty in a seal of Postgres. A sensor's lines of several shards are added up before they are compared.
"""
KEYS_SCHEMA = pa.schema([("part", pa.int16()), *KEY_SCHEMA])
"""Keys of a part: those that are not due, or that the lake holds in an older version."""
FILE_SCHEMA = pa.schema(
    [
        ("place", pa.string()),
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("rows", pa.int64()),
        ("footer", pa.string()),
    ]
)
"""A file of the lake as it was read: hot or cold, its path there with slashes, bytes, rows by its footer.

`footer` is the SHA-256 of the footer, in hex; it is null, as `rows` is, where the file cannot be read.
"""

NOT_DUE, PENDING, FILES = "not_due", "pending", "files"
"""The tables beside the lines, by name."""


class SealSide(StrEnum):
    """Of what a seal is."""

    POSTGRES = "postgres"
    LAKE = "lake"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stamp(_Model):
    """When, where and by what a seal was made: all that differs between two seals of the same side.

    `sha256` is that of the whole file, in which these 64 digits are zeros.
    """

    made_at: Instant
    host: str
    user: str
    suite_version: str
    sha256: str = "0" * 64


class SliceRead(_Model):
    """A window of a part that was read of Postgres, and the states of the database that its rows are of.

    `at` is the server's clock as the first of them was taken; the keys not due are of the very same states.
    """

    part: int
    window: Window
    snapshots: tuple[str, ...]
    at: Instant


class PostgresRead(_Model):
    """What of Postgres was read: the slices of a part cover it, none twice.

    `begins` is Postgres's first row where that lies after the start of the parts: what a lake holds of before is
    the lake's alone.
    """

    database: DatabaseSeen
    begins: Instant | None = None
    slices: tuple[SliceRead, ...] = ()


class LakeRead(_Model):
    """What of the lake was read; `replication` and `manifest` are the state files' content, as it stands there.

    `as_of` is the SHA-256 of the seal of Postgres by which rows that are not due were left out; without one it is
    empty, and sensor-days with such rows cannot be compared.
    """

    hot: str
    cold: str | None
    shards: int
    replication: str
    manifest: str
    as_of: str = ""
    unreadable: Mapping[str, str] = {}


class SealFacts(_Model):
    """All that a seal says in words; a part is a scope, of which the first is the covered range."""

    format: int = FORMAT_VERSION
    digest: int = DIGEST_VERSION
    side: SealSide
    parts: tuple[Scope, ...]
    complete: bool = True
    postgres: PostgresRead | None = None
    lake: LakeRead | None = None


@dataclass(frozen=True)
class Seal:
    """A seal: `lines` in `LINE_SCHEMA`, and `tables` by name, keys in `KEYS_SCHEMA` and files in `FILE_SCHEMA`."""

    facts: SealFacts
    stamp: Stamp
    lines: pa.Table
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
