"""Every differing row is in the files of differences, with the places of its copies, as the lake has them."""

import csv
import json
import math
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.integration.engine import naive
from tests.integration.engine.farm import Farm, Row, rewritten
from tsse_validation.diagnosis.kept_rows import KeptRows
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.instants import DAY, day_start
from tsse_validation.lake.shards import shard_of
from tsse_validation.runlog.difference_files import CSV, PARQUET, DifferenceFiles
from tsse_validation.runlog.differences_record import DifferencesKept

SENSOR = "0137f2f857d4dd34c390573c"
OTHER = '=forecast, "wind"\n'
PICKED_DAY = date(2026, 3, 9)
ROWS_A_DAY = 48
GROUP_ROWS = 10
Line = dict[str, Any]
Plant = Callable[[Farm], object]


def rows_of(sensor: str) -> Iterator[Row]:
    random = np.random.default_rng(len(sensor))
    for number in range(3 * ROWS_A_DAY):
        ts = day_start(PICKED_DAY) - DAY + number * timedelta(minutes=30, microseconds=1)
        yield sensor, ts, 20 + float(random.standard_normal()), 0, ts + timedelta(minutes=2)


@pytest.fixture
def farm(conninfo: str, tmp_path: Path) -> Iterator[Farm]:
    made = Farm(conninfo, tmp_path / "lake", datetime(2026, 3, 12, 12, tzinfo=UTC), cold=True)
    for sensor in (SENSOR, OTHER):
        made.ingest(rows_of(sensor))
    made.backfill(5)
    for path in made.files():
        pq.write_table(pq.ParquetFile(path).read(), path, row_group_size=GROUP_ROWS)
    yield made
    made.close()


@pytest.fixture
def kept(farm: Farm, tmp_path: Path) -> Callable[[], tuple[DifferencesKept, list[Line]]]:
    """Return a function that compares, keeps all that differs, and reads the Parquet file back."""

    def compare() -> tuple[DifferencesKept, list[Line]]:
        proof, coverage = farm.proof(), farm.coverage()
        scope = Scope.covered_by(coverage)
        names = [tmp_path / f"differences{suffix}" for suffix in (PARQUET, CSV)]
        with closing(DifferenceFiles(names)) as files:
            rows = KeptRows(files, proof, coverage, farm.shards)
            triage = RowTriage(farm.shards, 1, rows.add)
            for comparison in proof.compare_rows(scope, proof.compare_sensor_days(scope)):
                triage.add(comparison)
            rows.settle(triage)
            record = files.write()
        assert not record.why
        lines = pq.read_table(tmp_path / "differences.parquet").to_pylist()
        assert len(lines) == triage.differing == record.rows
        return record, lines

    return compare


def file_of(farm: Farm, sensor: str = SENSOR, day: date = PICKED_DAY) -> Path:
    (path,) = (path for path in farm.files(day) if path.parent.name == f"shard={shard_of(sensor, farm.shards)}")
    return path


def edit(farm: Farm, change: Callable[[list[Line]], None], sensor: str = SENSOR) -> None:
    """Change the rows of a file, which has several row groups all the same."""
    path = file_of(farm, sensor)
    with rewritten(path) as rows:
        change(rows)
    pq.write_table(pq.ParquetFile(path).read(), path, row_group_size=GROUP_ROWS)


def drop(at: int) -> Plant:
    return lambda farm: edit(farm, lambda rows: rows.__delitem__(at))


def add_one(farm: Farm) -> None:
    def change(rows: list[Line]) -> None:
        rows.insert(25, rows[24] | {"ts": rows[24]["ts"] + timedelta(microseconds=7)})

    edit(farm, change)


def set_in(at: int, **columns: Any) -> Plant:
    return lambda farm: edit(farm, lambda rows: rows[at].update(columns))


def double(farm: Farm) -> None:
    edit(farm, lambda rows: rows.append(dict(rows[17])))


KINDS = [
    ("missing", drop(33)),
    ("extra", add_one),
    ("changed_value", set_in(33, value=-0.0)),
    ("changed_value", set_in(7, value=math.nan)),
    ("changed_quality", set_in(41, quality=9)),
    ("duplicate", double),
]


def lake_row(farm: Farm, place: str, file: str, row_group: int, row: int) -> Line:
    """Read one row by its place, with pyarrow alone."""
    lake = farm.service.lake
    root = lake.hot if place == "hot" else lake.cold
    assert root is not None
    with pq.ParquetFile(root / file) as parquet:
        before = sum(parquet.metadata.row_group(group).num_rows for group in range(row_group))
        of_group: Line = parquet.read_row_group(row_group).to_pylist()[row - before]
        assert parquet.read().slice(row, 1).to_pylist() == [of_group] or math.isnan(of_group["value"])
    return of_group


