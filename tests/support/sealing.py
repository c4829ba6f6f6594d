"""Seals of the lake as its owner makes them, by the lake's own reader, and of any side with what a test wants."""

from collections.abc import Sequence

import pyarrow as pa

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.instants import utc_now
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.shards import shard_of
from tsse_validation.seals.lake_sealing import seal_lake
from tsse_validation.seals.seal import (
    Seal,
)
from tsse_validation.seals.seal_file import seal_bytes, seal_of


def filed(seal: Seal) -> Seal:
    """Return a seal as it is read from its file."""
    return seal_of(seal_bytes(seal), "a seal")


def lake_seal(reader: LakeReader, as_of: Seal | None, parts: Sequence[Scope] = ()) -> Seal:
    """Seal a lake as of a seal of Postgres, or for parts of its own."""
    return filed(seal_lake(reader, as_of.facts.parts if as_of else parts, now=utc_now, as_of=as_of))


def lake_lines(number: int, digests: pa.Table, shards: int) -> pa.Table:
    """Return the lines of a lake's digests, each in the shard where its sensor belongs."""
    names = [shard_of(sensor, shards) for sensor in digests["sensor_id"].to_pylist()]
    return in_part(number, digests.add_column(0, "shard", pa.array(names, pa.string())))


def in_part(number: int, table: pa.Table) -> pa.Table:
    """Return a table with the number of its part before all columns."""
    return table.add_column(0, "part", pa.array([number] * table.num_rows, pa.int16()))
