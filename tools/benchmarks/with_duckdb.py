"""Contender: the DuckDB join of all that lies in the files. A key that they hold twice is two rows of the lake."""

from tools.benchmarks.case import Answer, Case
from tools.benchmarks.joining import answer, connected, unlike_rows
from tools.benchmarks.sides import lake_files, lake_sql


def run(case: Case) -> Answer:
    """Compare the window."""
    with connected(case) as connection:
        return answer(
            unlike_rows(connection, case, lake_sql(case, "sensor_id, ts, value, quality", lake_files(case)))
        )
