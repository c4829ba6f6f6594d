import hashlib
import math
from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest

from fixtures.farm import Farm, FarmSpec, Role, Series, build_farm, insert_token, load_farm, new_token
from fixtures.farm.readings import DAY, HOUR, SPECIAL_VALUES
from tests.support.given import given
from tsse_validation.domain.instants import to_micros

NOW = datetime(2026, 3, 1, 15, 4, 5, 678901, tzinfo=UTC)
SMALL = FarmSpec(seed=7, sensors=6, rows=5_000, now=NOW)
USUAL = FarmSpec(seed=7, now=NOW)
SHORT = FarmSpec(seed=7, sensors=12, days=3, rows=20_000, now=NOW)


@pytest.fixture(scope="module", params=[SMALL, USUAL, SHORT], ids=["small", "usual", "short"])
def farm(request: pytest.FixtureRequest) -> Farm:
    spec = request.param
    assert isinstance(spec, FarmSpec)
    return build_farm(spec)


def same(one: Series, other: Series) -> bool:
    names = ("ts", "value", "quality", "inserted", "inserted_null")
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in names)


def showcase(farm: Farm) -> Series:
    return farm.series[farm.sensors[0].sensor_id]


def rows_of(farm: Farm, role: Role) -> list[Series]:
    return [farm.series[sensor_id] for sensor_id in farm.ids(role)]


def test_the_same_spec_makes_the_same_farm_and_another_seed_another_one() -> None:
    one, two = build_farm(SMALL), build_farm(SMALL)
    assert one.sensors == two.sensors
    assert all(same(one.series[name], two.series[name]) for name in one.series)
    other = build_farm(FarmSpec(seed=8, sensors=6, rows=5_000, now=NOW))
    assert not same(showcase(one), showcase(other))


@pytest.mark.parametrize(("sensors", "rows"), [(6, 5_000), (12, 50_000), (40, 1_000_000), (300, 1_000_000)])
def test_the_row_target_is_met_within_a_tenth(sensors: int, rows: int) -> None:
    farm = build_farm(FarmSpec(sensors=sensors, rows=rows, now=NOW))
    assert len(farm.sensors) == sensors
    assert farm.rows == pytest.approx(rows, rel=0.1)


def test_the_usual_farm_reports_every_thirty_seconds_to_thirty_minutes() -> None:
    intervals = {sensor.interval_seconds for sensor in build_farm(USUAL).sensors}
    assert (min(intervals), max(intervals)) == (30, 1_800)
    assert len(intervals) > 10


@pytest.mark.parametrize("wrong", [{"sensors": 5}, {"days": 1}, {"rows": 0}, {"now": datetime(2026, 1, 1)}])  # noqa: DTZ001
def test_a_farm_too_small_for_its_features_or_without_a_zone_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"too small|naive"):
        FarmSpec(**wrong)  # type: ignore[arg-type]


