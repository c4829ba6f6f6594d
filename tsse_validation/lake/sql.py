"""The questions to the lake's files in DuckDB's SQL (contract section 4), and the engine that answers them."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.instants import EPOCH, to_micros
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeFile

MEMORY_LIMIT = "320MB"


@contextmanager
def column_engine(**tables: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty DuckDB with some Arrow tables in it; it spills to the temp directory beyond its memory."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "threads": 2,
        "temp_directory": tempfile.gettempdir(),
    }
    with duckdb.connect(":memory:", config=config) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        for name, table in tables.items():
            connection.register(name, table)
        yield connection


_KEY = "sensor_id, ts"
_ROW = "sensor_id, ts, value, quality, inserted_at"
_HOW = "union_by_name = true, hive_partitioning = false, filename = true"
_FILES = f"read_parquet($files, {_HOW})"
_NUMBERED_FILES = f"read_parquet($files, {_HOW}, file_row_number = true)"
# The file's name is one constant for DuckDB, so that its date is taken out of it once a file and not once a row.
_DATE = "regexp_extract(filename, '.*/date=([0-9-]+)/', 1)::DATE"
# A row counts where a reader that prunes by partition sees it: in its own date's.
_AS_OF = f"""
    SELECT {{columns}} FROM {_FILES}
    WHERE ts BETWEEN make_timestamp($first) AND make_timestamp($last) AND ts::DATE = {_DATE}
      AND (inserted_at IS NULL OR inserted_at <= make_timestamp($watermark))
      AND ($ever OR inserted_at > make_timestamp($since))
"""  # noqa: S608 - no part of it comes from outside, here and below
_OF_SHARE = "AND hash(sensor_id) % $shares = $share"
_OF_WANTED = "SELECT * FROM ({rows}) SEMI JOIN wanted USING (sensor_id)"
# not NULLS LAST: DuckDB 1.5 turns that into an aggregate which, after a NULL, may keep an older row
_NEWEST_OF = f"""
    SELECT {_ROW} FROM (
        SELECT *, row_number() OVER (
            PARTITION BY sensor_id, ts ORDER BY coalesce(inserted_at, TIMESTAMP '-infinity') DESC
        ) AS age
        FROM ({{rows}})
    ) WHERE age = 1
"""  # noqa: S608
_REPEATED_OF = f"""
    SELECT {_ROW} FROM (
        SELECT *, row_number() OVER (PARTITION BY sensor_id, ts, filename) AS copy FROM ({{rows}})
    ) WHERE copy > 1
"""  # noqa: S608
_ROWS_AND_FILE = _AS_OF.format(columns=f"{_ROW}, filename")

COUNTS = f"""
    SELECT keys.sensor_id, count(*), count(not_due.ts)
    FROM (SELECT DISTINCT * FROM ({_AS_OF.format(columns=_KEY)})) AS keys
    LEFT JOIN not_due ON not_due.sensor_id = keys.sensor_id AND not_due.ts = keys.ts
    GROUP BY keys.sensor_id
"""  # noqa: S608
"""Keys of each sensor, and how many of them are in the table `not_due`."""

TILE_COUNTS = f"""
    SELECT keys.sensor_id, keys.tile, count(*), count(not_due.ts)
    FROM (
        SELECT DISTINCT rows.sensor_id, rows.ts, tiles.tile
        FROM ({_AS_OF.format(columns=_KEY)}) AS rows
        JOIN tiles ON tiles.day = rows.ts::DATE AND rows.ts BETWEEN tiles.first AND tiles.last
    ) AS keys
    LEFT JOIN not_due ON not_due.sensor_id = keys.sensor_id AND not_due.ts = keys.ts
    GROUP BY keys.sensor_id, keys.tile
"""  # noqa: S608
"""The same of each sensor and tile of the table `tiles`, which has the pieces of each tile by date."""

ROWS = _AS_OF.format(columns=_ROW)
"""All rows, copies too."""

MINUTES = f"""
    SELECT date_trunc('minute', ts), count(*)
    FROM (SELECT DISTINCT * FROM ({_AS_OF.format(columns=_KEY)}))
    GROUP BY 1
"""  # noqa: S608
"""Keys of each minute that has one."""

NEWEST_OF_WANTED = _NEWEST_OF.format(rows=_OF_WANTED.format(rows=ROWS))
"""Of each key's copies the one that was inserted last, of the sensors in the table `wanted`."""

NEWEST_OF_SHARE = _NEWEST_OF.format(rows=f"{ROWS} {_OF_SHARE}")
"""The same of one share of the sensors; takes the parameters `shares` and `share` too."""

REPEATED_OF_SHARE = _REPEATED_OF.format(rows=f"{_ROWS_AND_FILE} {_OF_SHARE}")
"""Rows that repeat a key of their own file, of one share of the sensors."""

