"""What Postgres's own retention has dropped is the lake's alone; nothing else of the kind is excused."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.integration.engine import naive
from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm
from tsse_validation.domain.coverage import Scope
from tsse_validation.runlog.records import Finding
from tsse_validation.steps.retention import without_dropped

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
CHUNK = datetime(2026, 3, 4, 5, tzinfo=UTC)
"""Where a chunk of an hour begins."""
SENSORS = ("0137f2f857d4dd34c390573c", "forecast_wind")


@pytest.fixture
def farm(farm: Farm) -> Farm:
    """Nine days of readings, one each half hour, in both."""
    halves = [BEGIN + n * timedelta(minutes=30) for n in range(int((NOON - BEGIN) / timedelta(minutes=30)))]
    farm.ingest((sensor, at, 1.5, 0, at) for sensor in SENSORS for at in halves)
    farm.backfill(9)
    return farm


def left_of(farm: Farm) -> tuple[Scope, Finding | None]:
    return without_dropped(Scope.covered_by(farm.coverage()), farm.client, farm.reader)


def drop(farm: Farm, condition: str, *instants: datetime) -> None:
    farm.connection.execute(f"DELETE FROM metrics WHERE {condition}".encode(), instants)


def test_where_nothing_was_dropped_all_of_the_range_is_compared(farm: Farm) -> None:
    assert left_of(farm) == (Scope.covered_by(farm.coverage()), None)


def test_dropped_chunks_are_told_with_rows_and_dates_and_the_rest_agrees(farm: Farm) -> None:
    covered = farm.covered()
    drop(farm, "ts < %s", CHUNK)
    left, finding = left_of(farm)
    assert (left.window.start, left.window.end) == (CHUNK, covered.end)
    assert finding is not None
    assert not finding.flagged
    assert finding.diagnosis == "retention in Postgres"
    assert finding.days == tuple(date(2026, 3, day) for day in range(1, 5))
    alone = [copy for copy in farm.copies() if covered.start <= naive.instant(copy.key[1]) < CHUNK]
    assert finding.rows == len(alone) > 200
    assert "Postgres begins at 2026-03-04T05:00:00.000000+00:00" in finding.summary
    assert all(row.matches for row in farm.proof().compare_sensor_days(left))


def test_a_hole_in_the_middle_is_no_retention(farm: Farm) -> None:
    drop(farm, "ts >= %s AND ts < %s", BEGIN + timedelta(days=2), CHUNK)
    assert left_of(farm)[1] is None


def test_the_end_of_one_sensor_is_no_retention(farm: Farm) -> None:
    farm.connection.execute("DELETE FROM metrics WHERE sensor_id = %s AND ts < %s", (SENSORS[0], CHUNK))
    assert left_of(farm)[1] is None


@pytest.mark.parametrize("ago", [timedelta(hours=1), timedelta(days=40), timedelta(days=4_000)])
def test_rows_before_the_covered_range_are_no_retention(ago: timedelta, farm: Farm) -> None:
    drop(farm, "ts < %s", CHUNK)
    before = farm.covered().start - ago
    farm.ingest([(SENSORS[0], before, 1.0, 0, before)])
    assert left_of(farm)[1] is None


def test_a_farm_that_is_younger_than_the_range_has_dropped_nothing(farm: Farm) -> None:
    drop(farm, "ts < %s", CHUNK)
    farm.backfill(9)
    assert left_of(farm)[1] is None
