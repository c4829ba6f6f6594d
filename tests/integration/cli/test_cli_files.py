"""`tsse-validate parity --mode direct` looks into the files of its window as the runbook's step 5 does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.integration.cli.conftest import RunHelper, about, broken, day_of


def a_file_of(shard: Path) -> Path:
    return min(shard.glob("*.parquet"))


def rename_a_shard(partition: Path) -> set[str]:
    shard = min(partition.iterdir())
    free = next(f"shard={n:02d}" for n in range(16) if not (partition / f"shard={n:02d}").exists())
    shard.rename(partition / free)
    return set(pq.read_table(a_file_of(partition / free))["sensor_id"].to_pylist())


def swap_two_files(partition: Path) -> set[str]:
    one, other = (a_file_of(shard) for shard in sorted(partition.iterdir())[:2])
    moved = {sensor for path in (one, other) for sensor in pq.read_table(path)["sensor_id"].to_pylist()}
    aside = one.with_suffix(".aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    return moved


def put_a_copy_from_another_date(partition: Path) -> set[str]:
    earlier = max(day for day in partition.parent.iterdir() if day.name < partition.name)
    source = a_file_of(min(earlier.iterdir()))
    there = partition / source.parent.name
    there.mkdir(exist_ok=True)
    shutil.copyfile(source, there / "part-99-0.parquet")
    return set(pq.read_table(source)["sensor_id"].to_pylist())


def leave_a_column_as_text(partition: Path) -> set[str]:
    path = a_file_of(min(partition.iterdir()))
    table = pq.read_table(path)
    at = table.schema.get_field_index("quality")
    pq.write_table(table.set_column(at, "quality", pc.cast(table["quality"], pa.string())), path)
    return set()


FAULTS: list[tuple[str, Callable[[Path], set[str]], str, str]] = [
    ("a renamed shard", rename_a_shard, "wrong shard", "of sensors of other shards"),
    ("swapped files", swap_two_files, "wrong shard", "of sensors of other shards"),
    ("a file of another date", put_a_copy_from_another_date, "wrong date", "whose ts is not on"),
    ("a column of another type", leave_a_column_as_text, "wrong schema", "quality is string instead of int32"),
]


@pytest.mark.parametrize(
    ("plant", "diagnosis", "words"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_parity_tells_what_is_wrong_with_the_files_though_every_row_is_there(
    plant: Callable[[Path], set[str]],
    diagnosis: str,
    words: str,
    parity: RunHelper,
    partition: Path,
    tmp_path: Path,
) -> None:
    assert about(parity, partition).code == 0
    with broken(partition, tmp_path):
        sensors = plant(partition)
        by_json, by_text = about(parity, partition, "--json"), about(parity, partition)
    assert (by_json.code, by_text.code) == (1, 1), by_json
    document = json.loads(by_json.out)
    (finding,) = document["findings"]
    assert (finding["diagnosis"], finding["days"]) == (diagnosis, [str(day_of(partition))])
    assert set(finding["sensors"]) == sensors
    assert words in finding["evidence"]
    assert document["differing_rows"] == 0
    assert all(row["matches"] for row in document["rows"])
    told = " ".join(by_text.out.split())
    assert f"{diagnosis}: {finding['summary']}".replace("_", "\\_") in told
    assert words in told


def test_a_fault_of_other_sensors_files_is_none_of_those_asked_for(
    parity: RunHelper, partition: Path, tmp_path: Path
) -> None:
    with broken(partition, tmp_path):
        moved = rename_a_shard(partition)
        everybody: list[dict[str, Any]] = json.loads(about(parity, partition, "--json").out)["rows"]
        other = next(row["sensor_id"] for row in everybody if row["lake_count"] and row["sensor_id"] not in moved)
        of_other = about(parity, partition, f"--sensor-ids={other}")
        of_moved = about(parity, partition, f"--sensor-ids={min(moved)}")
    assert (of_other.code, of_moved.code) == (0, 1), of_other
