"""Measures a million differing rows, written as data: ``python -m tools.benchmarks.differences``.

It proves two million rows of which half differ, without and with the files of differences, and writes
DIFFERENCES.md beside this file; the exit status is 1 when the bound is missed.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from fixtures.controller.files import write_parquet
from fixtures.controller.segments import read_segment
from tools.benchmarks.__main__ import cache_directory
from tools.benchmarks.dataset import SHARDS, DataSet, data_set
from tools.benchmarks.server import KeptPostgres
from tools.benchmarks.writing import processor, table
from tsse_validation.runlog.difference_files import DIFFERENCE_NAMES

RESULTS = Path(__file__).with_name("DIFFERENCES.md")
MILLIONS = 2
MOST_BYTES = 640 * 2**20
"""The bound: the peak of the resident memory of a process that writes a million differing rows."""
FILES: tuple[tuple[str, ...], ...] = ((), DIFFERENCE_NAMES)


@dataclass(frozen=True)
class Measured:
    """One run: what was done to the lake, the rows that differ, the bytes of each file, and what it cost."""

    fault: str
    rows: int
    sizes: Mapping[str, int]
    seconds: float
    peak_bytes: int


def off_by_an_ulp(path: Path) -> None:
    """Change every value of a file."""
    rows = read_segment(path)
    values = np.nextafter(rows["value"].to_numpy(), np.inf)
    at = rows.schema.get_field_index("value")
    # written aside and renamed, so that the original behind the hard link stays
    write_parquet(path, rows.set_column(at, "value", pa.array(values, pa.float64())))


FAULTS: dict[str, Callable[[Path], None]] = {"lost files": Path.unlink, "values off by an ulp": off_by_an_ulp}
"""What is done to the files of half of the shards."""


def main() -> int:
    """Make what data is missing, measure, and write the page."""
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    begun, load = datetime.now(UTC), os.getloadavg()[0]
    with KeptPostgres(directory / "pg") as server:
        data = data_set(server, directory, MILLIONS)
        with TemporaryDirectory(dir=directory, prefix="differences-") as scratch:
            measured = list(_measured(server, data, Path(scratch)))
        page = _page(measured, data, server.version, begun, load)
    RESULTS.write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return 0 if _most(measured) < MOST_BYTES else 1


def _measured(server: KeptPostgres, data: DataSet, scratch: Path) -> Iterator[Measured]:
    for fault, plant in FAULTS.items():
        hot = scratch / fault.replace(" ", "-")
        shutil.copytree(data.hot, hot, copy_function=os.link)
        for shard in range(SHARDS // 2):
            for path in hot.glob(f"metrics/v1/date=*/shard={shard:02d}/*.parquet"):
                plant(path)
        for names in FILES:
            yield _one(server.conninfo_for(data.database), hot, fault, [scratch / name for name in names])


def _one(conninfo: str, hot: Path, fault: str, files: Sequence[Path]) -> Measured:
    command = [sys.executable, "-m", "tools.benchmarks.differing_child", str(hot), *map(str, files)]
    began = time.perf_counter()
    done = subprocess.run(command, input=conninfo, stdout=subprocess.PIPE, text=True, check=True)
    seconds, told = time.perf_counter() - began, json.loads(done.stdout)
    sys.stderr.write(f"{fault}, {len(files)} files: {seconds:.1f} s, {told['peak'] / 2**20:.0f} MiB\n")
    sizes = {path.suffix.removeprefix("."): path.stat().st_size for path in files}
    return Measured(fault, told["differing"], sizes, seconds, told["peak"])


def _most(measured: Sequence[Measured]) -> int:
    return max(one.peak_bytes for one in measured)


def _page(measured: Sequence[Measured], data: DataSet, version: str, begun: datetime, load: float) -> str:
    rows = [
        (
            one.fault,
            f"{one.rows:,}",
            f"{one.seconds:.1f} s",
            f"{one.peak_bytes / 2**20:.0f} MiB",
            ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in one.sizes.items()) or "none",
        )
        for one in measured
    ]
    circumstances = (
        f"- {begun:%Y-%m-%d %H:%M} UTC, load average before the run {load:.1f}\n"
        f"- {processor()}, {os.cpu_count()} cores; {platform.system()} {platform.release()}\n"
        f"- PostgreSQL {version}\n"
        f"- {data.rows:,} rows of 90 days in {data.lake_files:,} files, of which half of the shards were damaged"
    )
    remark = (
        "Time and memory are those of a whole process: digests of all rows, the differing rows of both sides,"
        " their diagnosis, and with files the place of each copy in the lake. Where the load before the run was"
        " above the number of cores, the machine was shared, and one time beside another says little."
    )
    head = ("fault", "differing rows", "time", "peak memory", "files")
    held = "yes" if _most(measured) < MOST_BYTES else "**no**"
    parts = (
        "# A million differing rows as data",
        "Made by `python -m tools.benchmarks.differences`, which `tox -e bench` runs too; do not edit.",
        circumstances,
        table(head, rows),
        remark,
        "## Bounds",
        table(
            ("bound", "measured", "held"),
            [(f"peak memory below {MOST_BYTES // 2**20} MiB", f"{_most(measured) / 2**20:.0f} MiB", held)],
        ),
    )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
