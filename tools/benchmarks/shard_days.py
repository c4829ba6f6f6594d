"""What a shard-day costs the worker that digests it: it has one task's files at a time, however large the lake.

``python -m tools.benchmarks.shard_days HOT`` digests the one date of such a lake, in a process of its own.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from fixtures.controller.lake_store import Lake
from fixtures.controller.segments import SegmentWriter
from fixtures.controller.state import Manifest, PartitionEntry, StateFiles
from tests.support.memory import peak_bytes
from tools.benchmarks.figures import ShardDayCost
from tools.benchmarks.starting import ROOT
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import KEY_SCHEMA, ROW_SCHEMA, rows_digested
from tsse_validation.domain.instants import DAY, MICROSECOND, to_micros
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.lake.tasks import DigestTask, TaskPart, digest_task

ROWS = (100_000, 1_000_000, 4_000_000)
FILES = (1, 8)
"""A shard-day that a backfill or a compaction has written, and one of a day of passes: copies are told apart."""
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_SENSORS = 20


def shard_day_costs() -> tuple[ShardDayCost, ...]:
    """Measure each number of rows and files in a process of its own."""
    return tuple(_measured(rows, files) for rows in ROWS for files in FILES)


def _measured(rows: int, files: int) -> ShardDayCost:
    with TemporaryDirectory(prefix="tsse-shard-day-") as scratch:
        hot = Path(scratch, "hot")
        write_shard_day(hot, made_rows(rows), files)
        argv = [sys.executable, "-m", "tools.benchmarks.shard_days", str(hot)]
        ended = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    found = json.loads(ended.stdout)
    if found.pop("rows") != rows:
        msg = f"{rows:,} rows in {files} files were not all digested"
        raise AssertionError(msg)
    return ShardDayCost(rows=rows, files=files, **found)


def made_rows(count: int) -> pa.Table:
    """Return as many readings of some sensors, spread over one UTC day, in `ROW_SCHEMA`."""
    number = np.arange(count)
    sensors = pa.array([f"{sensor:024x}" for sensor in range(_SENSORS)])
    ts = to_micros(_BEGIN) + number * (DAY // MICROSECOND // count)
    instants = pa.array(ts, pa.timestamp("us"))
    values = pa.array(np.sin(number) * 20)
    quality = pa.repeat(pa.scalar(0, pa.int32()), count)
    columns = [sensors.take(pa.array(number % _SENSORS)), instants, values, quality, instants]
    return pa.table(columns, schema=ROW_SCHEMA)


def write_shard_day(hot: Path, rows: pa.Table, files: int) -> None:
    """Write rows of one day as the only shard of a lake, in as many files."""
    hot.mkdir(parents=True)
    lake = Lake(hot, None, hot.parent / "tmp", 1, timedelta(days=365))
    cuts = np.linspace(0, rows.num_rows, files + 1).astype(int).tolist()
    writer = SegmentWriter(lake, "part", _BEGIN, lambda _: "hot")
    writer.write(rows.slice(first, end - first) for first, end in pairwise(cuts))
    entry = PartitionEntry("hot", _BEGIN, writer.file_count)
    StateFiles(hot).save_manifest(Manifest(_BEGIN + DAY).with_entry(_BEGIN.date(), entry))


def main(arguments: Sequence[str]) -> None:
    """Digest the day, and write what it cost."""
    end = _BEGIN + DAY
    scope = Scope(Window(_BEGIN, end - MICROSECOND), Coverage(_BEGIN, end, end))
    part = TaskPart(scope, KEY_SCHEMA.empty_table())
    task = DigestTask(LakePaths(Path(arguments[0]), None, 1), (_BEGIN.date(),), None, (part,))
    began = time.perf_counter()
    answer = digest_task(task)
    seconds = time.perf_counter() - began
    found = {"seconds": seconds, "peak_bytes": peak_bytes(), "rows": rows_digested(answer.lines[0])}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
