"""What a seal says: digests by sensor-day of one side, as of a coverage, and what was read to make them.

A seal travels: the lake may be sealed by its owner and Postgres elsewhere. Both are made of the same parts, in the
same order, so that the lines of a part can be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import DIGEST_SCHEMA, DIGEST_VERSION, KEY_SCHEMA
from tsse_validation.domain.instants import Instant
from tsse_validation.domain.windows import Window
from tsse_validation.lake.looks import SPAN_SCHEMA
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

SHARD_DAY_SCHEMA = pa.schema(
    [*SPAN_SCHEMA, ("not_due", pa.bool_()), ("seal", pa.string()), ("read_at", pa.timestamp("us"))]
)
"""A shard-day of the lake: what its rows lie between, and whether a key of it was not due.

Where its lines were taken over, `seal` is the SHA-256 of the seal for which its files were read, and `read_at` the
instant, in UTC without a zone, at which that was begun: through a chain of seals, too. Else they are null.
"""

NOT_DUE, PENDING, FILES, SHARD_DAYS = "not_due", "pending", "files", "shard_days"
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


class FileFault(_Model):
    """A fault of a file, by its path in its place, and, where it is one of rows, how many, of which sensors."""

    place: str
    path: str
    what: str
    rows: int = 0
    sensors: tuple[str, ...] = ()


class Examined(_Model):
    """What is wrong with the lake's files, by aspect, as `lake.file_checks.examine` finds it."""

    files: int = 0
    rows: int = 0
    unsorted: int = 0
    problems: Mapping[str, tuple[FileFault, ...]] = {}


class TakenOver(_Model):
    """What was taken over from an earlier seal, `baseline`, by its SHA-256.

    `days` has each date with lines of which no byte was read again, and the earliest instant at which they were
    read. Of the shard-days that could be taken over `reread` were drawn by `seed` and read all the same, and were
    as the seal says; `share` is what was asked for.
    """

    baseline: str
    days: Mapping[date, Instant] = {}
    shard_days: int = 0
    reread: int = 0
    share: float
    seed: int


class LakeRead(_Model):
    """What of the lake was read; `replication` and `manifest` are the state files' content, as it stands there.

    `as_of` is the SHA-256 of the seal of Postgres by which rows that are not due were left out; without one it is
    empty, and sensor-days with such rows cannot be compared. Paths are within hot or cold, with slashes.
    `unreadable` has the reader's error of each file that was set aside. `outside` counts the rows of each date
    that lie outside of the covered window, copies and rows not due too.
    """

    hot: str
    cold: str | None
    shards: int
    replication: str
    manifest: str
    as_of: str = ""
    unreadable: Mapping[str, str] = {}
    temporary: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    litter: tuple[str, ...] = ()
    examined: Examined = Examined()
    outside: Mapping[date, int] = {}
    taken_over: TakenOver | None = None


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


def in_part(number: int, table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return lines or keys as those of a part: `schema` is theirs, and begins with the part."""
    parts = pa.repeat(pa.scalar(number, pa.int16()), table.num_rows)
    return table.add_column(0, "part", parts).select(schema.names).cast(schema)


def of_part(table: pa.Table, number: int) -> pa.Table:
    """Return the lines or keys of one part."""
    return table.filter(pc.equal(table["part"], number))


def keys_of_part(keys: pa.Table, number: int) -> pa.Table:
    """Return the keys of one part, in `KEY_SCHEMA`."""
    return of_part(keys, number).select(KEY_SCHEMA.names).cast(KEY_SCHEMA)
