"""What a backfill would take out of a real lake, told before it, and what one has taken, told after it."""

import shutil
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm, Row
from tests.support.builders import backfill_result
from tsse_validation.domain.contract import BackfillResult
from tsse_validation.domain.replacement import Loss, Replacement
from tsse_validation.steps.loss_guard import WouldLoseError, hold_no_loss, look_ahead, look_before, taken_away
from tsse_validation.steps.loss_looks import DirectLook

HOUR = timedelta(hours=1)
FIRST = date(2026, 3, 1)
SENSORS = ("0137f2f857d4dd34c390573c", 'odd, "id" ü')


def hourly(first: date = FIRST, sensors: tuple[str, ...] = SENSORS) -> list[Row]:
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    hours = int((NOON - begin) / HOUR)
    return [(sensor, at, 1.5, 0, at) for sensor in sensors for at in (begin + n * HOUR for n in range(hours))]


@pytest.fixture
def farm(farm: Farm) -> Farm:
    """Ten days of readings at each hour, all of them in the lake."""
    farm.ingest(hourly())
    farm.backfill(20)
    return farm


def look(farm: Farm) -> DirectLook:
    return DirectLook(farm.client, farm.reader)


def expected(farm: Farm, days: int) -> Replacement:
    return Replacement.expected(days, farm.clock.now, farm.reader.replication().last_inserted_at)


def losses(farm: Farm, days: int) -> tuple[Loss, ...]:
    return look_ahead(look(farm), expected(farm, days)).losses


def refusal(farm: Farm, days: int) -> WouldLoseError:
    outlook = look_ahead(look(farm), expected(farm, days))
    with pytest.raises(WouldLoseError) as caught:
        hold_no_loss(look(farm), outlook)
    return caught.value


def drop_before(farm: Farm, day: date) -> None:
    farm.connection.execute(
        "DELETE FROM metrics WHERE ts < %s", (datetime(day.year, day.month, day.day, tzinfo=UTC),)
    )


def test_an_empty_lake_has_nothing_to_lose(farm: Farm) -> None:
    shutil.rmtree(farm.service.lake.hot / "metrics")
    assert losses(farm, 3) == ()


@pytest.mark.parametrize("days", [10, 11, 90, 365])
def test_a_range_that_begins_before_the_lake_takes_nothing(days: int, farm: Farm) -> None:
    assert losses(farm, days) == ()


def test_the_first_dates_rows_before_the_range_are_counted_and_the_safe_number_of_days_is_named(
    farm: Farm,
) -> None:
    refused = refusal(farm, 3)
    (loss,) = refused.losses
    assert (loss.day, loss.rows) == (date(2026, 3, 7), 2 * 13)  # from midnight up to noon, and MARGIN after
    assert refused.safe == 10
    assert losses(farm, 10) == ()
    for word in ("26 rows of 2026-03-07 before 12:0", "3 days", "--backfill-days 10", "--accept-loss"):
        assert word in str(refused)


def test_a_first_date_without_a_row_before_the_range_is_no_loss(farm: Farm) -> None:
    farm.connection.execute("DELETE FROM metrics WHERE ts::date = '2026-03-07' AND ts < '2026-03-07 13:00Z'")
    farm.backfill(20)
    assert losses(farm, 3) == ()


def test_dates_that_postgres_has_dropped_are_named_and_no_number_of_days_is_safe(farm: Farm) -> None:
    drop_before(farm, date(2026, 3, 4))
    refused = refusal(farm, 15)
    assert [(loss.day.day, loss.rows, loss.whole) for loss in refused.losses] == [(n, 48, True) for n in (1, 2, 3)]
    assert refused.safe is None
    assert "144 rows of 3 days from 2026-03-01 to 2026-03-03, of which Postgres holds nothing" in str(refused)


