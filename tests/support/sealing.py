"""Seals of the lake as its owner makes them, by the lake's own reader, and of any side with what a test wants."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import KEY_SCHEMA
from tsse_validation.domain.instants import utc_now
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.rows import LakeRows
from tsse_validation.lake.shards import shard_of
from tsse_validation.seals.seal import (
    FILE_SCHEMA,
    FILES,
    KEYS_SCHEMA,
    LINE_SCHEMA,
    NOT_DUE,
    PENDING,
    LakeRead,
    Seal,
    SealFacts,
    SealSide,
)
from tsse_validation.seals.seal_file import seal_bytes, seal_of
from tsse_validation.seals.stamping import stamp_of


def filed(seal: Seal) -> Seal:
    """Return a seal as it is read from its file."""
    return seal_of(seal_bytes(seal), "a seal")


def lake_seal(reader: LakeReader, as_of: Seal | None, parts: Sequence[Scope] = ()) -> Seal:
    """Seal a lake as of a seal of Postgres, or for parts of its own."""
    rows, lines, pending = LakeRows(reader), [LINE_SCHEMA.empty_table()], [KEYS_SCHEMA.empty_table()]
    parts = as_of.facts.parts if as_of else parts
    for number, scope in enumerate(parts):
        keys = as_of.tables[NOT_DUE] if as_of else KEYS_SCHEMA.empty_table()
        not_due = keys.filter(pc.equal(keys["part"], number)).select(KEY_SCHEMA.names)
        lines += [lake_lines(number, digests, reader.paths.shards) for _, digests in rows.digests(scope, not_due)]
        pending.append(in_part(number, rows.pending_keys(scope, not_due)))
    facts = SealFacts(
        side=SealSide.LAKE,
        parts=tuple(parts),
        lake=LakeRead(
            hot=str(reader.paths.hot),
            cold=None,
            shards=reader.paths.shards,
            replication=reader.replication().model_dump_json(),
            manifest="{}",
            as_of=as_of.stamp.sha256 if as_of else "",
        ),
    )
    tables = {PENDING: pa.concat_tables(pending), FILES: FILE_SCHEMA.empty_table()}
    return filed(Seal(facts, stamp_of(utc_now()), pa.concat_tables(lines), tables))


def lake_lines(number: int, digests: pa.Table, shards: int) -> pa.Table:
    """Return the lines of a lake's digests, each in the shard where its sensor belongs."""
    names = [shard_of(sensor, shards) for sensor in digests["sensor_id"].to_pylist()]
    return in_part(number, digests.add_column(0, "shard", pa.array(names, pa.string())))


def in_part(number: int, table: pa.Table) -> pa.Table:
    """Return a table with the number of its part before all columns."""
    return table.add_column(0, "part", pa.array([number] * table.num_rows, pa.int16()))