def test_the_rows_reach_from_the_first_day_to_the_present_and_never_beyond(farm: Farm) -> None:
    start, now = to_micros(farm.spec.start), to_micros(NOW)
    ts = np.concatenate([series.ts for series in farm.series.values()])
    assert start <= ts.min() < start + DAY
    assert now - DAY < ts.max() < now
    assert len(np.unique(ts // DAY)) == farm.spec.days + 1


def test_no_sensor_has_two_rows_at_one_instant(farm: Farm) -> None:
    assert all(len(np.unique(series.ts)) == len(series) for series in farm.series.values())


def test_ids_are_hexadecimal_hand_made_and_forecasts_within_their_column(farm: Farm) -> None:
    ids = [sensor.sensor_id for sensor in farm.sensors]
    assert len(set(ids)) == len(ids)
    assert all(1 <= len(name) <= 24 and name == name.strip() and "," not in name for name in ids)
    assert any(len(name) == 24 and set(name) <= set("0123456789abcdef") for name in ids)
    assert any(not name.isascii() for name in ids)
    assert all(name.startswith("forecast_") for name in farm.ids(Role.FORECAST))


def test_every_role_is_filled(farm: Farm) -> None:
    assert {sensor.role for sensor in farm.sensors} >= set(Role) - {Role.HAND_MADE}
    if len(farm.sensors) > 6:
        assert farm.ids(Role.HAND_MADE)


def test_some_sensors_have_no_rows_at_all(farm: Farm) -> None:
    assert {len(series) for series in rows_of(farm, Role.EMPTY)} == {0}


def test_sparse_sensors_have_a_few_rows_a_week_and_whole_days_without(farm: Farm) -> None:
    for series in rows_of(farm, Role.SPARSE):
        assert 1 <= len(series) <= max(2, 4 * farm.spec.days / 7)
        assert len(np.unique(series.ts // DAY)) < farm.spec.days


def test_gappy_sensors_have_outages_of_whole_days_between_their_rows(farm: Farm) -> None:
    for series in rows_of(farm, Role.GAPPY):
        assert np.diff(series.ts).max() >= min(2 * DAY, farm.spec.days * DAY / 10)
        assert farm.spec.days < 30 or np.diff(np.unique(series.ts // DAY)).max() >= 2


def test_deleted_sensors_have_old_rows_only(farm: Farm) -> None:
    deleted = [sensor for sensor in farm.sensors if sensor.deleted_at is not None]
    assert [sensor.role for sensor in deleted] == [Role.DELETED] * len(farm.ids(Role.DELETED))
    for sensor in deleted:
        deleted_at = given(sensor.deleted_at)
        assert deleted_at < NOW
        assert farm.series[sensor.sensor_id].ts.max() < to_micros(deleted_at)


def test_every_special_value_is_there_bit_for_bit(farm: Farm) -> None:
    bits = {np.float64(value).tobytes() for value in showcase(farm).value}
    assert {np.float64(value).tobytes() for value in SPECIAL_VALUES} <= bits
    assert any(math.isnan(value) for value in SPECIAL_VALUES)
    assert math.copysign(1, SPECIAL_VALUES[3]) < 0


def test_rows_stand_at_day_boundaries_and_a_microsecond_before(farm: Farm) -> None:
    within_day = showcase(farm).ts % DAY
    assert (within_day == 0).sum() >= farm.spec.days - 1
    assert (within_day == DAY - 1).sum() >= farm.spec.days - 1


def test_instants_have_microseconds(farm: Farm) -> None:
    ts = np.concatenate([series.ts for series in farm.series.values()])
    assert (ts % 1_000 != 0).any()
    assert (ts % 1_000_000 == 0).any()


def test_some_rows_have_a_quality_other_than_zero(farm: Farm) -> None:
    quality = showcase(farm).quality
    assert 0 < (quality != 0).mean() < 0.1


def test_only_old_rows_lack_their_insertion_time(farm: Farm) -> None:
    for series in farm.series.values():
        assert (series.ts[series.inserted_null] < to_micros(NOW - farm.spec.span * 0.4)).all()
    assert showcase(farm).inserted_null.any()
    assert not showcase(farm).inserted_null.all()


def test_rows_arrive_within_seconds_or_late_but_never_in_the_future(farm: Farm) -> None:
    for series in farm.series.values():
        assert (series.inserted <= to_micros(NOW)).all()
    late = showcase(farm).inserted - showcase(farm).ts
    assert 0 <= late.min() <= np.median(late) < HOUR / 60
    assert late.max() > 2 * DAY


def test_forecasts_come_ahead_of_their_instant_and_some_are_upserted_days_after_it(farm: Farm) -> None:
    for series in rows_of(farm, Role.FORECAST):
        delay = series.inserted - series.ts
        assert delay.min() < 0
        assert delay.max() > DAY


def test_postgres_holds_the_farm_exactly(farm_database: str) -> None:
    farm = build_farm(SMALL)
    with psycopg.connect(farm_database) as connection:
        load_farm(connection, farm)
    with psycopg.connect(farm_database) as connection:
        sensors = connection.execute(
            "SELECT sensor_id, interval_seconds, s.created_at, deleted_at"
            " FROM sensors s JOIN nodes n ON n.id = node_id"
        ).fetchall()
        stored = {sensor.sensor_id: [] for sensor in farm.sensors}  # type: dict[str, list[tuple[object, ...]]]
        query = (
            "SELECT sensor_id, (extract(epoch FROM ts) * 1000000)::bigint, float8send(value), quality,"
            " (extract(epoch FROM inserted_at) * 1000000)::bigint FROM metrics ORDER BY sensor_id, ts"
        )
        for sensor_id, *row in connection.execute(query):
            stored[sensor_id].append(tuple(row))
    assert set(sensors) == {(s.sensor_id, s.interval_seconds, s.created_at, s.deleted_at) for s in farm.sensors}
    for sensor_id, series in farm.series.items():
        assert stored[sensor_id] == [
            (ts, np.array(value, ">f8").tobytes(), quality, None if null else inserted)
            for ts, value, quality, inserted, null in zip(
                series.ts, series.value, series.quality, series.inserted, series.inserted_null, strict=True
            )
        ]


def test_a_token_is_known_to_the_database_by_its_hash_only(farm_database: str) -> None:
    token = new_token()
    assert len(token) == 43
    assert token != new_token()
    with psycopg.connect(farm_database) as connection:
        insert_token(connection, token, ["analysis.view", "analysis.run"], "test")
        row = connection.execute("SELECT token_hash, capabilities, api_tokens::text FROM api_tokens").fetchone()
    *held, text = given(row)
    assert held == [hashlib.sha256(token.encode()).hexdigest(), ["analysis.run", "analysis.view"]]
    assert token not in text
