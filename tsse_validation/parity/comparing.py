"""Compares counts with counts, and rows with rows. Pure: the reading is done elsewhere.

The truth for a key `(sensor_id, ts)` is the Postgres row. Values are compared by their bits: NaN equals NaN, and
−0.0 is not 0.0. Rows that are not due yet count on neither side.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.clients.snapshot import DueCount
from tsse_validation.domain.digest import KEY_SCHEMA
from tsse_validation.domain.instants import EPOCH, without_zone
from tsse_validation.lake.reader import LakeFile
from tsse_validation.lake.rows import Key
from tsse_validation.lake.sql import column_engine
from tsse_validation.runlog.records import CountRow
from tsse_validation.runlog.result import RunResult
from tsse_validation.settings.fields import Level

_CANONICAL_NAN_BITS = int(np.array([np.nan]).view(np.int64)[0])

_KEPT = "SELECT sensor_id, min(ts), max(ts) FROM postgres SEMI JOIN lake USING (sensor_id, ts) GROUP BY sensor_id"
_DIFFERENCES = """
    WITH kept AS (SELECT * FROM lake ANTI JOIN not_due USING (sensor_id, ts))
    SELECT
        coalesce(p.sensor_id, l.sensor_id) AS sensor_id,
        coalesce(p.ts, l.ts) AS ts,
        CASE
            WHEN l.sensor_id IS NULL THEN 'missing'
            WHEN p.sensor_id IS NULL THEN 'extra'
            WHEN p.bits IS DISTINCT FROM l.bits THEN 'changed_value'
            ELSE 'changed_quality'
        END AS kind,
        coalesce(l.inserted_at < p.inserted_at, l.inserted_at IS NULL AND p.inserted_at IS NOT NULL) AS stale,
        p.value AS pg_value, p.quality AS pg_quality, p.inserted_at AS pg_inserted_at,
        l.value AS lake_value, l.quality AS lake_quality, l.inserted_at AS lake_inserted_at
    FROM postgres AS p FULL JOIN kept AS l ON p.sensor_id = l.sensor_id AND p.ts = l.ts
    WHERE p.sensor_id IS NULL OR l.sensor_id IS NULL
       OR p.bits IS DISTINCT FROM l.bits OR p.quality IS DISTINCT FROM l.quality
    UNION ALL
    SELECT l.sensor_id, l.ts, 'duplicate', false,
        p.value, p.quality, p.inserted_at, l.value, l.quality, l.inserted_at
    FROM copies JOIN kept AS l USING (sensor_id, ts) LEFT JOIN postgres AS p USING (sensor_id, ts)
    ORDER BY sensor_id, ts, kind  -- not by the values: what DuckDB sorts by comes out without the sign of a zero
"""


def compare_counts(
    day: date | None, postgres: Mapping[str, DueCount], lake: Mapping[str, tuple[int, int]]
) -> list[CountRow]:
    """Put the counts of a day, or of a window (`None`), side by side: a row for each sensor of either, by id.

    `lake` gives `(keys, pending)` for each sensor: distinct keys, and those of them that are not due.
    """
    rows = []
    for sensor_id in sorted(postgres.keys() | lake.keys()):
        expected = postgres.get(sensor_id, DueCount(0, 0))
        keys, pending = lake.get(sensor_id, (0, 0))
        found = keys - pending
        rows.append(
            CountRow(sensor_id, day, expected.due, found, expected.not_due, pending, expected.due == found)
        )
    return rows


def sum_by_sensor(rows: Iterable[CountRow], sensor_ids: Iterable[str]) -> list[CountRow]:
    """Add up the days of each sensor; a sensor without any row gets zeros.

    A sensor matches only when each of its days does: a lost row and a doubled one on another day do not cancel
    out.
    """
    totals = {sensor_id: CountRow(sensor_id, None, 0, 0, 0, 0, matches=True) for sensor_id in sensor_ids}
    for sensor_id, days in groupby(sorted(rows, key=lambda row: row.sensor_id), key=lambda row: row.sensor_id):
        of_days = list(days)
        totals[sensor_id] = CountRow(
            sensor_id,
            None,
            sum(row.postgres for row in of_days),
            sum(row.lake for row in of_days),
            sum(row.not_due for row in of_days),
            sum(row.pending for row in of_days),
            all(row.matches for row in of_days),
        )
    return [totals[sensor_id] for sensor_id in sorted(totals)]


def proven_days(result: RunResult) -> dict[date, list[CountRow]]:
    """Return the UTC days that an earlier run has proven by digest: whole days on which every sensor matched."""
    # counts of earlier versions have no level: it is that of the run's settings
    of_run = result.started.value_of("level", Level.COUNT.value)
    days: dict[date, list[CountRow]] = {}
    for counts in result.counts:
        if counts.source != "direct" or (counts.level or of_run) not in {Level.DIGEST.value, Level.ROWS.value}:
            continue
        of_days: dict[date, list[CountRow]] = {}
        for row in counts.rows:
            if row.day is not None:
                of_days.setdefault(row.day, []).append(row)
        for part in counts.window.split_by_day():
            rows = of_days.get(part.start.date(), [])
            if part.is_whole_day and rows and all(row.matches for row in rows):
                days[part.start.date()] = rows
    return days


def without_keys(rows: pa.Table, not_due: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Split the lake's rows in those that count, and the keys of those that are not due, as `(sensor_id, ts)`."""
    with column_engine(rows=rows, not_due=not_due) as engine:
        kept = engine.execute("SELECT * FROM rows ANTI JOIN not_due USING (sensor_id, ts)").to_arrow_table()
        held = engine.execute("SELECT sensor_id, ts FROM rows SEMI JOIN not_due USING (sensor_id, ts)")
        return kept.cast(rows.schema), held.to_arrow_table().cast(KEY_SCHEMA)


