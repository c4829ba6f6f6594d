"""A larger lake gives the same seal to the byte, however many threads have read it: no order is left to chance.

Arrow hands groups of more than 32,768 rows on in no order of their own: so there are more lines than that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.sealed_lake import BEGIN, MADE, SHARDS, SealedLake
from tsse_validation.domain.digest import ROW_SCHEMA
from tsse_validation.domain.instants import DAY, without_zone
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.shards import shard_of
from tsse_validation.lake.working import local_workers
from tsse_validation.seals.lake_sealing import Reuse, seal_lake
from tsse_validation.seals.seal import FILES, SHARD_DAYS, Seal
from tsse_validation.seals.seal_file import seal_bytes, seal_of

DAYS, PER_DAY = 130, 8
SENSORS = [f"sensor-{number}" for number in range(300)]
ROWS = len(SENSORS) * DAYS * PER_DAY
TARGET = BEGIN + DAYS * DAY
MOST_OF_A_GROUP = 32_768


def rows_of(sensors: list[str], day: datetime, value: float) -> pa.Table:
    first = np.datetime64(without_zone(day), "us")
    ts = first + np.arange(PER_DAY) * np.timedelta64(1, "h")
    count = len(sensors) * PER_DAY
    columns = {
        "sensor_id": np.repeat(sensors, PER_DAY),
        "ts": np.tile(ts, len(sensors)),
        "value": np.arange(count) / 7 + value,
        "quality": np.zeros(count, np.int32),
        "inserted_at": np.tile(ts, len(sensors)),
    }
    return pa.table(columns).cast(ROW_SCHEMA)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> SealedLake:
    """Write a lake of 520 shard-days, of some 75 sensors each; every tenth has a copy that waits."""
    lake = SealedLake(tmp_path_factory.mktemp("lake") / "hot")
    lake.hot.joinpath("_state").mkdir(parents=True)
    lake.replicated(TARGET, backfill_to_ts=TARGET.isoformat())
    shards = {
        f"{number:02d}": [one for one in SENSORS if shard_of(one, SHARDS) == f"{number:02d}"]
        for number in range(SHARDS)
    }
    for number in range(DAYS):
        day = BEGIN + number * DAY
        for shard, sensors in shards.items():
            place = lake.shard_day(day.date(), shard)
            place.mkdir(parents=True)
            table = rows_of(sensors, day, number)
            pq.write_table(table, place / "backfill-1-0.parquet", compression="zstd")
            if number % 10 == 0:
                pq.write_table(table.slice(0, PER_DAY), place / "part-2-0.parquet", compression="zstd")
    return lake


@contextmanager
def arrow_threads(threads: int) -> Iterator[None]:
    before = pa.cpu_count()
    pa.set_cpu_count(threads)
    try:
        yield
    finally:
        pa.set_cpu_count(before)


def sealed(lake: SealedLake, threads: int, reuse: Reuse | None = None) -> bytes:
    reader = LakeReader(lake.reader.paths, local_workers(threads))
    with arrow_threads(threads):
        return seal_bytes(seal_lake(reader, lake.parts(), now=lambda: MADE, reuse=reuse))


@pytest.fixture(scope="module")
def first(lake: SealedLake) -> bytes:
    return sealed(lake, 1)


def of(content: bytes) -> Seal:
    return seal_of(content, "seal")


def test_a_larger_lake_has_the_same_seal_whatever_the_threads(lake: SealedLake, first: bytes) -> None:
    seal = of(first)
    assert sum(seal.lines["rows"].to_pylist()) == ROWS
    assert seal.lines.num_rows == len(SENSORS) * DAYS > MOST_OF_A_GROUP
    assert sealed(lake, 4) == first


def test_a_larger_lake_has_the_same_lines_by_a_baseline(lake: SealedLake, first: bytes) -> None:
    reuse = Reuse(of(first), 0.02, 7)
    by_baseline = sealed(lake, 4, reuse)
    assert by_baseline == sealed(lake, 1, reuse)
    anew, reused = of(first), of(by_baseline)
    assert reused.lines.equals(anew.lines)
    assert reused.tables[FILES].equals(anew.tables[FILES])
    assert reused.facts.lake is not None
    assert reused.facts.lake.taken_over is not None
    shard_days = anew.tables[SHARD_DAYS].num_rows
    assert reused.facts.lake.taken_over.shard_days == shard_days - round(shard_days * 0.02 + 0.5)


def test_lines_of_a_larger_lake_are_in_one_order_whatever_order_they_come_in(first: bytes) -> None:
    seal = of(first)
    shuffled = np.random.default_rng(5).permutation(seal.lines.num_rows)
    assert seal_bytes(replace(seal, lines=seal.lines.take(shuffled))) == first
