"""Contender: today's practice. Rows per sensor in Postgres against distinct keys per sensor in the lake."""

import duckdb
import psycopg

from tools.benchmarks.case import Answer, Case, Difference
from tools.benchmarks.sides import IN_WINDOW, lake_files, lake_sql, parameters


def run(case: Case) -> Answer:
    """Count both sides, one after the other, as the controller's own job does."""
    with psycopg.connect(case.conninfo) as connection:
        query = f"SELECT sensor_id, count(*) FROM metrics WHERE {IN_WINDOW} GROUP BY sensor_id"
        postgres: dict[str, int] = dict(connection.execute(query, parameters(case)).fetchall())
    keys = lake_sql(case, "DISTINCT sensor_id, ts", lake_files(case))
    with duckdb.connect() as connection_to_lake:
        lake = dict(
            connection_to_lake.execute(f"SELECT sensor_id, count(*) FROM ({keys}) GROUP BY sensor_id").fetchall()
        )
    differing = [sensor for sensor in sorted(postgres | lake) if postgres.get(sensor) != lake.get(sensor)]
    return Answer(
        rows=sum(postgres.values()),
        differs=bool(differing),
        differences=tuple(Difference("count", sensor) for sensor in differing),
    )
