"""Looks into single lake files: schema, shard, date, sort order (contract section 4)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tsse_validation.domain.digest import KEY_SCHEMA, ROW_SCHEMA
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, to_micros
from tsse_validation.domain.phrasing import count_of
from tsse_validation.lake.reader import LakeFile
from tsse_validation.lake.shards import shard_of

Chosen = npt.NDArray[np.bool_]

FILE_ASPECTS = ("readable", "schema", "shard", "date", "order", "duplicates")


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
    """What is wrong with the lake's files, by aspect; `files` and `rows` were looked at."""

    files: int = 0
    rows: int = 0
    problems: dict[str, list[FileProblem]] = field(default_factory=lambda: {aspect: [] for aspect in FILE_ASPECTS})


class _Examined:
    """Gathers the problems of one file over its row groups: one for each aspect."""

    def __init__(self, file: LakeFile) -> None:
        self.file = file
        self.problems: dict[str, FileProblem] = {}

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
                for group, led in _row_groups(parquet):
                    if nulls := group["sensor_id"].null_count + group["ts"].null_count:
                        examined.add("schema", "whose sensor_id or ts is null", nulls)
                        continue
                    _check_shard(group, shards, examined)
                    _check_date(group, examined)
                    _check_order(led, examined)
            findings.rows += parquet.metadata.num_rows
    except FileNotFoundError:
        return
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last by a column's name
        examined.add("readable", " ".join(str(error).split())[:160])
    findings.files += 1
    for aspect, problem in examined.problems.items():
        findings.problems[aspect].append(problem)


def _row_groups(parquet: pq.ParquetFile) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the key columns of each row group, alone and led by the row before: order spans the groups."""
    last: pa.Table | None = None
    for index in range(parquet.num_row_groups):
        group = parquet.read_row_group(index, columns=["sensor_id", "ts"])
        yield group, pa.concat_tables([last, group]) if last is not None else group
        last = group.slice(group.num_rows - 1) if group.num_rows else last


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


def _check_order(group: pa.Table, examined: _Examined) -> None:
    if group.num_rows < 2:
        return
    sensors = group["sensor_id"].combine_chunks().dictionary_encode()
    rank = np.argsort(np.argsort(np.array(sensors.dictionary.to_pylist(), dtype=object)))
    sensor = rank[sensors.indices.to_numpy()]
    ts = _micros(group)
    falls = (sensor[1:] < sensor[:-1]) | ((sensor[1:] == sensor[:-1]) & (ts[1:] < ts[:-1]))
    later = group.slice(1)
    if falls.any():
        examined.add("order", "out of (sensor_id, ts) order", *_of_rows(later, falls))
    twice = (sensor[1:] == sensor[:-1]) & (ts[1:] == ts[:-1])
    if twice.any():
        examined.add("duplicates", "right after one of the same sensor_id and ts", *_of_rows(later, twice))


def _of_rows(group: pa.Table, chosen: Chosen) -> tuple[int, list[str]]:
    sensors: list[str] = pc.unique(group["sensor_id"].filter(pa.array(chosen))).to_pylist()
    return int(np.count_nonzero(chosen)), sensors


def _micros(group: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return group["ts"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]
