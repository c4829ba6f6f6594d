"""Two queries for each diagnosis, to paste into psql and DuckDB: its first rows on both sides, among neighbours.

They look up to two days around a row, in the partitions of these dates, so that either side answers at once. Pure.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.instants import utc_day, without_zone
from tsse_validation.domain.stack import Capability
from tsse_validation.lake.shards import shard_of
from tsse_validation.report.model.keeping import dates_told, lake_roots, reads_the_lake, shards_of_run
from tsse_validation.runlog.records import Finding, RowDifference
from tsse_validation.runlog.result import RunResult

NEIGHBOURS = 3
"""Rows shown before a differing one, and after it."""
_DAYS_AROUND = 2
_MOST_ROWS = 3
_MOST_SENSORS = 3
_MOST_DAYS = 31
_SPECIAL = re.compile(r"[*?\[\]]")
_UNREADABLE = "unreadable file"
_ANY_SHARD = frozenset({"sensor id altered"})
"""Diagnoses whose rows may stand in a shard that is not their sensor's."""


@dataclass(frozen=True)
class Queries:
    """What to paste into psql, and into DuckDB; empty where that side could not be read."""

    psql: str = ""
    duckdb: str = ""

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """Those that there are, each with where to paste it."""
        both = (
            ("in psql on the controller's database", self.psql),
            ("in DuckDB on the lake's files", self.duckdb),
        )
        return tuple((where, query) for where, query in both if query)


def queries_of(result: RunResult, finding: Finding, rows: Sequence[RowDifference]) -> Queries:
    """Return the queries for a finding, by its first `rows` or, where none is known, by its sensors and days."""
    if result.stack is None or result.stack.owned or not (rows or finding.days):
        return Queries()
    asked = _first_of_each_kind(rows)
    psql = duckdb = ""
    if Capability.POSTGRES not in result.stack.absent:
        table = _table(result)
        psql = _rows_in_psql(asked, table) if asked else _counts_in_psql(finding, table)
    if reads_the_lake(result) and (roots := lake_roots(result)):
        duckdb = _in_duckdb(finding, asked, roots, shards_of_run(result))
    return Queries(psql, duckdb)


def _first_of_each_kind(rows: Sequence[RowDifference]) -> list[RowDifference]:
    """Return the first row of each kind and then the first others, each key once."""
    kinds: dict[str, RowDifference] = {}
    for row in rows:
        kinds.setdefault(row.kind, row)
    asked: dict[tuple[str, object], RowDifference] = {}
    for row in (*kinds.values(), *rows):
        if row.sensor_id.isprintable() or row.sensor_id.encode("utf-8", "ignore").decode() == row.sensor_id:
            asked.setdefault((row.sensor_id, row.ts), row)
    return list(asked.values())[:_MOST_ROWS]


def _in_duckdb(finding: Finding, asked: Sequence[RowDifference], roots: Sequence[str], shards: int) -> str:
    days = dates_told(finding)
    if not asked:
        files = _files(roots, [*finding.days[:_MOST_DAYS], *days], ())
        return files + (_SCHEMAS if finding.diagnosis == "wrong schema" else _counts_in_duckdb(finding))
    around = [utc_day(row.ts) + timedelta(days=off) for row in asked for off in _around()]
    of_shards = () if finding.diagnosis in _ANY_SHARD else {shard_of(row.sensor_id, shards) for row in asked}
    files = _files(roots, [*around, *days], of_shards)
    return files + (_BYTES if finding.diagnosis == _UNREADABLE else _rows_in_duckdb(asked))


def _around() -> range:
    return range(-_DAYS_AROUND, _DAYS_AROUND + 1)


def _files(roots: Sequence[str], days: Collection[date], shards: Collection[str]) -> str:
    """Return the statement that finds the files of some dates, of some shards or all; any one if none is left."""
    patterns = [literal(f"{_as_glob(root)}/{DATASET}/date=*/shard=*/*.parquet") for root in roots]
    globs = " UNION ALL ".join(f"SELECT file FROM glob({pattern})" for pattern in patterns)  # noqa: S608
    of_days = "|".join(sorted({day.isoformat() for day in days}))
    of_shards = "|".join(sorted(shards)) or ".."
    wanted = literal(f"/date=({of_days})/shard=({of_shards})/")
    return f"""\
SET VARIABLE lake = (
  SELECT coalesce(list(file) FILTER (WHERE regexp_matches(file, {wanted})), [min(file)])
  FROM ({globs}));
"""  # noqa: S608 - for a person to paste: every name and id is quoted, here and below


def _as_glob(path: str) -> str:
    return _SPECIAL.sub(lambda match: f"[{match[0]}]", path.rstrip("/"))


_LAKE = "read_parquet(getvariable('lake'), hive_partitioning = false, filename = true, file_row_number = true)"
_FILE = "regexp_extract(filename, 'date=.*') AS file"
_BYTES = f"""\
SELECT {_FILE}, size, content[:4] AS begins, content[-4:] AS ends -- a Parquet file: PAR1 and PAR1
FROM read_blob(getvariable('lake')) ORDER BY file;"""  # noqa: S608
_SCHEMAS = """\
SELECT regexp_extract(file_name, 'date=.*') AS file, name, type, converted_type, logical_type
FROM parquet_schema(getvariable('lake')) ORDER BY ALL;"""


