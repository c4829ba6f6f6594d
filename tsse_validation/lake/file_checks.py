"""Looks into single lake files: schema, shard, date, copies of a row, sort order (contract section 4)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tsse_validation.domain.aspects import FILE_ASPECTS
from tsse_validation.domain.digest import KEY_SCHEMA, ROW_SCHEMA
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, to_micros
from tsse_validation.domain.phrasing import count_of
from tsse_validation.lake.reader import LakeFile
from tsse_validation.lake.shards import shard_of

Chosen = npt.NDArray[np.bool_]

_BITS_OF_A_DAY = (DAY // MICROSECOND).bit_length()


@dataclass
class FileProblem:
    """One fault of a file, and, where it is a fault of rows, how many and of which sensors."""

    file: LakeFile
    what: str
    rows: int = 0
    sensors: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Return the file's name and what is wrong with it, in one line."""
        count = f"{count_of(self.rows, 'row')} " if self.rows else ""
        return f"date={self.file.day}/shard={self.file.shard}/{self.file.path.name}: {count}{self.what}"


@dataclass
class FileFindings:
    """What is wrong with the lake's files, by aspect; `files` and `rows` were looked at.

    In `unsorted` files the order of `(sensor_id, ts)` starts again, as it does where several threads have written.
    """

    files: int = 0
    rows: int = 0
    unsorted: int = 0
    problems: dict[str, list[FileProblem]] = field(default_factory=lambda: {aspect: [] for aspect in FILE_ASPECTS})


class _Examined:
    """Gathers the problems of one file over its row groups: one for each aspect."""

    def __init__(self, file: LakeFile) -> None:
        self.file = file
        self.problems: dict[str, FileProblem] = {}
        self.unsorted = False

    def add(self, aspect: str, what: str, rows: int = 0, sensors: Iterable[str] = ()) -> None:
        problem = self.problems.setdefault(aspect, FileProblem(self.file, what))
        problem.rows += rows
        problem.sensors |= frozenset(sensors)


def examine(file: LakeFile, shards: int, findings: FileFindings) -> None:
    """Read one file and record what is wrong with it; row groups are read one by one.

    A file that has vanished was replaced by compaction and is left out.
    """
    examined = _Examined(file)
    try:
        with pq.ParquetFile(file.path) as parquet:
            if _check_schema(parquet.schema_arrow, examined):
                keys = _Keys(file.day)
                for index in range(parquet.num_row_groups):
                    group = parquet.read_row_group(index, columns=KEY_SCHEMA.names)
                    if nulls := group["sensor_id"].null_count + group["ts"].null_count:
                        examined.add("schema", "whose sensor_id or ts is null", nulls)
                        continue
                    _check_shard(group, shards, examined)
                    _check_date(group, examined)
                    keys.add(group)
                _check_keys(keys, examined)
            findings.rows += parquet.metadata.num_rows
    except FileNotFoundError:
        return
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last by a column's name
        examined.add("readable", " ".join(str(error).split())[:160])
    findings.files += 1
    findings.unsorted += examined.unsorted
    for aspect, problem in examined.problems.items():
        findings.problems[aspect].append(problem)


def _check_schema(schema: pa.Schema, examined: _Examined) -> bool:
    """Record faults of the columns; return whether the key columns can be read."""
    found = {name: schema.field(name).type for name in ROW_SCHEMA.names if name in schema.names}
    wrong = {
        wanted.name: f"{wanted.name} is {found.get(wanted.name, 'missing')} instead of {wanted.type}"
        for wanted in ROW_SCHEMA
        if wanted.name not in found or not _same_type(found[wanted.name], wanted.type)
    }
    if wrong:
        examined.add("schema", ", ".join(wrong.values()))
    return not wrong.keys() & set(KEY_SCHEMA.names)


def _same_type(found: pa.DataType, wanted: pa.DataType) -> bool:
    return bool(found == wanted) or (pa.types.is_string(wanted) and pa.types.is_large_string(found))


