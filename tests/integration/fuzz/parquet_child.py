"""Reads mutated Parquet files in its own process.

``python -m tests.integration.fuzz.parquet_child DIRECTORY INPUTS SEED`` starts it.
A reader that is killed by what it reads must not take pytest with it, and its memory is bounded by the system.
"""

import random
import resource
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.integration.fuzz.mutating import mutated
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import KEY_SCHEMA, ROW_SCHEMA
from tsse_validation.domain.errors import SuiteError
from tsse_validation.domain.instants import day_start
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.lake.file_checks import FileFindings, examine
from tsse_validation.lake.reader import LakeFile, LakeReader
from tsse_validation.lake.rows import LakeRows
from tsse_validation.lake.shards import shard_of

DAY = date(2026, 1, 24)
SENSOR = "0137f2f857d4dd34c390573c"
ROWS = 40
MOST_ADDRESSES = 6 * 1024**3
"""Bytes of address space: DuckDB and Arrow reserve far more of it than they use."""
QUERIED_EVERY = 10
"""One input of so many is read by DuckDB too, which takes ten times as long as to look into the file."""
_COVERAGE = Coverage(
    datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 25, tzinfo=UTC), datetime(2026, 1, 25, tzinfo=UTC)
)


def sample() -> pa.Table:
    start = day_start(DAY).replace(tzinfo=None)
    instants = [start + timedelta(minutes=number) for number in range(ROWS)]
    columns = [[SENSOR] * ROWS, instants, [number / 7 for number in range(ROWS)], [0] * ROWS, instants]
    return pa.Table.from_pydict(dict(zip(ROW_SCHEMA.names, columns, strict=True)), schema=ROW_SCHEMA)


def examined(path: Path) -> FileFindings:
    findings = FileFindings()
    examine(LakeFile(path, DAY, shard_of(SENSOR, 16), "hot", path.stat().st_size), 16, findings)
    return findings


def _footer_begins(content: bytes) -> int:
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def main(base: Path, inputs: int, seed: int) -> None:
    """Mutate, read, and say how many were read and how many refused."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    rng = random.Random(seed)
    path = base / f"metrics/v1/date={DAY}/shard={shard_of(SENSOR, 16)}/part-1-0.parquet"
    path.parent.mkdir(parents=True)
    (base / "_state").mkdir()
    (base / "_state" / "manifest.json").write_text('{"schema_version": 1, "datasets": {}}')
    pq.write_table(sample(), path, compression="zstd", row_group_size=15)
    whole = path.read_bytes()
    reader = LakeReader(LakePaths(base, None, 16))
    window = Window(day_start(DAY), day_start(DAY) + timedelta(days=1, microseconds=-1))
    read = refused = 0
    for number in range(inputs):
        footer = rng.random() < 0.8
        path.write_bytes(mutated(whole, rng, tail_from=_footer_begins(whole) if footer else 0))
        # what is read last when the process dies
        sys.stderr.write(f"{number}\n")
        wrong = any(examined(path).problems.values())
        refused, read = refused + wrong, read + (not wrong)
        if number % QUERIED_EVERY == 0:
            rows = LakeRows(reader)
            try:
                list(rows.digests(Scope(window, _COVERAGE), KEY_SCHEMA.empty_table()))
                rows.newest_rows(Scope(window, _COVERAGE), [SENSOR])
            except SuiteError:
                refused += 1
    sys.stdout.write(f"{read} {refused}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
