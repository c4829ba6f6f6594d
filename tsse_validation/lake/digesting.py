"""Digests of the newest rows in some of the lake's files: deduplicated, as of a watermark, bounded in memory."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from threading import Lock

import duckdb
import pyarrow as pa

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import DIGEST_SCHEMA, ROW_SCHEMA, add_digests, digest_days
from tsse_validation.lake import sql as lake_sql
from tsse_validation.lake.arrow_rows import ArrowDigests, NotDueKeys
from tsse_validation.lake.read_errors import STREAMED_ROWS
from tsse_validation.lake.reader import LakeFile
from tsse_validation.lake.sql import column_engine

SHARE_BYTES = 3 * 1024 * 1024
"""About the bytes of Parquet that are searched for copies at a time: that needs memory for all their rows."""
_ENGINE = Lock()
"""The engine takes much of our memory where it searches for copies: one thread at a time has it."""
SHARD_DIGEST_SCHEMA = pa.schema([("shard", pa.string()), *DIGEST_SCHEMA])
"""A line of the lake's: its files' shard, and what is compared of the sensor and UTC day."""


def digest_files(files: Sequence[LakeFile], scope: Scope, not_due: pa.Table, *, hashed: bool = True) -> pa.Table:
    """Return the digests of a scope's newest rows in whole shard-days, a line for each shard, sensor and day.

    `files` are all of their shard-days; `not_due` is a table of the keys `(sensor_id, ts)` that are left out. The
    result is in `SHARD_DIGEST_SCHEMA`, unordered. A shard-day in one file should hold each key once and is not
    searched for copies: with one, its digest differs.

    Raises:
        duckdb.Error, pa.ArrowException, OSError, UnicodeDecodeError: a file is broken, or gone.
    """
    left_out = NotDueKeys(not_due)
    lines = []
    for shard, shard_days in _by_shard(files).items():
        plain = ArrowDigests(scope, left_out, hashed=hashed)
        for some in shard_days:
            plain.add(some)
        plain.finish()
        others = _digested_by_sql(plain.odd, scope, not_due, hashed=hashed) if plain.odd else []
        parts = [*plain.digests, *others]
        digests = parts[0] if len(parts) == 1 else add_digests(parts)
        lines.append(digests.add_column(0, "shard", pa.repeat(shard, digests.num_rows)))
    return pa.concat_tables([SHARD_DIGEST_SCHEMA.empty_table(), *lines])


def _digested_by_sql(
    files: Sequence[LakeFile], scope: Scope, not_due: pa.Table, *, hashed: bool
) -> Sequence[pa.Table]:
    with _ENGINE, column_engine(not_due=not_due) as connection:
        return [digest_days(rows, hashed=hashed) for rows in _newest_in_parts(connection, files, scope)]


def _by_shard(files: Iterable[LakeFile]) -> Mapping[str, list[list[LakeFile]]]:
    """Return the files of each day, ascending, for each shard."""
    ordered = sorted(files, key=lambda file: (file.shard, file.day))
    shards = defaultdict[str, list[list[LakeFile]]](list)
    for (shard, _), some in groupby(ordered, key=lambda file: (file.shard, file.day)):
        shards[shard].append(list(some))
    return shards


def _newest_in_parts(
    connection: duckdb.DuckDBPyConnection, files: Sequence[LakeFile], scope: Scope
) -> Iterator[pa.Table]:
    """Yield the newest rows of `files` that are not in the table `not_due`, bounded in memory."""
    shard_days = defaultdict[tuple[date, str], list[LakeFile]](list)
    for file in files:
        shard_days[file.day, file.shard].append(file)
    alone = [some[0] for some in shard_days.values() if len(some) == 1]
    together = [some for some in shard_days.values() if len(some) > 1]
    statement = lake_sql.without_not_due(lake_sql.ROWS)
    yield from _streamed(connection, statement, alone, lake_sql.parameters(alone, scope))
    for some in _in_groups(together):
        shares = 1 + sum(file.size for file in some) // SHARE_BYTES
        for share in range(shares):
            parameters = lake_sql.parameters(some, scope) | {"shares": shares, "share": share}
            # what one file holds twice is a fault, and must not vanish among the copies that wait for compaction
            for statement in (lake_sql.NEWEST_OF_SHARE, lake_sql.REPEATED_OF_SHARE):
                yield from _streamed(connection, lake_sql.without_not_due(statement), some, parameters)


def _in_groups(shard_days: Iterable[list[LakeFile]]) -> Iterator[list[LakeFile]]:
    """Put small shard-days together up to `SHARE_BYTES`: each query costs, however little it reads."""
    group: list[LakeFile] = []
    for files in shard_days:
        if group and sum(file.size for file in (*group, *files)) > SHARE_BYTES:
            yield group
            group = []
        group += files
    if group:
        yield group


def _streamed(
    connection: duckdb.DuckDBPyConnection,
    statement: str,
    files: Sequence[LakeFile],
    parameters: Mapping[str, object],
) -> Iterator[pa.Table]:
    if files:
        for batch in connection.execute(statement, parameters).to_arrow_reader(STREAMED_ROWS):
            yield pa.Table.from_batches([batch]).cast(ROW_SCHEMA)
