"""What is due outside of the covered range is compared, hot and cold; what nobody promises, only where asked."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.engine import naive
from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm, Row, rewritten, told
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.parity import beyond
from tsse_validation.parity.beyond import OuterReader, unpromised_part
from tsse_validation.settings.fields import Level

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
FEED, SENSOR = "forecast_wind", "0137f2f857d4dd34c390573c"
AHEAD, BACK = (NOON + 3 * DAY).date(), (NOON - 95 * DAY).date()
RANGE_DAYS = 5
OLD_DAYS = (*range(1, 8), 60, 94, 95, 96, 109)


def series(sensor: str, begin: datetime, inserted_at: datetime, rows: int = 5) -> list[Row]:
    return [(sensor, begin + n * HOUR, n + 0.5, 0, inserted_at) for n in range(rows)]


def pass_by(farm: Farm) -> None:
    farm.clock.advance(hours=1)
    farm.replicate()


@pytest.fixture(params=[False, True], ids=["hot", "with a cold place"])
def farm(conninfo: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Farm]:
    """Backfill a farm, and replicate rows dated ahead and long ago that came in after that."""
    made = Farm(conninfo, tmp_path, NOON, cold=request.param, retention_days=90 if request.param else 365)
    old = [row for day in OLD_DAYS for row in series(SENSOR, NOON - day * DAY, NOON - day * DAY, 2)]
    made.ingest(old)
    made.backfill(RANGE_DAYS)
    made.clock.advance(minutes=1)
    made.ingest(series(FEED, NOON + 3 * DAY, made.clock.now) + series(FEED, NOON - 95 * DAY, made.clock.now))
    pass_by(made)
    yield made
    made.close()


def first_of(farm: Farm) -> datetime:
    ((first,),) = farm.connection.execute("SELECT min(ts) FROM metrics").fetchall()
    assert isinstance(first, datetime)
    return first


def promised(farm: Farm, earlier: Coverage | None = None, level: Level = Level.DIGEST) -> beyond.SensorDays:
    return beyond.compare_promised(
        farm.proof(), OuterReader(farm.client), farm.coverage(), earlier, first_of(farm), level
    )


def compared(farm: Farm, earlier: Coverage | None = None) -> dict[date, tuple[int, int]]:
    rows = [row for _, part in promised(farm, earlier) for row in part]
    assert all(row.matches for row in rows), rows
    return {row.day: (row.postgres, row.lake) for row in rows if row.day is not None}


def differing(farm: Farm, earlier: Coverage | None = None) -> set[tuple[str, date, str]]:
    """Return what differs among what is promised: the sensor, the day and how."""
    found = beyond.compare_rows_of(farm.proof(), promised(farm, earlier), Level.DIGEST)
    return {(sensor, naive.day_of(ts), kind) for sensor, ts, kind in told(found)}


def others(farm: Farm) -> tuple[beyond.SensorDays, list[naive.Difference], int]:
    """Compare every date of the lake, as `--cover lake` does; return what nobody promises and differs."""
    proof, coverage = farm.proof(), farm.coverage()
    lake = proof.lake_rows(coverage)
    found = beyond.compare_other_dates(proof, coverage, lake.days(), first_of(farm), Level.DIGEST)
    scopes = [scope for scope, _ in promised(farm)]
    left, heads = [], 0
    for comparison in beyond.compare_rows_of(proof, found, Level.DIGEST):
        part, before = unpromised_part(comparison, scopes, lake.first_instant(comparison.day))
        left += list(told([part]))
        heads += before
    return found, left, heads


def one_file(farm: Farm, day: date, sensor: str) -> Path:
    key = next(copy.key for copy in farm.copies() if copy.key[0] == sensor and naive.day_of(copy.key[1]) == day)
    (path,) = farm.files_of(key)
    return path


def test_rows_dated_ahead_and_long_ago_are_compared_and_nothing_else(farm: Farm) -> None:
    assert compared(farm) == {AHEAD: (5, 5), BACK: (5, 5)}
    assert differing(farm) == set()
    where = "cold" if farm.service.lake.cold else "hot"
    assert where in str(one_file(farm, BACK, FEED))


@pytest.mark.parametrize("day", [AHEAD, BACK], ids=["ahead", "long ago"])
def test_a_lost_file_is_found(farm: Farm, day: date) -> None:
    one_file(farm, day, FEED).unlink()
    assert differing(farm) == {(FEED, day, "missing")}


def change_value(rows: list[dict[str, object]]) -> None:
    rows[0]["value"] = 99.0


def change_quality(rows: list[dict[str, object]]) -> None:
    rows[0]["quality"] = 9


def invent(rows: list[dict[str, object]]) -> None:
    ts = rows[0]["ts"]
    assert isinstance(ts, datetime)
    rows.append(rows[0] | {"ts": ts + MICROSECOND})


def double(rows: list[dict[str, object]]) -> None:
    rows.append(dict(rows[0]))


def lose(rows: list[dict[str, object]]) -> None:
    del rows[2]


def age(rows: list[dict[str, object]]) -> None:
    rows[0] |= {"value": -3.0, "inserted_at": NOON.replace(tzinfo=None) - 30 * DAY}


FAULTS: dict[str, tuple[Callable[[list[dict[str, object]]], None], str]] = {
    "a value is changed": (change_value, "changed_value"),
    "a quality is changed": (change_quality, "changed_quality"),
    "a row too many": (invent, "extra"),
    "a row twice in its file": (double, "duplicate"),
    "a row is lost": (lose, "missing"),
    "an older version": (age, "changed_value"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("day", [AHEAD, BACK], ids=["ahead", "long ago"])
def test_each_fault_of_a_file_is_found(farm: Farm, day: date, fault: str) -> None:
    change, kind = FAULTS[fault]
    with rewritten(one_file(farm, day, FEED)) as rows:
        change(rows)
    assert differing(farm) == {(FEED, day, kind)}


def test_a_row_that_is_gone_from_postgres_is_one_too_many_in_the_lake(farm: Farm) -> None:
    farm.delete((FEED, naive.micros(NOON + 3 * DAY)))
    assert differing(farm) == {(FEED, AHEAD, "extra")}


def test_a_value_changed_in_place_in_postgres_is_found(farm: Farm) -> None:
    farm.change("value = 7", (FEED, naive.micros(NOON + 3 * DAY)))
    assert differing(farm) == {(FEED, AHEAD, "changed_value")}


def test_an_insertion_set_back_in_place_is_no_difference_of_the_row(farm: Farm) -> None:
    farm.change("inserted_at = inserted_at - interval '9 days'", (FEED, naive.micros(NOON + 3 * DAY)))
    farm.change("inserted_at = NULL", (FEED, naive.micros(NOON - 95 * DAY)))
    assert differing(farm) == set()


def test_a_row_in_another_dates_partition_is_missing_in_its_own(farm: Farm) -> None:
    path = one_file(farm, AHEAD, FEED)
    other = path.parent.parent.with_name(f"date={AHEAD + DAY}") / path.parent.name
    other.mkdir(parents=True)
    path.rename(other / path.name)
    assert differing(farm) == {(FEED, AHEAD, "missing")}


def test_upserts_of_rows_dated_ahead_are_followed_and_a_lost_one_is_found(farm: Farm) -> None:
    newer = [(*row[:2], row[2] + 1, 0, farm.clock.now) for row in series(FEED, NOON + 3 * DAY, farm.clock.now)]
    farm.upsert(newer)
    assert differing(farm) == set(), "those are pending"
    pass_by(farm)
    assert compared(farm)[AHEAD] == (5, 5)
    newest = max(farm.files(AHEAD), key=lambda path: path.name)
    newest.unlink()
    assert differing(farm) == {(FEED, AHEAD, "changed_value")}


def test_a_row_that_comes_in_meanwhile_is_not_due(farm: Farm) -> None:
    farm.ingest(series(SENSOR, NOON + 4 * DAY, farm.clock.now))
    farm.upsert([(FEED, NOON + 3 * DAY, 8.0, 0, farm.clock.now)])
    assert differing(farm) == set()


def test_rows_at_the_watermark_and_beside_it_are_each_compared_once(farm: Farm) -> None:
    farm.clock.advance(hours=1)
    watermark = farm.due_now
    farm.ingest((SENSOR, watermark + n * MICROSECOND, n, 0, watermark) for n in (-1, 0, 1))
    farm.replicate()
    assert farm.coverage().watermark == watermark
    within = sum(row.postgres for row in farm.digest_days() if row.day == watermark.date())
    outside = sum(row.postgres for _, part in promised(farm) for row in part if row.day == watermark.date())
    assert (within, outside) == (2, 1)
    assert differing(farm) == set()


def test_a_forecast_from_before_the_backfills_target_is_promised_by_nobody(farm: Farm) -> None:
    """A backfill stops short of it; once the watermark has passed its time, it must not seem lost."""
    farm.ingest([(FEED, farm.clock.now + n * HOUR, 1.0, 0, farm.clock.now) for n in range(1, 30)])
    farm.clock.advance(minutes=30)
    farm.backfill(RANGE_DAYS)
    for path in farm.files(farm.clock.now.date()) + farm.files((farm.clock.now + DAY).date()):
        with rewritten(path) as rows:
            rows[:] = [row for row in rows if row["ts"] < farm.due_now.replace(tzinfo=None)]
    farm.clock.advance(hours=26)
    farm.replicate()
    assert farm.differing_days() == set()
    assert differing(farm) == set()


def test_what_passes_brought_before_a_backfill_is_compared_where_that_is_known(farm: Farm) -> None:
    earlier = farm.coverage()
    farm.clock.advance(hours=1)
    farm.backfill(RANGE_DAYS)
    assert compared(farm) == {}
    assert compared(farm, earlier) == {AHEAD: (5, 5), BACK: (5, 5)}
    one_file(farm, AHEAD, FEED).unlink()
    assert differing(farm) == set()
    assert differing(farm, earlier) == {(FEED, AHEAD, "missing")}


def test_every_date_of_the_lake_is_compared_where_that_is_asked_for(conninfo: str, tmp_path: Path) -> None:
    farm = Farm(conninfo, tmp_path, NOON)
    try:
        farm.ingest(row for day in range(1, 9) for row in series(SENSOR, NOON - day * DAY, NOON - day * DAY, 4))
        farm.backfill(8)
        pass_by(farm)
        farm.backfill(3)
        found, left, _ = others(farm)
        assert len([row for _, part in found for row in part]) >= 5
        assert left == []
        day = (NOON - 6 * DAY).date()
        with rewritten(one_file(farm, day, SENSOR)) as rows:
            change_value(rows)
        assert differing(farm) == set()
        assert [(naive.day_of(ts), kind) for _, ts, kind in others(farm)[1]] == [(day, "changed_value")]
    finally:
        farm.close()


def test_of_a_date_that_a_backfill_began_in_only_what_lies_after_its_start_is_compared(farm: Farm) -> None:
    """The import brought a part of a date; what Postgres has before the first of it was asked of no backfill."""
    farm.ingest([(SENSOR, NOON - 95 * DAY - 2 * HOUR, 1.0, 0, NOON - 95 * DAY)])
    found, left, heads = others(farm)
    assert any(row.day == BACK and not row.matches for _, part in found for row in part)
    assert heads == 1
    assert {(key[0], naive.day_of(key[1]), key[2]) for key in left} == {(SENSOR, BACK, "missing")}


def test_what_retention_deletes_where_there_is_no_cold_place_is_not_due(conninfo: str, tmp_path: Path) -> None:
    farm = Farm(conninfo, tmp_path, NOON, retention_days=90)
    try:
        farm.ingest(row for day in range(1, 4) for row in series(SENSOR, NOON - day * DAY, NOON - day * DAY))
        farm.backfill(RANGE_DAYS)
        farm.ingest(
            series(SENSOR, NOON - 95 * DAY, farm.clock.now) + series(SENSOR, NOON - 20 * DAY, farm.clock.now)
        )
        pass_by(farm)
        assert not farm.files(BACK)
        assert differing(farm) == {(SENSOR, BACK, "missing")}, "as long as nobody says that it is deleted"
        kept = farm.coverage().after_retention(90, farm.clock.now)
        found = beyond.compare_promised(
            farm.proof(), OuterReader(farm.client), kept, None, first_of(farm), Level.DIGEST
        )
        assert [(row.day, row.matches) for _, part in found for row in part] == [((NOON - 20 * DAY).date(), True)]
    finally:
        farm.close()


def test_postgres_is_looked_at_outside_of_the_range(farm: Farm) -> None:
    outside = OuterReader(farm.client).look_outside(farm.coverage(), counted=True)
    ((rows,),) = farm.connection.execute(
        "SELECT count(*) FROM metrics WHERE NOT ts BETWEEN %s AND %s",
        (farm.covered().start, farm.covered().end),
    ).fetchall()
    assert outside == beyond.PostgresOutside(NOON - 109 * DAY, NOON + 3 * DAY + 4 * HOUR, rows)
    assert OuterReader(farm.client).look_outside(farm.coverage(), counted=False).rows is None


def test_the_lakes_rows_outside_of_the_range_are_counted_by_their_dates(farm: Farm) -> None:
    rows = farm.proof().lake_rows(farm.coverage()).rows_outside(farm.covered())
    expected: dict[date, int] = {}
    for copy in farm.copies():
        if naive.instant(copy.key[1]) not in farm.covered():
            day = naive.day_of(copy.key[1])
            expected[day] = expected.get(day, 0) + 1
    assert rows == expected
    assert {AHEAD, BACK} <= rows.keys()