_INSERTED_SINCE = """
    SELECT sensor_id, ts FROM postgres WHERE inserted_at > $since
    UNION SELECT sensor_id, ts FROM lake WHERE inserted_at > $since
"""


def only_since(since: datetime, postgres: pa.Table, lake: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return what both sides hold of the keys of which either has a version inserted after an instant.

    Both tables are in the lake's schema; an older version on one side is then told from none.
    """
    with column_engine(postgres=postgres, lake=lake) as engine:
        instant = without_zone(since)
        wanted = engine.execute(_INSERTED_SINCE, {"since": instant}).to_arrow_table().cast(KEY_SCHEMA)
    with column_engine(postgres=postgres, lake=lake, wanted=wanted) as engine:
        kept = [
            engine.execute(f"SELECT * FROM {side} SEMI JOIN wanted USING (sensor_id, ts)").to_arrow_table()  # noqa: S608 - one of two names
            for side in ("postgres", "lake")
        ]
    return kept[0].cast(postgres.schema), kept[1].cast(lake.schema)


def compare_digests(postgres: pa.Table, lake: pa.Table, not_due: pa.Table, pending: pa.Table) -> list[CountRow]:
    """Put the digests of both sides side by side: a row for each sensor and day of either, in order.

    `postgres` and `lake` are in `digest.DIGEST_SCHEMA`, of due rows only; `not_due` and `pending` are keys. A row
    matches when count and digest are equal.

    Raises ValueError when a side has a sensor-day twice.
    """
    days = _SensorDays([postgres, lake, not_due, pending])
    theirs, ours = days.places(postgres), days.places(lake)
    if any(len(np.unique(places)) < len(places) for places in (theirs, ours)):
        msg = "a sensor-day stands twice among the digests of one side"
        raise ValueError(msg)
    matches = days.spread(theirs, 1) == days.spread(ours, 1)
    counts = []
    for name in ("rows", "digest"):
        sides = days.spread(theirs, postgres[name].to_numpy()), days.spread(ours, lake[name].to_numpy())
        matches &= sides[0] == sides[1]
        counts.append(sides)
    late, held = days.count(not_due), days.count(pending)
    columns = (*days.columns(), *(column.tolist() for column in (*counts[0], late, held, matches)))
    return [CountRow(*row) for row in zip(*columns, strict=True)]


class _SensorDays:
    """All sensor-days of some tables, ordered by sensor and day: each has its place among them."""

    def __init__(self, tables: Sequence[pa.Table]) -> None:
        ids = pa.chunked_array([chunk for table in tables for chunk in table["sensor_id"].chunks], pa.string())
        self._ids = sorted(ids.unique().to_pylist())
        self._days = np.unique(np.concatenate([_days(table) for table in tables]))
        self._numbers = np.unique(np.concatenate([self._numbered(table) for table in tables]))

    def places(self, table: pa.Table) -> npt.NDArray[np.intp]:
        """Return the place of each row's sensor-day."""
        return np.searchsorted(self._numbers, self._numbered(table))

    def spread(self, places: npt.NDArray[np.intp], numbers: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the numbers at their places, and 0 at all others."""
        given = np.asarray(numbers)
        found = np.zeros(len(self._numbers), dtype=given.dtype)
        found[places] = given
        return found

    def count(self, keys: pa.Table) -> npt.NDArray[np.intp]:
        """Return how many of the keys each sensor-day has."""
        return np.bincount(self.places(keys), minlength=len(self._numbers))

    def columns(self) -> tuple[Iterator[str], Iterator[date]]:
        """Return the sensor and the day of each place."""
        sensors, days = np.divmod(self._numbers, max(1, len(self._days)))
        dates = [date.fromordinal(_EPOCH_ORDINAL + day) for day in self._days.tolist()]
        return map(self._ids.__getitem__, sensors.tolist()), map(dates.__getitem__, days.tolist())

    def _numbered(self, table: pa.Table) -> npt.NDArray[np.int64]:
        codes = pc.index_in(table["sensor_id"], value_set=pa.array(self._ids, pa.string()))
        numbers: npt.NDArray[np.int64] = codes.to_numpy().astype(np.int64) * len(self._days)
        numbers += np.searchsorted(self._days, _days(table))
        return numbers


_EPOCH_ORDINAL = EPOCH.toordinal()


def _days(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return the day of each digest, or of each key, as days since 1970."""
    days = table["day"] if "day" in table.column_names else table["ts"].cast(pa.date32(), safe=False)
    numbers: npt.NDArray[np.int64] = days.cast(pa.int32()).to_numpy().astype(np.int64)
    return numbers


@dataclass(frozen=True)
class Kept:
    """The rows of a sensor-day that are on both sides: the first and last `ts`, UTC without a zone."""

    first: datetime
    last: datetime


@dataclass(frozen=True)
class DayFiles:
    """The files of a day that a reader takes: how many by shard, and those that cannot be read, by shard."""

    shards: Mapping[str, int]
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Iterable[LakeFile], unreadable: Iterable[LakeFile]) -> "DayFiles":
        """Sum up the files of one day; `unreadable` may name others as well."""
        taken = list(files)
        broken = set(unreadable)
        return cls(
            Counter(file.shard for file in taken), {file.shard: file.path.name for file in taken if file in broken}
        )


@dataclass(frozen=True)
class DayComparison:
    """The rows of one day that differ, with what their diagnosis needs.

    `due` counts the rows that must be in the lake, by sensor. `differences` has the columns of `_DIFFERENCES`.
    `kept` are each sensor's rows that are on both sides. `elsewhere` names the file in which a missing row stands
    instead. `nothing_gone` are the sensors of which the lake holds as many rows as when all were compared before:
    what is missing of them was not there then.
    """

    day: date
    due: Mapping[str, int]
    differences: pa.Table
    kept: Mapping[str, Kept]
    files: DayFiles
    elsewhere: Mapping[Key, LakeFile] = field(default_factory=dict)
    nothing_gone: Collection[str] = ()

    @property
    def rows(self) -> int:
        """Rows of Postgres that were compared."""
        return sum(self.due.values())

    @property
    def extra(self) -> bool:
        """Whether the lake has rows that Postgres has not."""
        return bool(pc.any(pc.equal(self.differences["kind"], "extra")).as_py())

    def missing_keys(self) -> pa.Table:
        """Return `(sensor_id, ts)` of the rows that are missing in the lake's files of the day."""
        missing = self.differences.filter(pc.equal(self.differences["kind"], "missing"))
        return missing.select(KEY_SCHEMA.names).cast(KEY_SCHEMA)


DIFFERENCE_KEY = pa.schema([*KEY_SCHEMA, ("kind", pa.string())])
"""What tells a differing row from all others."""


def keys_of_differences(comparison: DayComparison) -> pa.Table:
    """Return what tells a day's differing rows from all others, in `DIFFERENCE_KEY`."""
    return comparison.differences.select(DIFFERENCE_KEY.names).cast(DIFFERENCE_KEY)


def without_differences(comparison: DayComparison, known: pa.Table) -> DayComparison:
    """Return a day's comparison without the differing rows that are known, in `DIFFERENCE_KEY`."""
    rows = comparison.differences
    if not (rows.num_rows and known.num_rows):
        return comparison
    with column_engine(rows=rows.append_column("nth", pa.array(range(rows.num_rows))), known=known) as engine:
        left = engine.execute("SELECT nth FROM rows ANTI JOIN known USING (sensor_id, ts, kind) ORDER BY nth")
        return replace(comparison, differences=rows.take(left.to_arrow_table()["nth"]))


def diff_rows(
    day: date, postgres: pa.Table, lake: pa.Table, not_due: pa.Table, copies: pa.Table, files: DayFiles
) -> DayComparison:
    """Compare some or all sensors on one day row by row.

    `postgres` holds the due rows and `lake` the newest row of each key, both in the lake's schema. `not_due` are
    the keys that are not due yet, `copies` those that stand in one file more than once.
    """
    sides = {"postgres": _with_bits(postgres), "lake": _with_bits(lake)}
    with column_engine(**sides, not_due=not_due, copies=copies) as engine:
        differences = engine.execute(_DIFFERENCES).to_arrow_table()
        kept = engine.execute(_KEPT).fetchall()
    counted = pc.value_counts(postgres["sensor_id"])
    return DayComparison(
        day=day,
        due=dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)),
        differences=differences,
        kept={sensor_id: Kept(first, last) for sensor_id, first, last in kept},
        files=files,
    )


def _with_bits(rows: pa.Table) -> pa.Table:
    """Add the values' bits as integers; the payload of a NaN means nothing and is made one."""
    values = rows["value"].combine_chunks()
    bits = pc.if_else(pc.is_nan(values), _CANONICAL_NAN_BITS, values.view(pa.int64()))
    return rows.append_column("bits", bits)