def bits(value: float | None) -> str | None:
    return None if value is None else "0x" + struct.pack(">d", value).hex()


@pytest.mark.parametrize(("kind", "plant"), KINDS, ids=[f"{kind} {at}" for at, (kind, _) in enumerate(KINDS)])
def test_a_row_of_every_kind_has_its_contents_and_the_place_of_each_copy(
    kind: str, plant: Plant, farm: Farm, kept: Callable[[], tuple[DifferencesKept, list[Line]]]
) -> None:
    assert kept()[1] == []
    plant(farm)
    record, (line,) = kept()
    assert (line["kind"], line["sensor_id"], record.complete) == (kind, SENSOR, True)
    key = (SENSOR, naive.micros(line["ts"]))
    ours = farm.connection.execute(
        "SELECT value, quality, inserted_at FROM metrics WHERE (sensor_id, ts) = (%s, %s)", (SENSOR, line["ts"])
    ).fetchone()
    told = tuple(line[f"postgres_{name}"] for name in ("value", "quality", "inserted_at"))
    assert told == ((None, None, None) if kind == "extra" else ours)
    assert line["postgres_bits"] == bits(line["postgres_value"])
    copies = [copy for copy in farm.copies() if copy.key == key]
    assert len(copies) == {"missing": 0, "duplicate": 2}.get(kind, 1)
    shard = shard_of(SENSOR, farm.shards)
    assert (line["shard_expected"], line["date_expected"]) == (shard, PICKED_DAY)
    if kind == "missing":
        assert [line[name] for name in line if name.startswith("lake_") or name.endswith("_found")] == [None] * 10
        assert line["other_copies"] == []
        return
    assert (line["shard_found"], line["date_found"]) == (shard, PICKED_DAY)
    found = lake_row(farm, *(line[f"lake_{name}"] for name in ("place", "file", "row_group", "row")))
    assert repr(line["lake_value"]) == repr(found["value"])
    assert line["lake_bits"] == bits(found["value"])
    assert line["lake_quality"] == found["quality"]
    for row in (found, *(lake_row(farm, **copy) for copy in line["other_copies"])):
        assert (row["sensor_id"], row["ts"].replace(tzinfo=UTC)) == (SENSOR, line["ts"])
        assert row["inserted_at"].replace(tzinfo=UTC) == line["lake_inserted_at"]
    places = {(line["lake_file"], line["lake_row"]), *((c["file"], c["row"]) for c in line["other_copies"])}
    assert len(places) == len(copies)
    assert line["lake_row_group"] == line["lake_row"] // GROUP_ROWS


def test_the_copy_that_counts_is_the_newest_and_every_older_one_is_named(
    farm: Farm, kept: Callable[[], tuple[DifferencesKept, list[Line]]]
) -> None:
    _, ts, value, *_ = next(row for row in rows_of(SENSOR) if row[1].date() == PICKED_DAY)
    for minute in (1, 2):
        farm.upsert([(SENSOR, ts, value + minute, 0, farm.due_now + timedelta(minutes=minute))])
        farm.clock.now += timedelta(minutes=10)
        farm.replicate()
    farm.change("value = 99", (SENSOR, naive.micros(ts)))
    _, (line,) = kept()
    assert (line["kind"], line["lake_value"], line["postgres_value"]) == ("changed_value", value + 2, 99)
    assert Path(line["lake_file"]).name.startswith("part-")
    values = [lake_row(farm, **copy)["value"] for copy in line["other_copies"]]
    assert sorted(values) == sorted([value, value + 1])


def test_rows_under_another_date_and_in_the_place_that_is_not_read_are_named(
    farm: Farm, kept: Callable[[], tuple[DifferencesKept, list[Line]]]
) -> None:
    path = file_of(farm)
    other = path.parents[2] / f"date={PICKED_DAY + DAY}" / path.parent.name
    path.rename(other / "part-9-0.parquet")
    cold = farm.service.lake.cold
    assert cold is not None
    hidden = file_of(farm, OTHER)
    there = cold / hidden.parent.relative_to(farm.service.lake.hot)
    there.parent.mkdir(parents=True)
    shutil.move(hidden.parent, there)
    _, lines = kept()
    assert {line["diagnosis"] for line in lines} == {"wrong date", "hidden by the manifest"}
    for line in lines:
        assert (line["kind"], line["lake_file"], line["lake_row"]) == ("missing", None, None)
        (copy,) = line["other_copies"]
        row = lake_row(farm, **copy)
        assert (row["sensor_id"], row["ts"].replace(tzinfo=UTC)) == (line["sensor_id"], line["ts"])
        strayed = line["sensor_id"] == SENSOR
        assert copy["place"] == ("hot" if strayed else "cold")
        assert line["date_expected"] == PICKED_DAY
        assert line["date_found"] == (PICKED_DAY + DAY if strayed else PICKED_DAY)