def test_a_gap_in_the_lake_makes_a_shorter_range_safe(farm: Farm) -> None:
    farm.connection.execute("DELETE FROM metrics WHERE ts::date = '2026-03-06'")
    farm.backfill(20)
    drop_before(farm, date(2026, 3, 4))
    assert refusal(farm, 15).safe == 4
    assert losses(farm, 4) == ()


def test_single_rows_that_postgres_has_no_more_are_counted_whatever_came_in_besides(farm: Farm) -> None:
    gone = datetime(2026, 3, 5, 8, tzinfo=UTC)
    farm.connection.execute("DELETE FROM metrics WHERE sensor_id = %s AND ts = %s", (SENSORS[1], gone))
    farm.ingest([(SENSORS[1], gone + timedelta(minutes=5), 2.0, 0, NOON)])  # as many rows as before
    assert losses(farm, 15) == (Loss(date(2026, 3, 5), 1),)


def test_copies_late_rows_and_changed_values_are_no_loss(farm: Farm) -> None:
    changed = [(SENSORS[0], datetime(2026, 3, 5, n, tzinfo=UTC), 9.0, None, NOON + HOUR / 2) for n in range(9)]
    farm.upsert(changed)
    farm.clock.advance(hours=1)
    farm.replicate()
    farm.ingest([(SENSORS[0], datetime(2026, 3, 2, 0, 5, tzinfo=UTC), 1.0, 0, farm.clock.now)])
    assert losses(farm, 15) == ()


def test_a_torn_file_is_said_and_is_no_loss(farm: Farm) -> None:
    farm.files(date(2026, 3, 5))[0].write_bytes(b"PAR1 torn")
    outlook = look_ahead(look(farm), expected(farm, 15))
    assert outlook.losses == ()
    assert "1 date with files that cannot be read, such as 2026-03-05" in outlook.unknown[0]


def backfilled(farm: Farm, days: int) -> BackfillResult:
    farm.backfill(days)
    state = farm.reader.replication()
    assert state.backfill_from_ts is not None
    ends = {"target_inserted_at": state.backfill_to_ts, "backfill_to_ts": state.backfill_to_ts}
    return backfill_result(days=days, backfill_from_ts=state.backfill_from_ts, **ends)


def test_what_a_backfill_has_taken_is_told_after_it(farm: Farm) -> None:
    before = look_before(look(farm), expected(farm, 3))
    result = backfilled(farm, 3)
    (loss,) = taken_away(before, look(farm), result, 3, lambda _: False)
    assert (loss.day, loss.before) == (date(2026, 3, 7), result.backfill_from_ts)
    assert loss.rows == 2 * (result.backfill_from_ts.hour + 1)  # at midnight, and at each hour up to it


def test_a_backfill_over_the_whole_lake_has_taken_nothing(farm: Farm) -> None:
    before = look_before(look(farm), expected(farm, 10))
    assert taken_away(before, look(farm), backfilled(farm, 10), 10, lambda _: False) == ()


def test_a_longer_range_than_was_asked_for_is_told_by_the_dates_outside(farm: Farm) -> None:
    drop_before(farm, date(2026, 3, 6))
    before = look_before(look(farm), expected(farm, 3))
    lost = taken_away(before, look(farm), backfilled(farm, 20), 3, lambda _: False)
    assert [(loss.day, loss.rows) for loss in lost] == [(date(2026, 3, day), 48) for day in range(1, 6)]


def test_what_retention_takes_meanwhile_is_no_loss(farm: Farm) -> None:
    before = look_before(look(farm), expected(farm, 10))
    shutil.rmtree(farm.service.lake.hot / "metrics/v1/date=2026-02-28", ignore_errors=True)
    result = backfilled(farm, 3)
    shutil.rmtree(farm.service.lake.hot / "metrics/v1/date=2026-03-01")
    old = date(2026, 3, 2)
    lost = taken_away(before, look(farm), result, 3, lambda day: day < old)
    assert date(2026, 3, 1) not in {loss.day for loss in lost}
    assert date(2026, 3, 1) in {loss.day for loss in taken_away(before, look(farm), result, 3, lambda _: False)}
