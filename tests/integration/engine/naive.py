"""The comparison again, as plain as can be: rows in dictionaries, the rules of the contract, none of our code.

Postgres is read by one SELECT and the lake by pyarrow, file by file. A row is `(inserted, bits, quality)`, where
no quality of Postgres is 0, as the lake's writer has it. Instants are microseconds since 1970, and a value is its
bits, with one NaN for all.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAN_BITS = 0x7FF8_0000_0000_0000

Key = tuple[str, int]
SensorDay = tuple[str, date]
Difference = tuple[str, int, str]


class Version(NamedTuple):
    inserted: int | None
    bits: int
    quality: int | None


@dataclass(frozen=True)
class Copy:
    path: Path
    key: Key
    version: Version


@dataclass
class Counts:
    """What the engine's `CountRow` tells of a sensor-day."""

    postgres: int = 0
    lake: int = 0
    not_due: int = 0
    pending: int = 0


@dataclass
class Expected:
    """What is to be found.

    `unclear` are the sensor-days with a key of which the newest `inserted_at` stands in the lake with two
    contents: the contract does not say which counts. `doubled` are those where a row stands twice in one file.
    """

    counts: dict[SensorDay, Counts] = field(default_factory=lambda: defaultdict(Counts))
    differences: set[Difference] = field(default_factory=set)
    unclear: set[SensorDay] = field(default_factory=set)
    doubled: set[SensorDay] = field(default_factory=set)
    kept: dict[Key, Version] = field(default_factory=dict)
    due: dict[Key, Version] = field(default_factory=dict)


def micros(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def instant(of_micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=of_micros)


def day_of(of_micros: int) -> date:
    return instant(of_micros).date()


def sensor_day(key: Key) -> SensorDay:
    return key[0], day_of(key[1])


def read_postgres(connection: psycopg.Connection[Any]) -> dict[Key, Version]:
    found = connection.execute(
        "SELECT sensor_id, (extract(epoch FROM ts) * 1000000)::bigint,"
        " (extract(epoch FROM inserted_at) * 1000000)::bigint, float8send(value), coalesce(quality, 0)"
        " FROM metrics"
    )
    return {
        (sensor, ts): Version(inserted, canonical(int.from_bytes(bytes(value), "big")), quality)
        for sensor, ts, inserted, value, quality in found
    }


def read_lake(hot: Path, cold: Path | None) -> Iterator[Copy]:
    """Yield the rows of each partition from the place that the manifest names; each must lie in its own date's."""
    manifest = json.loads((hot / "_state/manifest.json").read_text())["datasets"].get("metrics/v1", {})
    named = {day: entry["location"] for day, entry in manifest.get("partitions", {}).items()}
    places = {"hot": hot, "cold": cold}
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for place, root in places.items():
        for directory in (root / "metrics/v1").glob("date=*") if root else ():
            found[directory.name.removeprefix("date=")][place] = directory
    for day, directories in found.items():
        directory = directories.get(named.get(day, "hot")) or next(iter(directories.values()))
        for path in sorted(directory.glob("shard=*/*.parquet")):
            yield from (copy for copy in read_file(path) if str(day_of(copy.key[1])) == day)


def read_file(path: Path) -> Iterator[Copy]:
    with pq.ParquetFile(path) as opened:
        table = opened.read()
    columns = (
        table["sensor_id"].to_pylist(),
        table["ts"].cast(pa.int64()).to_pylist(),
        table["inserted_at"].cast(pa.int64()).to_pylist(),
        table["value"].combine_chunks().view(pa.uint64()).to_pylist() if table.num_rows else [],
        table["quality"].to_pylist(),
    )
    for sensor, ts, inserted, bits, quality in zip(*columns, strict=True):
        yield Copy(path, (sensor, ts), Version(inserted, canonical(bits), quality))


def canonical(bits: int) -> int:
    is_nan = bits & 0x7FF0_0000_0000_0000 == 0x7FF0_0000_0000_0000 and bits & 0x000F_FFFF_FFFF_FFFF
    return NAN_BITS if is_nan else bits


@dataclass(frozen=True)
class Promise:
    """The covered range and the part of it that is looked at, both ends inclusive, in microseconds."""

    backfill_to: int
    watermark: int
    late_window: int
    start: int
    end: int

    def holds(self, key: Key) -> bool:
        return self.start <= key[1] <= self.end

    def due(self, key: Key, version: Version) -> bool:
        if version.inserted is None:
            # a pass since the backfill has stamped what was untimed in its late window
            stamped_from = self.watermark - self.late_window if self.watermark > self.backfill_to else key[1] + 1
            return key[1] < min(self.backfill_to, stamped_from)
        if version.inserted > self.watermark:
            return False
        return key[1] < self.backfill_to or version.inserted > self.backfill_to

    def counts(self, copy: Copy) -> bool:
        inserted = copy.version.inserted
        return self.holds(copy.key) and (inserted is None or inserted <= self.watermark)


def compare(postgres: dict[Key, Version], lake: list[Copy], promise: Promise) -> Expected:
    expected = Expected()
    here = {key: version for key, version in postgres.items() if promise.holds(key)}
    expected.due = {key: version for key, version in here.items() if promise.due(key, version)}
    not_due = here.keys() - expected.due.keys()
    versions: dict[Key, list[Version]] = defaultdict(list)
    in_file: Counter[tuple[Path, Key]] = Counter()
    for copy in filter(promise.counts, lake):
        versions[copy.key].append(copy.version)
        in_file[copy.path, copy.key] += 1
    for key, copies in versions.items():
        newest = max(version.inserted or 0 for version in copies)
        contents = {version[1:] for version in copies if (version.inserted or 0) == newest}
        expected.kept[key] = next(version for version in copies if (version.inserted or 0) == newest)
        if len(contents) > 1:
            expected.unclear.add(sensor_day(key))
    pending = not_due & expected.kept.keys()
    expected.kept = {key: version for key, version in expected.kept.items() if key not in not_due}
    for keys, count in (
        (expected.due, "postgres"),
        (expected.kept, "lake"),
        (not_due, "not_due"),
        (pending, "pending"),
    ):
        for key in keys:
            counts = expected.counts[sensor_day(key)]
            setattr(counts, count, getattr(counts, count) + 1)
    expected.differences = set(_differences(expected.due, expected.kept))
    for (_path, key), times in in_file.items():
        if times > 1 and key in expected.kept:
            expected.differences.add((*key, "duplicate"))
            expected.doubled.add(sensor_day(key))
    return expected


def _differences(due: dict[Key, Version], kept: dict[Key, Version]) -> Iterator[Difference]:
    for key in due.keys() | kept.keys():
        if key not in kept:
            yield (*key, "missing")
        elif key not in due:
            yield (*key, "extra")
        elif due[key].bits != kept[key].bits:
            yield (*key, "changed_value")
        elif due[key].quality != kept[key].quality:
            yield (*key, "changed_quality")
