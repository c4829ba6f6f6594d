"""Plants faults into copies of a lake, one each, and judges whether a contender finds it and names the rows."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fixtures.controller.files import write_parquet
from fixtures.controller.segments import read_segment
from tools.benchmarks.case import Answer
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.digest import ROW_SCHEMA

Key = tuple[str, int]
Row = dict[str, Any]
_FIRST_DAY, _DAYS_APART = 10, 9


@dataclass(frozen=True)
class Planted:
    """A lake with one fault: the day it lies on, and the keys of the rows that are wrong."""

    fault: str
    hot: Path
    day: date
    keys: frozenset[Key]


def _missing(rows: list[Row], at: int) -> set[Key]:
    return {_key(rows.pop(at))}


def _extra(rows: list[Row], at: int) -> set[Key]:
    rows.insert(at + 1, _moved(rows[at], 1_000))
    return {_key(rows[at + 1])}


def _one_ulp(rows: list[Row], at: int) -> set[Key]:
    rows[at]["value"] = float(np.nextafter(rows[at]["value"], np.inf))
    return {_key(rows[at])}


def _swapped(rows: list[Row], at: int) -> set[Key]:
    rows[at]["value"], rows[at + 1]["value"] = rows[at + 1]["value"], rows[at]["value"]
    return {_key(rows[at]), _key(rows[at + 1])}


def _quality(rows: list[Row], at: int) -> set[Key]:
    rows[at]["quality"] = 7
    return {_key(rows[at])}


def _one_microsecond(rows: list[Row], at: int) -> set[Key]:
    before = _key(rows[at])
    rows[at] = _moved(rows[at], 1)
    return {before, _key(rows[at])}


def _doubled(rows: list[Row], at: int) -> set[Key]:
    rows[at : at + 2] = [row for row in rows[at : at + 2] for _ in range(2)]
    return {_key(rows[at]), _key(rows[at + 2])}


FAULTS: Mapping[str, Callable[[list[Row], int], set[Key]]] = {
    "a row missing": _missing,
    "a row too many": _extra,
    "a value off by one ulp": _one_ulp,
    "values of two neighbours swapped": _swapped,
    "a quality changed": _quality,
    "a ts moved by 1 µs": _one_microsecond,
    "two neighbours doubled in their file": _doubled,
}
"""Each changes the rows of one file at a place, and returns the keys that are then wrong."""


def plant(hot: Path, directory: Path) -> list[Planted]:
    """Copy a lake (by hard links, but for the file that changes) once for each fault."""
    return [_plant(hot, directory / f"fault-{number}", number, fault) for number, fault in enumerate(FAULTS)]


def _plant(hot: Path, copy: Path, number: int, fault: str) -> Planted:
    shutil.copytree(hot, copy, copy_function=os.link)
    partition = sorted((copy / DATASET).iterdir())[_FIRST_DAY + number * _DAYS_APART]
    files = sorted(partition.glob("shard=*/*.parquet"))
    path = files[number % len(files)]
    table = read_segment(path)
    rows = _as_integers(table).to_pylist()
    keys = FAULTS[fault](rows, _place(rows))
    # written aside and renamed, so that the original behind the hard link stays
    write_parquet(path, pa.Table.from_pylist(rows, schema=_as_integers(table).schema).cast(ROW_SCHEMA))
    return Planted(fault, copy, date.fromisoformat(partition.name.removeprefix("date=")), frozenset(keys))


def _as_integers(table: pa.Table) -> pa.Table:
    """Return the instants as microseconds."""
    fields = [pa.field(f.name, pa.int64()) if pa.types.is_timestamp(f.type) else f for f in ROW_SCHEMA]
    return table.cast(pa.schema(fields))


def _place(rows: list[Row]) -> int:
    """Return a row in the middle whose next is of the same sensor, with another value."""
    for at in range(len(rows) // 2, len(rows) - 2):
        here, following = rows[at], rows[at + 1]
        if here["sensor_id"] == following["sensor_id"] and here["value"] != following["value"]:
            return at
    raise AssertionError("a file of the benchmark has no such row")


def _key(row: Row) -> Key:
    return row["sensor_id"], row["ts"]


def _moved(row: Row, micros: int) -> Row:
    return row | {"ts": _key(row)[1] + micros}


def verdict(planted: Planted, answer: Answer) -> str:
    """Say what an answer knows of a fault: every row by its key, its sensor, that there is one, or nothing."""
    named = {(difference.sensor_id, difference.ts) for difference in answer.differences}
    sensors = {difference.sensor_id for difference in answer.differences}
    if planted.keys == named:
        return "named"
    if planted.keys < named:
        return f"named, with {len(named - planted.keys)} false"
    if {sensor for sensor, _ in planted.keys} <= sensors:
        return "sensor only"
    return "found, not named" if answer.differs else "missed"
