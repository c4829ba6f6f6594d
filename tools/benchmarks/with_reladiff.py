"""Contender: reladiff, tuned, which splits both tables by key and compares checksums (hashdiff).

It takes only numbers and alphanumeric texts for keys, so `ts` is given to it as a number of microseconds; an index
on that expression stands ready in Postgres, which a live database would not have. It rounds doubles to 15 digits
in Postgres and otherwise in DuckDB, which makes differences where there are none, so `value` is given as text. The
lake is a view over its files in a DuckDB file.
"""

from importlib import import_module
from typing import Any

import duckdb

from tools.benchmarks.case import Answer, Case, Difference
from tools.benchmarks.sides import lake_files, lake_sql
from tsse_validation.domain.instants import to_micros

reladiff: Any = import_module("reladiff")  # of the extra `bench`, which the type checker need not have

VIEW = "metrics_reladiff"
KEY = ("sensor_id", "ts_us")
COMPARED = ("value", "quality")
BISECTION_FACTOR = 2
THREADS = 2
"""The fastest that were found: with the default factor of 32, equal data take 36 queries on either side, not 4."""
_VALUE_AS_POSTGRES_WRITES_IT = r"regexp_replace(value::VARCHAR, '\.0$', '')"


def prepare(case: Case) -> None:
    """Make the view of the lake."""
    make_view(case, VIEW, f"{_VALUE_AS_POSTGRES_WRITES_IT} AS value")


def make_view(case: Case, view: str, value: str) -> None:
    """Make a view of the lake, with `value` as the expression says."""
    query = lake_sql(case, f"sensor_id, epoch_us(ts) AS ts_us, {value}, quality", lake_files(case))
    with duckdb.connect(str(case.scratch / "lake.duckdb")) as connection:
        connection.execute(f"CREATE VIEW {view} AS {query}")


def run(case: Case) -> Answer:
    """Compare the window."""
    return compare(case, VIEW, threads=THREADS, bisection_factor=BISECTION_FACTOR, max_threadpool_size=THREADS)


def compare(case: Case, view: str, threads: int = 1, **options: int) -> Answer:
    """Compare a view of that name on both sides; `options` are reladiff's own."""
    whole = f"ts_us BETWEEN {to_micros(case.window.start)} AND {to_micros(case.window.end)}"
    columns: dict[str, Any] = {"key_columns": KEY, "extra_columns": COMPARED, "where": whole}
    postgres = reladiff.connect_to_table(case.conninfo, view, thread_count=threads, **columns)
    duckdb_file = f"duckdb://main@{case.scratch / 'lake.duckdb'}"
    lake = reladiff.connect_to_table(duckdb_file, view, thread_count=threads, **columns)
    with reladiff.diff_tables(postgres, lake, **options) as diff:
        found = list(diff)
        rows = diff.get_stats_dict()["rows_A"]
    return Answer(
        rows=rows,
        differs=bool(found),
        differences=tuple(
            Difference("missing" if sign == "-" else "extra", row[0], int(row[1])) for sign, row in found[:1000]
        ),
        note=f"{len(found)} differences",
    )
