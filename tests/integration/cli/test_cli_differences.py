"""`tsse-validate parity --differences FILE` writes every row that differs."""

import csv
import hashlib
import json
import shutil
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fixtures.stacks.embedded import RunningStack
from tests.integration.cli.conftest import RunHelper, broken, day_of
from tests.support.given import given

DATES = 6
SHOWN = 50


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_all_rows_of_lost_dates_are_written_where_the_text_shows_the_first(
    name: str, parity: RunHelper, partition: Path, tmp_path: Path
) -> None:
    dates = [partition.with_name(f"date={day_of(partition) + timedelta(days=n)}") for n in range(DATES)]
    window = (f"--start={day_of(dates[0])}T00:00:00Z", f"--end={day_of(dates[-1])}T23:59:59.999999Z")
    path = tmp_path / name
    with ExitStack() as kept:
        for date in dates:
            kept.enter_context(broken(date, tmp_path))
            shutil.rmtree(date)
        by_json = parity(*window, "--json", f"--differences={path}")
        by_text = parity(*window, f"--differences={path}")
    assert (by_json.code, by_text.code) == (1, 1), by_json
    document: dict[str, Any] = json.loads(by_json.out)
    rows, told = document["differing_rows"], document["differences_file"]
    assert rows > SHOWN == len(document["differences"])
    assert told == {
        "path": str(path),
        "rows": rows,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "complete": True,
        "why": "",
    }
    assert f"All {rows:,} differing rows: {path}" in by_text.out.replace("\\", "")
    if name.endswith(".csv"):
        with path.open(encoding="utf-8", newline="") as stream:
            keys = [(line["sensor_id"], line["ts"]) for line in csv.DictReader(stream)]
    else:
        lines = pq.read_table(path).to_pylist()
        keys = [(line["sensor_id"], line["ts"].isoformat(timespec="microseconds")) for line in lines]
    assert len(set(keys)) == len(keys) == rows
    assert {(row["sensor_id"], row["ts"]) for row in document["differences"]} <= set(keys)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_where_no_row_differs_the_file_has_none(parity: RunHelper, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"of an earlier day")
    done = parity("--json", f"--differences={path}")
    assert done.code == 0, done
    assert json.loads(done.out)["differences_file"]["rows"] == pq.read_table(path).num_rows == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--differences=rows.json", "rows.json must end with .parquet or .csv"),
        ("--differences=rows", "rows must end with .parquet or .csv"),
        ("--differences=/no/such/folder/rows.csv", "/no/such/folder/rows.csv cannot be written: No such file"),
        ("--differences=/proc/rows.parquet", "/proc/rows.parquet cannot be written: "),
        ("--differences=rows.csv --level=count", "--differences needs --mode direct, and no --level count"),
        ("--differences=rows.csv --mode=api", "--differences needs --mode direct, and no --level count"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_anything_is_contacted(
    arguments: str, words: str, parity: RunHelper
) -> None:
    done = parity(*arguments.split(), TSSE_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert done.code == 4, done
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not done.out


def test_a_directory_and_a_place_in_the_lake_are_refused(
    parity: RunHelper, stack: RunningStack, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").mkdir()
    inside = given(stack.stack.lake).hot / "rows.csv"
    for path, words in ((tmp_path / "rows.csv", "is a directory"), (inside, "lies in the lake")):
        done = parity(f"--differences={path}")
        assert done.code == 4, done
        assert words in done.err
    assert not inside.exists()
    assert not list(inside.parent.glob("rows*"))


def test_nothing_is_left_where_the_database_cannot_be_reached(parity: RunHelper, tmp_path: Path) -> None:
    done = parity(
        f"--differences={tmp_path / 'rows.csv'}", TSSE_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none"
    )
    assert done.code == 6, done
    assert not list(tmp_path.iterdir())
