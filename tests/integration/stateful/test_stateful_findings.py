"""What the machine has found in the suite and in the controller, each as a short story of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.engine.farm import Farm
from tests.integration.stateful.validation import Validator
from tests.support.schema import emptied
from tsse_validation.domain.outcome import Outcome
from tsse_validation.runlog.records import CheckStatus

SENSOR = "0137f2f857d4dd34c390573c"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TWO_DAYS_AGO = NOON - timedelta(days=2)
DATES = "dates_with_rows_have_partitions_and_no_others"
ROWS = "every_due_row_is_in_the_lake_unchanged"


@pytest.fixture
def farm(farm_database: str, tmp_path: Path) -> Iterator[Farm]:
    """Return a farm with a lake of three days: today has a row, and the day before yesterday another."""
    emptied(farm_database)
    farm = Farm(farm_database, tmp_path / "lake", NOON)
    farm.ingest((SENSOR, ts, 1.0, 0, ts) for ts in (TWO_DAYS_AGO, NOON - timedelta(hours=1)))
    farm.backfill(4)
    yield farm
    farm.close()


@pytest.fixture
def validator(farm: Farm, tmp_path: Path) -> Iterator[Validator]:
    validator = Validator(farm, tmp_path)
    yield validator
    validator.close()


def test_a_date_whose_only_row_was_upserted_since_is_not_too_many(farm: Farm, validator: Validator) -> None:
    farm.upsert([(SENSOR, TWO_DAYS_AGO, 2.0, 0, farm.clock.now)])
    found = validator.validate()
    assert found.statuses[DATES] is CheckStatus.PASSED, found.messages[DATES]
    assert found.verdict.outcome is Outcome.GO


def test_a_date_whose_only_row_was_replicated_since_is_not_too_many(farm: Farm, validator: Validator) -> None:
    """A late row of a day without any, which the next pass adds between the reading of watermark and lake."""
    coverage = farm.coverage
    before = coverage()
    farm.ingest([(SENSOR, NOON - timedelta(days=3), 2.0, 0, farm.clock.now)])
    farm.clock.advance(minutes=2)
    farm.replicate()
    farm.coverage = lambda: before  # type: ignore[method-assign]
    found = validator.validate()
    assert found.statuses[DATES] is CheckStatus.PASSED, found.messages[DATES]
    assert found.verdict.outcome is Outcome.GO


def test_a_date_whose_only_row_was_deleted_is_a_partition_too_many(farm: Farm, validator: Validator) -> None:
    farm.connection.execute("DELETE FROM metrics WHERE ts = %s", (TWO_DAYS_AGO,))
    found = validator.validate()
    assert found.statuses[DATES] is CheckStatus.FAILED
    assert "1 partitions have no row in Postgres: 2026-03-08" in found.messages[DATES]
    assert found.verdict.outcome is Outcome.NO_GO


def test_where_no_row_is_due_any_more_those_of_the_lake_are_too_many(farm: Farm, validator: Validator) -> None:
    farm.connection.execute("DELETE FROM metrics")
    found = validator.validate()
    assert found.statuses[ROWS] is CheckStatus.FAILED, found.messages[ROWS]
    assert "2 rows not as in Postgres: deleted in Postgres" in found.messages[ROWS]
    assert found.verdict.outcome is Outcome.NO_GO
