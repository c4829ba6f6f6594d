"""A file whose columns are none of a lake's is named, and stops nobody from reading the others."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.sealed_lake import BEGIN, MADE, SENSORS, SHARDS, SealedLake
from tsse_validation.lake.shards import shard_of
from tsse_validation.seals.sent_files import RowsAnswer, RowsRequest, answer_rows
from tsse_validation.seals.stamping import stamp_of


def _column(name: str, values: Callable[[pa.Table], object]) -> Callable[[pa.Table], pa.Table]:
    def changed(table: pa.Table) -> pa.Table:
        return table.set_column(table.schema.get_field_index(name), name, values(table))

    return changed


def _as(name: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return _column(name, lambda table: table[name].cast(kind))


COLUMNS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "ts as text": _as("ts", pa.string()),
    "ts as a number": _as("ts", pa.int64()),
    "ts beyond the calendar": _column("ts", lambda table: pa.array([2**62] * table.num_rows, pa.timestamp("us"))),
    "ts of its own parts": _column("ts", lambda table: pa.array([{"a": 1}] * table.num_rows)),
    "no ts": lambda table: table.drop_columns("ts"),
    "no sensor_id": lambda table: table.drop_columns("sensor_id"),
    "sensor_id of other bytes": _column("sensor_id", lambda table: pa.array([b"\xff"] * table.num_rows)),
    "inserted_at as text": _as("inserted_at", pa.string()),
}


@pytest.fixture(params=COLUMNS)
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[SealedLake, Path]:
    """Lend a lake with an odd file on its first date, of the shard of the first sensor."""
    lake = SealedLake.of(tmp_path)
    path = lake.shard_day(BEGIN.date(), shard_of(SENSORS[0], SHARDS)) / "backfill-1-0.parquet"
    pq.write_table(COLUMNS[request.param](pq.read_table(path, partitioning=None)), path)
    return lake, path


def test_a_file_with_odd_columns_is_named_in_the_seal_and_the_others_are_sealed(
    odd: tuple[SealedLake, Path], tmp_path: Path
) -> None:
    lake, path = odd
    seal, whole = lake.seal(), SealedLake.of(tmp_path / "whole").seal()
    assert seal.facts.lake is not None
    assert set(seal.facts.lake.unreadable) == {path.relative_to(lake.hot).as_posix()}
    there = {"date": BEGIN.date(), "shard": path.parent.name.removeprefix("shard=")}
    others = [line for line in whole.lines.to_pylist() if (line["day"], line["shard"]) != (*there.values(),)]
    assert seal.lines.to_pylist() == others


@pytest.mark.parametrize(
    "sensor", [SENSORS[0], next(one for one in SENSORS if shard_of(one, 4) != shard_of(SENSORS[0], 4))]
)
@pytest.mark.parametrize("day", [0, 1])
def test_a_file_with_odd_columns_is_sent_for_its_date_and_stops_no_answer(
    odd: tuple[SealedLake, Path], sensor: str, day: int
) -> None:
    lake, path = odd
    asked = sorted({file.parents[1].name.removeprefix("date=") for file in lake.files})[day]
    request = RowsRequest.model_validate(
        {"postgres": "0" * 64, "lake": "1" * 64, "sensor_days": ((sensor, asked),)}
    )
    answer = RowsAnswer.of(answer_rows(lake.reader, request, stamp_of(MADE)), request, "lake-rows.zip")
    sent = {file.path for file in answer.words.files if file.sha256}
    assert f"metrics/v1/date={asked}/shard={shard_of(sensor, SHARDS)}/backfill-1-0.parquet" in sent
    if sensor == SENSORS[0]:
        assert (path.relative_to(lake.hot).as_posix() in sent) is (day == 0)