_REPEATED_OF_WANTED = _REPEATED_OF.format(rows=_OF_WANTED.format(rows=_ROWS_AND_FILE))
COPIES_OF_WANTED = f"SELECT DISTINCT {_KEY} FROM ({_REPEATED_OF_WANTED})"  # noqa: S608
"""Keys of such rows, of the sensors in the table `wanted`."""

PENDING = f"SELECT DISTINCT {_KEY} FROM ({_AS_OF.format(columns=_KEY)}) SEMI JOIN not_due USING (sensor_id, ts)"  # noqa: S608
"""Keys that the lake holds and that are in the table `not_due`."""

ROWS_OF_WANTED = f"""
    SELECT sensor_id, count(*) FROM {_FILES} SEMI JOIN wanted USING (sensor_id)
    WHERE ts BETWEEN make_timestamp($first) AND make_timestamp($last) GROUP BY sensor_id
"""  # noqa: S608
"""Rows of the sensors in the table `wanted`, every copy of them, due or not; takes no watermark."""

ALL_OF_A_FILE = f"SELECT {_ROW} FROM {_FILES}"  # noqa: S608
"""Every row of some files; takes no parameters but the files."""

STRAYING = f"SELECT DISTINCT ts::DATE, filename FROM {_FILES} WHERE ts::DATE <> {_DATE}"  # noqa: S608
"""Dates with rows in a file of another date; takes no parameters but the files."""

STANDING_IN = f"SELECT DISTINCT sensor_id, ts, filename FROM {_FILES} SEMI JOIN keys USING (sensor_id, ts)"  # noqa: S608
"""The files that hold keys of the table `keys`; takes no parameters but the files."""

COPIES_OF_KEYS = f"""
    WITH found AS MATERIALIZED (
        SELECT {_ROW}, filename, file_row_number FROM {_NUMBERED_FILES}
        SEMI JOIN keys USING (sensor_id, ts)
    ), footers AS (
        SELECT DISTINCT file_name, row_group_id, row_group_num_rows FROM parquet_metadata($files)
    ), groups AS (
        SELECT file_name AS filename, row_group_id, row_group_num_rows AS size,
            sum(row_group_num_rows) OVER (PARTITION BY file_name ORDER BY row_group_id) AS ends
        FROM footers
    )
    SELECT {_ROW}, is_read, place, file, day, shard, row_group_id AS row_group, file_row_number AS row
    FROM found JOIN listed USING (filename) JOIN groups
      ON groups.filename = found.filename AND file_row_number >= ends - size AND file_row_number < ends
"""  # noqa: S608
"""Every copy of the keys in the table `keys`, and where it stands; takes the files, which `listed` describes."""

ROWS_BY_FILE = "SELECT file_name, num_rows FROM parquet_file_metadata($files)"
"""How many rows each file has, by its footer; takes no parameters but the files."""

ROWS_OUTSIDE = f"""
    SELECT {_DATE}, count(*) FROM {_FILES}
    WHERE NOT ts BETWEEN make_timestamp($first) AND make_timestamp($last) GROUP BY ALL
"""  # noqa: S608
"""How many rows of each date lie outside of a window; takes the parameters of `window_only`."""

SPANS = f"""
    SELECT {_DATE} AS day, regexp_extract(filename, '.*/shard=([0-9]+)/', 1) AS shard,
        min(ts), max(ts), min(inserted_at), max(inserted_at), bool_or(inserted_at IS NULL)
    FROM {_FILES} GROUP BY ALL ORDER BY ALL
"""  # noqa: S608
"""What the rows of each shard-day lie between, all of them; takes no parameters but the files."""

FIRST_OF_DATE = f"SELECT min(ts) FROM {_FILES}"  # noqa: S608
"""The first instant of some files; takes no parameters but the files."""


def without_not_due(statement: str) -> str:
    """Return a statement that gives the same rows but those whose key is in the table `not_due`."""
    return f"SELECT * FROM ({statement}) ANTI JOIN not_due USING (sensor_id, ts)"  # noqa: S608


def files_only(files: Iterable[LakeFile]) -> dict[str, object]:
    """Return the parameters of the statements that take no others."""
    return {"files": [str(file.path) for file in files]}


def window_only(files: Iterable[LakeFile], window: Window) -> dict[str, object]:
    """Return the parameters of the statements that take no watermark; instants as microseconds."""
    return {**files_only(files), "first": to_micros(window.start), "last": to_micros(window.end)}


def parameters(files: Iterable[LakeFile], scope: Scope) -> dict[str, object]:
    """Return the parameters of the other statements; instants as microseconds."""
    return {
        **window_only(files, scope.window),
        "watermark": to_micros(scope.coverage.watermark),
        "ever": scope.since is None,
        "since": to_micros(scope.since or EPOCH),
    }
