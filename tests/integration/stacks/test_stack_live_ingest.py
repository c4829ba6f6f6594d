import random
import threading
from datetime import UTC, datetime

import psycopg
import pytest

from fixtures.farm import Farm, FarmSpec, IngestRates, LiveIngest, Role, build_farm, load_farm
from fixtures.postgres import EmbeddedPostgres
from tests.integration.stacks.conftest import scalar
from tsse_validation.domain.polling import wait_until

BRISK = IngestRates(fresh_per_second=200, late_every=0.01, upsert_every=0.01)


@pytest.fixture(scope="module")
def farm() -> Farm:
    return build_farm(FarmSpec(sensors=6, rows=5_000, now=datetime.now(UTC)))


@pytest.fixture
def conninfo(farm_database: str, farm: Farm) -> str:
    with psycopg.connect(farm_database) as connection:
        load_farm(connection, farm)
    return farm_database


def count(conninfo: str, where: str) -> int:
    return int(scalar(conninfo, f"SELECT count(*) FROM metrics WHERE {where}"))


def server_now(conninfo: str) -> str:
    return f"timestamptz '{scalar(conninfo, 'SELECT now()::text')}'"


def test_fresh_rows_late_arrivals_and_upserts_come_in_but_no_future(conninfo: str, farm: Farm) -> None:
    begin = server_now(conninfo)
    before = count(conninfo, "true")
    with LiveIngest.into_farm(conninfo, farm, rates=BRISK, rng=random.Random(1)) as ingest:
        assert wait_until(
            lambda: min(ingest.counts.fresh, ingest.counts.late, ingest.counts.upserts) >= 5, seconds=30
        )
    written = ingest.counts
    end = server_now(conninfo)
    assert count(conninfo, f"ts >= {begin}") == written.fresh
    assert count(conninfo, f"ts < {begin} - interval '1 hour' AND inserted_at >= {begin}") >= written.late + 1
    assert count(conninfo, "true") == before + written.fresh + written.late
    assert count(conninfo, f"ts > {end} OR inserted_at > {end}") == 0
    assert written.failures == 0


def test_only_forecasts_are_upserted_and_only_sensors_that_report_get_rows(conninfo: str, farm: Farm) -> None:
    begin = server_now(conninfo)
    with LiveIngest.into_farm(conninfo, farm, rates=BRISK) as ingest:
        assert wait_until(lambda: min(ingest.counts.fresh, ingest.counts.upserts) >= 5, seconds=30)
    touched = f"inserted_at >= {begin}"
    forecasts = ", ".join(f"'{name}'" for name in farm.ids(Role.FORECAST))
    quiet = ", ".join(f"'{name}'" for name in farm.ids(Role.EMPTY, Role.SPARSE, Role.DELETED))
    assert 1 <= count(conninfo, f"{touched} AND sensor_id IN ({forecasts})") <= ingest.counts.upserts
    assert count(conninfo, f"sensor_id IN ({forecasts})") == len(farm.series[farm.ids(Role.FORECAST)[0]])
    assert count(conninfo, f"{touched} AND sensor_id IN ({quiet})") == 0


def test_nothing_is_written_after_the_stop_and_the_thread_is_gone(conninfo: str, farm: Farm) -> None:
    with LiveIngest.into_farm(conninfo, farm, rates=BRISK) as ingest:
        assert wait_until(lambda: ingest.counts.fresh >= 1, seconds=30)
    assert "live-ingest" not in {thread.name for thread in threading.enumerate()}
    assert count(conninfo, "true") == farm.rows + ingest.counts.fresh + ingest.counts.late


def test_the_traffic_goes_on_after_postgres_was_away(farm: Farm) -> None:
    with EmbeddedPostgres() as server, psycopg.connect(server.conninfo) as connection:
        connection.execute(
            "CREATE TABLE metrics (sensor_id text, ts timestamptz, value float8, quality int,"
            " inserted_at timestamptz, PRIMARY KEY (sensor_id, ts))"
        )
        connection.commit()
        with LiveIngest.into_farm(server.conninfo, farm, rates=BRISK) as ingest:
            assert wait_until(lambda: ingest.counts.fresh >= 1, seconds=30)
            server.stop()
            assert wait_until(lambda: ingest.counts.failures >= 1, seconds=30)
            server.start()
            seen = ingest.counts.fresh
            assert wait_until(lambda: ingest.counts.fresh > seen, seconds=30)