def test_both_files_hold_the_same_rows_and_the_csv_is_harmless_in_a_spreadsheet(
    farm: Farm, kept: Callable[[], tuple[DifferencesKept, list[Line]]], tmp_path: Path
) -> None:
    for sensor in (SENSOR, OTHER):
        edit(farm, lambda rows: rows.extend(dict(row) for row in rows[:3]), sensor)
        edit(farm, lambda rows: rows[20].update(value=math.inf), sensor)
        edit(farm, lambda rows: rows.__delitem__(30), sensor)
    record, lines = kept()
    assert [(file.name, file.rows) for file in record.files] == [
        ("differences.parquet", len(lines)),
        ("differences.csv", len(lines)),
    ]
    with (tmp_path / "differences.csv").open(encoding="utf-8", newline="") as stream:
        in_csv = list(csv.DictReader(stream))
    assert [list(line) for line in in_csv] == [list(line) for line in lines]
    assert not any(cell.startswith(tuple("=+@\t\r")) for line in in_csv for cell in line.values())
    for text, line in zip(in_csv, lines, strict=True):
        assert text["sensor_id"].removeprefix("'") == line["sensor_id"]
        assert text["ts"] == line["ts"].isoformat(timespec="microseconds")
        assert json.loads(text["other_copies"] or "[]") == line["other_copies"]
        assert text["date_found"] == str(line["date_found"] or "")
        for name in ("postgres_value", "lake_value"):
            assert (repr(float(text[name])) if text[name] else "None") == repr(line[name])
        for name in (
            "kind",
            "diagnosis",
            "lake_bits",
            "lake_file",
            "lake_row",
            "lake_row_group",
            "shard_expected",
        ):
            assert text[name] == ("" if line[name] is None else str(line[name]))


def test_a_lone_row_is_told_by_what_is_found_later(
    farm: Farm, kept: Callable[[], tuple[DifferencesKept, list[Line]]]
) -> None:
    """The one row of the first day fits the pattern of the next day's rows, which are compared after it."""

    def shorten(rows: list[Line]) -> None:
        for row in rows:
            row["value"] = round(row["value"], 3)

    with rewritten(file_of(farm, day=PICKED_DAY - DAY)) as rows:
        rows[5]["value"] = round(rows[5]["value"], 3)
    edit(farm, shorten)
    _, lines = kept()
    assert len(lines) == ROWS_A_DAY + 1
    assert {line["diagnosis"] for line in lines} == {"values rounded"}


def test_no_difference_leaves_both_files_without_a_row(
    kept: Callable[[], tuple[DifferencesKept, list[Line]]], tmp_path: Path
) -> None:
    record, lines = kept()
    assert (record.rows, record.complete, len(record.files), lines) == (0, True, 2, [])
    assert (tmp_path / "differences.csv").read_text(encoding="utf-8").count("\n") == 1
    assert sorted(path.name for path in tmp_path.glob("differences*")) == [
        "differences.csv",
        "differences.parquet",
    ]
    assert pa.types.is_list(pq.read_schema(tmp_path / "differences.parquet").field("other_copies").type)


def test_the_place_is_left_out_where_the_file_has_gone_since(
    farm: Farm, kept: Callable[[], tuple[DifferencesKept, list[Line]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_in(33, value=-1.0)(farm)
    placed_in = KeptRows.add

    def after_a_backfill(rows: KeptRows, comparison: Any, told: Any) -> None:
        if told:
            farm.backfill(5)
        placed_in(rows, comparison, told)

    monkeypatch.setattr(KeptRows, "add", after_a_backfill)
    record, (line,) = kept()
    assert (line["lake_value"], line["lake_file"], line["lake_row"]) == (-1.0, None, None)
    (copy,) = line["other_copies"]
    assert lake_row(farm, **copy)["value"] == line["postgres_value"]
    assert record.complete
    assert pc.all(pc.is_valid(pa.array([line["shard_found"]]))).as_py()
