"""The benchmark's join tells a key's copies apart as the suite does: or it would not be a fair contender."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tools.benchmarks.case import Case, Difference
from tools.benchmarks.with_duckdb_copies import doubled, newest
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.digest import ROW_SCHEMA
from tsse_validation.domain.instants import to_micros
from tsse_validation.domain.windows import Window

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
TS = NOON.replace(tzinfo=None)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Return a shard-day of two files: a key has an older copy in the first, and one is twice in the second."""
    partition = tmp_path / "hot" / DATASET / "date=2026-01-10" / "shard=00"
    partition.mkdir(parents=True)
    later = TS + timedelta(hours=1)
    first = [("a", TS, 1.0, 0, None), ("b", TS, 2.0, 0, TS)]
    second = [("a", TS, 3.0, 1, TS), ("c", TS, 4.0, 0, TS), ("c", TS, 4.0, 0, later)]
    for name, rows in (("one", first), ("two", second)):
        columns = [
            pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), ROW_SCHEMA, strict=True)
        ]
        pq.write_table(pa.table(columns, schema=ROW_SCHEMA), partition / f"{name}.parquet")
    return Case("with_duckdb_copies", "", tmp_path / "hot", 16, Window(NOON, NOON), tmp_path)


def test_the_newest_copy_of_a_key_counts(case: Case) -> None:
    found = duckdb.sql(
        f"SELECT sensor_id, value, quality, copies FROM ({newest(case)}) ORDER BY sensor_id"
    ).fetchall()
    assert found == [("a", 3.0, 1, 2), ("b", 2.0, 0, 1), ("c", 4.0, 0, 2)]


def test_a_key_twice_in_a_file_differs_and_copies_in_two_files_do_not(case: Case) -> None:
    several = [Difference("copied", sensor, to_micros(NOON)) for sensor in ("a", "c")]
    with duckdb.connect() as connection:
        assert doubled(connection, case, several) == [Difference("doubled", "c", to_micros(NOON))]
