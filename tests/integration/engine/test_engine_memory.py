"""Memory is bounded by what is read at a time, not by the size of the lake, of a day, or of the damage."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fixtures.postgres import EmbeddedPostgres
from tests.integration.controller.support import LAG
from tests.integration.engine.farm import Farm
from tests.support.schema import with_tables
from tsse_validation.runlog.difference_files import DIFFERENCE_NAMES

END = datetime(2026, 3, 31, tzinfo=UTC)
SENSORS = 40
MOST_BYTES = 512 * 2**20
MOST_BYTES_KEPT = 640 * 2**20
"""Where differing rows are kept as data: those of a group of sensors are there as objects and as columns."""


@dataclass(frozen=True)
class Large:
    """A database and a lake with as many rows of each sensor a day, spread evenly."""

    conninfo: str
    hot: Path
    days: int
    rows_a_day: int

    @property
    def rows(self) -> int:
        return SENSORS * self.rows_a_day * self.days


def fill(days: int, rows_a_day: int) -> str:
    return f"""
        ALTER TABLE metrics DROP CONSTRAINT metrics_pkey, DROP CONSTRAINT metrics_sensor_id_fkey;
        DROP INDEX metrics_inserted_at_idx;
        DROP INDEX metrics_ts_idx;
        INSERT INTO metrics (sensor_id, ts, value, quality, inserted_at)
            SELECT 'sensor-' || s, ts, random(), 0, ts
            FROM generate_series(1, {days * rows_a_day}) n
            CROSS JOIN LATERAL (SELECT '{END}'::timestamptz - n * interval '1 day' / {rows_a_day}) AS at (ts)
            CROSS JOIN generate_series(1, {SENSORS}) s;
        CREATE INDEX ON metrics (sensor_id, ts);
        CREATE INDEX ON metrics USING brin (ts);
        CREATE INDEX ON metrics (inserted_at);
    """


def made(postgres: EmbeddedPostgres, name: str, root: Path, days: int, rows_a_day: int) -> Large:
    conninfo = with_tables(postgres.create_database(name))
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(fill(days, rows_a_day).encode())
        connection.execute("ANALYZE metrics")
    farm = Farm(conninfo, root, END + LAG)
    farm.backfill(days)
    farm.close()
    return Large(conninfo, farm.service.lake.hot, days, rows_a_day)


@pytest.fixture(scope="module")
def long(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Large]:
    """Three million rows on 30 days."""
    yield made(postgres, "long", tmp_path_factory.mktemp("long"), 30, 2_500)
    postgres.drop_database("long")


@pytest.fixture(scope="module")
def dense(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Large]:
    """Three million rows on two days: a sensor every two seconds."""
    yield made(postgres, "dense", tmp_path_factory.mktemp("dense"), 2, 37_500)
    postgres.drop_database("dense")


def proven(large: Large, days: int) -> dict[str, Any]:
    """Prove some days in a process of its own, and return what it tells; what differs comes beside the lake."""
    into = large.hot.parent
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.engine.memory_child", str(large.hot), str(days), str(into)],
        cwd=Path(__file__).parents[3],
        input=large.conninfo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_three_times_the_rows_take_no_more_than_a_quarter_more_memory(long: Large) -> None:
    third, all_of_it = proven(long, long.days // 3), proven(long, long.days)
    assert (third["differ"], all_of_it["differ"]) == (0, 0)
    assert (third["rows"], all_of_it["rows"]) == (long.rows // 3, long.rows)
    assert all_of_it["peak"] <= 1.25 * third["peak"], (third, all_of_it)


def test_a_day_of_fifteen_times_the_rows_takes_less_than_half_more_memory(long: Large, dense: Large) -> None:
    spread, packed = proven(long, long.days), proven(dense, dense.days)
    assert (spread["rows"], packed["rows"]) == (long.rows, dense.rows)
    # it takes a quarter more: the column engine uses more of what it is allowed, which is what bounds it
    assert packed["peak"] <= min(1.5 * spread["peak"], MOST_BYTES), (spread, packed)


@pytest.mark.slow
def test_a_lost_partition_of_more_than_a_million_rows_is_told_row_by_row_in_bounded_memory(dense: Large) -> None:
    day = max((dense.hot / "metrics/v1").iterdir())
    shutil.rmtree(day)
    told = proven(dense, dense.days)
    assert told["differ"] == SENSORS
    assert told["diagnoses"] == {"partition missing": dense.rows // 2}
    assert told["kept"] == dict.fromkeys(DIFFERENCE_NAMES, dense.rows // 2)
    assert told["peak"] <= MOST_BYTES_KEPT, told
