"""Contender: the DuckDB join that tells copies apart. A key's newest copy counts; twice in a file is wrong.

Grouping takes as long as a window function, and less memory. Which file a copy is from is asked only of the keys
that have several, for few do.
"""

from collections.abc import Sequence

import duckdb

from tools.benchmarks.case import Answer, Case, Difference
from tools.benchmarks.joining import answer, connected, unlike_rows
from tools.benchmarks.sides import lake_files, lake_sql

_AGE = "coalesce(inserted_at, TIMESTAMP '1970-01-01')"


def run(case: Case) -> Answer:
    """Compare the window."""
    with connected(case) as connection:
        found = unlike_rows(connection, case, newest(case), copied="l.copies > 1")
        several = [each for each in found if each.kind == "copied"]
        wrong = [each for each in found if each.kind != "copied"]
        return answer(wrong + (doubled(connection, case, several) if several else []))


def newest(case: Case) -> str:
    """Return the query of each key's newest copy; with `copies`, how many there are."""
    copies = lake_sql(case, "sensor_id, ts, value, quality, inserted_at", lake_files(case))
    return (
        f"SELECT sensor_id, ts, arg_max(value, {_AGE}) AS value, arg_max(quality, {_AGE}) AS quality,"
        f" count(*) AS copies FROM ({copies}) GROUP BY sensor_id, ts"
    )


def doubled(connection: duckdb.DuckDBPyConnection, case: Case, several: Sequence[Difference]) -> list[Difference]:
    """Return which of some keys a file has twice."""
    connection.execute("CREATE TEMP TABLE several (sensor_id VARCHAR, ts_us BIGINT)")
    connection.executemany("INSERT INTO several VALUES (?, ?)", [(each.sensor_id, each.ts) for each in several])
    copies = lake_sql(case, "sensor_id, epoch_us(ts) AS ts_us, filename", lake_files(case), "filename = true")
    found = connection.execute(
        f"SELECT sensor_id, ts_us FROM ({copies}) SEMI JOIN several USING (sensor_id, ts_us)"
        " GROUP BY sensor_id, ts_us, filename HAVING count(*) > 1"
    )
    return [Difference("doubled", *row) for row in found.fetchall()]