def _rows_in_duckdb(asked: Sequence[RowDifference]) -> str:
    values = ", ".join(f"({literal(row.sensor_id)}, TIMESTAMP '{_instant(row)}')" for row in asked)
    return f"""\
WITH asked(sensor_id, ts) AS (VALUES {values}),
near AS (
  SELECT lake.*, asked.sensor_id AS asked_id, asked.ts AS asked_ts, dense_rank() OVER (
    PARTITION BY asked.sensor_id, asked.ts, lake.ts < asked.ts
    ORDER BY abs(epoch_us(lake.ts) - epoch_us(asked.ts))) AS distance
  FROM asked JOIN {_LAKE} AS lake
    ON lake.sensor_id = asked.sensor_id
    AND lake.ts BETWEEN asked.ts - INTERVAL {_DAYS_AROUND} DAY AND asked.ts + INTERVAL {_DAYS_AROUND} DAY)
SELECT CASE WHEN ts = asked_ts THEN '>' ELSE '' END AS differs,
  sensor_id, ts, value, quality, inserted_at, {_FILE}, file_row_number AS row
FROM near WHERE distance <= CASE WHEN ts < asked_ts THEN {NEIGHBOURS} ELSE {NEIGHBOURS + 1} END
ORDER BY asked_id, asked_ts, ts, file, row;"""  # noqa: S608


def _rows_in_psql(asked: Sequence[RowDifference], table: str) -> str:
    values = ", ".join(f"({literal(row.sensor_id)}::text, timestamptz '{_instant(row)}+00')" for row in asked)
    columns = "sensor_id, ts, value, quality, inserted_at"
    return f"""\
SELECT CASE WHEN near.ts = asked.ts THEN '>' ELSE '' END AS differs, near.sensor_id,
  near.ts AT TIME ZONE 'UTC' AS ts, near.value, near.quality, near.inserted_at AT TIME ZONE 'UTC' AS inserted_at
FROM (VALUES {values}) AS asked(sensor_id, ts)
CROSS JOIN LATERAL (
  (SELECT {columns} FROM {table} AS m
   WHERE m.sensor_id = asked.sensor_id AND m.ts < asked.ts AND m.ts >= asked.ts - interval '{_DAYS_AROUND} days'
   ORDER BY m.ts DESC LIMIT {NEIGHBOURS})
  UNION ALL
  (SELECT {columns} FROM {table} AS m
   WHERE m.sensor_id = asked.sensor_id AND m.ts >= asked.ts AND m.ts <= asked.ts + interval '{_DAYS_AROUND} days'
   ORDER BY m.ts LIMIT {NEIGHBOURS + 1})) AS near
ORDER BY asked.sensor_id, asked.ts, near.ts;"""  # noqa: S608


def _counts_in_psql(finding: Finding, table: str) -> str:
    days = finding.days[:_MOST_DAYS]
    return f"""\
SELECT sensor_id, (ts AT TIME ZONE 'UTC')::date AS day, count(*) AS rows,
  min(ts AT TIME ZONE 'UTC') AS first, max(ts AT TIME ZONE 'UTC') AS last
FROM {table} AS m
WHERE ts >= timestamptz '{min(days)} 00:00+00' AND ts < timestamptz '{max(days) + timedelta(days=1)} 00:00+00'
  {_of_sensors(finding)}
GROUP BY 1, 2 ORDER BY 1, 2;"""  # noqa: S608


def _counts_in_duckdb(finding: Finding) -> str:
    return f"""\
SELECT sensor_id, ts::DATE AS day, {_FILE}, count(*) AS rows, min(ts) AS first, max(ts) AS last
FROM {_LAKE} AS m WHERE true {_of_sensors(finding)}
GROUP BY ALL ORDER BY ALL;"""  # noqa: S608


def _of_sensors(finding: Finding) -> str:
    named = ", ".join(literal(sensor) for sensor in finding.sensors[:_MOST_SENSORS])
    return f"AND m.sensor_id IN ({named})" if named else ""


def _table(result: RunResult) -> str:
    if result.database is None:
        return "metrics"
    schema = result.database.tables_in.replace('"', '""')
    return f'"{schema}".metrics'


def _instant(row: RowDifference) -> str:
    return without_zone(row.ts).isoformat(sep=" ", timespec="microseconds")


def literal(text: str) -> str:
    """Return a text as both dialects read it, whatever the server's settings; what is not seen, by its number."""
    parts: list[str] = []
    for seen, run in groupby(text, lambda character: character.isprintable() and character != "\\"):
        part = "".join(run)
        parts += ["'" + part.replace("'", "''") + "'"] if seen else [f"chr({ord(one)})" for one in part]
    return f"({' || '.join(parts)})" if len(parts) > 1 else "".join(parts) or "''"
