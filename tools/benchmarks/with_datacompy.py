"""Contender: datacompy over polars, which loads both sides whole, joins them and compares column by column."""

from importlib import import_module
from io import BytesIO
from typing import Any, LiteralString

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv

from tools.benchmarks.case import Answer, Case, Difference
from tools.benchmarks.sides import IN_WINDOW, lake_files, lake_sql, parameters

pl: Any = import_module("polars")  # of the extra `bench`, which the type checker need not have
datacompy: Any = import_module("datacompy")

KEY = ["sensor_id", "ts"]
COLUMNS = "sensor_id, ts, value, quality"
_COPY: LiteralString = (
    "COPY (SELECT sensor_id, ts AT TIME ZONE 'UTC', value, quality"
    f" FROM metrics WHERE {IN_WINDOW}) TO STDOUT (FORMAT csv)"
)
_MOST_NAMED = 1000
_TYPES = {"sensor_id": pa.string(), "ts": pa.timestamp("us"), "value": pa.float64(), "quality": pa.int32()}


def run(case: Case) -> Answer:
    """Load and compare the window."""
    postgres = _postgres(case)
    rows = postgres.height
    compare = datacompy.PolarsCompare(
        postgres, _lake(case), join_columns=KEY, df1_name="postgres", df2_name="lake"
    )
    differing = compare.all_mismatch()
    found = [
        *_differences("missing", compare.df1_unq_rows),
        *_differences("extra", compare.df2_unq_rows),
        *_differences("changed", differing),
    ]
    return Answer(rows, differs=not compare.matches(), differences=tuple(found), note=f"{len(found)} differences")


def _postgres(case: Case) -> Any:
    buffer = BytesIO()
    with (
        psycopg.connect(case.conninfo) as connection,
        connection.cursor() as cursor,
        cursor.copy(_COPY, parameters(case)) as copy,
    ):
        for block in copy:
            buffer.write(block)
    buffer.seek(0)
    table = pa_csv.read_csv(
        buffer, pa_csv.ReadOptions(column_names=list(_TYPES)), None, pa_csv.ConvertOptions(column_types=_TYPES)
    )
    return _frame(table)


def _lake(case: Case) -> Any:
    with duckdb.connect() as connection:
        return _frame(connection.execute(lake_sql(case, COLUMNS, lake_files(case))).to_arrow_table())


def _frame(table: pa.Table) -> Any:
    return pl.from_arrow(table)


def _differences(kind: str, rows: Any) -> list[Difference]:
    named = rows.head(_MOST_NAMED).select("sensor_id", pl.col("ts").dt.epoch("us"))
    return [Difference(kind, sensor_id, ts) for sensor_id, ts in named.iter_rows()]