def _check_shard(group: pa.Table, shards: int, examined: _Examined) -> None:
    strangers = {
        sensor: belongs
        for sensor in pc.unique(group["sensor_id"]).to_pylist()
        if (belongs := shard_of(sensor, shards)) != examined.file.shard
    }
    if strangers:
        first, belongs = next(iter(strangers.items()))
        theirs = pc.is_in(group["sensor_id"], value_set=pa.array(strangers, pa.string()))
        what = f"of sensors of other shards, such as {first}, which belongs to shard {belongs}"
        examined.add("shard", what, pc.sum(theirs).as_py(), strangers)


def _check_date(group: pa.Table, examined: _Examined) -> None:
    day = examined.file.day
    first = to_micros(day_start(day))
    ts = _micros(group)
    outside = (ts < first) | (ts >= first + DAY // MICROSECOND)
    if outside.any():
        examined.add("date", f"whose ts is not on {day} (UTC)", *_of_rows(group, outside))


class _Keys:
    """The keys of one file, each in eight bytes: a sensor's number, and the microsecond of the date.

    Sensors are numbered as they first come, so that a file of any order has numbers. A row of another date has no
    number: that is a fault by itself.
    """

    def __init__(self, day: date) -> None:
        self._first = to_micros(day_start(day))
        self._numbers: dict[str, int] = {}
        self._parts: list[npt.NDArray[np.int64]] = []
        self._last: tuple[str, int] | None = None
        self.restarts = False

    def add(self, group: pa.Table) -> None:
        """Take in a row group."""
        if not group.num_rows:
            return
        sensors = group["sensor_id"].combine_chunks().dictionary_encode()
        names, places, ts = sensors.dictionary.to_pylist(), sensors.indices.to_numpy(), _micros(group)
        self.restarts = self.restarts or self._falls(names, places, ts)
        self._last = names[places[-1]], int(ts[-1])
        numbers = np.array([self._numbers.setdefault(name, len(self._numbers)) for name in names], dtype=np.int64)
        of_day = ts - self._first
        inside = (of_day >= 0) & (of_day < DAY // MICROSECOND)
        self._parts.append((numbers[places[inside]] << _BITS_OF_A_DAY) | of_day[inside])

    def repeated(self) -> tuple[int, list[str]]:
        """Return how many rows repeat a key of their file, wherever it stands, and of which sensors."""
        keys = np.concatenate([np.empty(0, dtype=np.int64), *self._parts])
        keys.sort()
        again = keys[1:][keys[1:] == keys[:-1]]
        names = list(self._numbers)
        return len(again), [names[number] for number in np.unique(again >> _BITS_OF_A_DAY)]

    def _falls(self, names: list[str], places: npt.NDArray[np.int32], ts: npt.NDArray[np.int64]) -> bool:
        """Whether a row comes before the one ahead of it, in this group or between it and the one before."""
        rank = np.argsort(np.argsort(np.array(names, dtype=object)))
        sensor = rank[places]
        falls = (sensor[1:] < sensor[:-1]) | ((sensor[1:] == sensor[:-1]) & (ts[1:] < ts[:-1]))
        return bool(falls.any()) or (self._last is not None and (names[places[0]], int(ts[0])) < self._last)


def _check_keys(keys: _Keys, examined: _Examined) -> None:
    examined.unsorted = keys.restarts
    rows, sensors = keys.repeated()
    if rows:
        examined.add("duplicates", "of a sensor_id and ts that the file has already", rows, sensors)


def _of_rows(group: pa.Table, chosen: Chosen) -> tuple[int, list[str]]:
    sensors: list[str] = pc.unique(group["sensor_id"].filter(pa.array(chosen))).to_pylist()
    return int(np.count_nonzero(chosen)), sensors


def _micros(group: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return group["ts"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]
