"""Each fault, planted for real in a small farm, is found by digest and by row, and nothing else is."""

import math
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.controller.files import make_directories
from tests.integration.engine import naive
from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm, Row, is_row, rewritten
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.instants import MICROSECOND

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
SENSORS = ("0137f2f857d4dd34c390573c", "forecast_wind", 'odd, "id" ü')
MIDNIGHT = datetime(2026, 3, 9, tzinfo=UTC)
PICKED = (SENSORS[0], naive.micros(MIDNIGHT + 30 * MINUTE))
NEIGHBOUR = (SENSORS[0], naive.micros(MIDNIGHT + 40 * MINUTE))


def reading(sensor: str, ts: datetime, value: float | None = None, quality: int | None = 0) -> Row:
    return sensor, ts, ts.minute / 7 if value is None else value, quality, ts


def three_days(sensors: tuple[str, ...] = SENSORS) -> list[Row]:
    """Return readings around each midnight, those at its last and first microseconds among them."""
    begin = MIDNIGHT - DAY
    offsets = [-10 * MINUTE, -MICROSECOND, 0 * MINUTE, MICROSECOND, *(n * 10 * MINUTE for n in range(1, 10))]
    return [
        reading(sensor, begin + day * DAY + offset) for sensor in sensors for day in range(3) for offset in offsets
    ]


@pytest.fixture
def farm(farm: Farm) -> Farm:
    """Three days of readings, backfilled, and a pass after."""
    farm.ingest(three_days())
    farm.backfill(4)
    farm.clock.advance(hours=1)
    farm.ingest([reading(SENSORS[1], NOON)])
    farm.replicate()
    return farm


def one_file(farm: Farm, key: naive.Key = PICKED) -> Path:
    (path,) = farm.files_of(key)
    return path


def lose(farm: Farm) -> None:
    with rewritten(one_file(farm)) as rows:
        rows[:] = [row for row in rows if not is_row(row, PICKED)]


def invent(farm: Farm) -> None:
    with rewritten(one_file(farm)) as rows:
        (row,) = (row for row in rows if is_row(row, PICKED))
        rows.append(row | {"ts": row["ts"] + timedelta(seconds=1)})


def alter(column: str, change: Callable[[object], object]) -> Callable[[Farm], None]:
    def plant(farm: Farm) -> None:
        with rewritten(one_file(farm)) as rows:
            (row,) = (row for row in rows if is_row(row, PICKED))
            row[column] = change(row[column])

    return plant


def swap(farm: Farm) -> None:
    with rewritten(one_file(farm)) as rows:
        one, other = (row for row in rows if is_row(row, PICKED) or is_row(row, NEIGHBOUR))
        one["value"], other["value"] = other["value"], one["value"]


def double(farm: Farm) -> None:
    with rewritten(one_file(farm)) as rows:
        rows += [row for row in rows if is_row(row, PICKED)]


def move_to_the_wrong_date(farm: Farm) -> None:
    path = one_file(farm)
    (other,) = {
        file.parent for file in farm.files((MIDNIGHT + DAY).date()) if file.parent.name == path.parent.name
    }
    with rewritten(path) as rows:
        moved = [row for row in rows if is_row(row, PICKED)]
        rows[:] = [row for row in rows if not is_row(row, PICKED)]
    with rewritten(next(other.glob("*.parquet"))) as rows:
        rows.extend(moved)


PICKED_MISSING = {(*PICKED, "missing")}
PICKED_CHANGED = {(*PICKED, "changed_value")}
FAULTS = [
    pytest.param(lose, PICKED_MISSING, id="a row lost"),
    pytest.param(invent, {(PICKED[0], PICKED[1] + 1_000_000, "extra")}, id="a row invented"),
    pytest.param(
        alter("value", lambda value: math.nextafter(float(str(value)), math.inf)), PICKED_CHANGED, id="one ulp"
    ),
    pytest.param(swap, {(*PICKED, "changed_value"), (*NEIGHBOUR, "changed_value")}, id="two values swapped"),
    pytest.param(alter("quality", lambda _: 1), {(*PICKED, "changed_quality")}, id="quality"),
    pytest.param(alter("quality", lambda _: None), {(*PICKED, "changed_quality")}, id="quality lost"),
    pytest.param(
        alter("ts", lambda ts: ts + MICROSECOND),  # type: ignore[operator]
        {(*PICKED, "missing"), (PICKED[0], PICKED[1] + 1, "extra")},
        id="ts by a microsecond",
    ),
    pytest.param(double, {(*PICKED, "duplicate")}, id="a row doubled in its file"),
    pytest.param(move_to_the_wrong_date, PICKED_MISSING, id="a row in the wrong date's partition"),
    pytest.param(
        lambda farm: farm.change("value = 99", PICKED), PICKED_CHANGED, id="changed in place in Postgres"
    ),
    pytest.param(lambda farm: farm.delete(PICKED), {(*PICKED, "extra")}, id="deleted in Postgres"),
]


def test_a_right_lake_shows_no_difference(farm: Farm) -> None:
    assert farm.expected().differences == set()
    assert farm.differing_days() == set()
    assert farm.all_differing_rows() == set()


@pytest.mark.parametrize(("plant", "differences"), FAULTS)
def test_each_fault_is_found_by_its_row_and_nothing_else_is(
    plant: Callable[[Farm], None], differences: set[naive.Difference], farm: Farm
) -> None:
    plant(farm)
    assert farm.expected().differences == differences
    assert farm.all_differing_rows() == differences
    assert farm.differing_days() == {naive.sensor_day(row[:2]) for row in differences}
    assert farm.differing_rows() == differences


def test_a_deleted_file_misses_its_own_rows(farm: Farm) -> None:
    path = one_file(farm)
    lost = {(*copy.key, "missing") for copy in naive.read_file(path)}
    path.unlink()
    assert farm.differing_rows() == farm.all_differing_rows() == lost


def test_a_deleted_partition_misses_the_rows_of_its_date(farm: Farm) -> None:
    lost = {(*copy.key, "missing") for copy in farm.copies() if naive.day_of(copy.key[1]) == MIDNIGHT.date()}
    shutil.rmtree(farm.service.lake.date_directory("hot", MIDNIGHT.date()))
    assert farm.differing_rows() == farm.all_differing_rows() == lost


def test_a_row_doubled_in_one_of_several_files_is_found_as_it_is_in_one_alone(farm: Farm) -> None:
    double(farm)
    path = one_file(farm)
    with rewritten(path) as rows:
        others = [row for row in rows if not is_row(row, PICKED)]
        rows[:] = [row for row in rows if is_row(row, PICKED)]
    shutil.copy(path, path.with_name("part-9-0.parquet"))
    with rewritten(path.with_name("part-9-0.parquet")) as rows:
        rows[:] = others
    assert farm.all_differing_rows() == {(*PICKED, "duplicate")}
    assert farm.differing_days() == {naive.sensor_day(PICKED)}


def test_a_row_that_stands_in_two_files_waits_for_compaction_and_is_no_fault(farm: Farm) -> None:
    path = one_file(farm)
    shutil.copy(path, path.with_name("part-9-0.parquet"))
    assert farm.differing_days() == set()
    assert farm.all_differing_rows() == set()


def test_a_row_that_strayed_to_a_day_of_its_own_is_missing_where_it_belongs(farm: Farm) -> None:
    """The strayed row lies in a partition that nobody reads for its date."""
    path = one_file(farm)
    stray = farm.service.lake.hot / "metrics/v1/date=2026-03-07" / path.parent.name
    make_directories(stray)
    shutil.move(path, stray / path.name)
    lost = {(*copy.key, "missing") for copy in naive.read_file(stray / path.name)}
    assert farm.expected().differences == lost
    assert farm.all_differing_rows() == lost
    assert farm.differing_rows() == lost


def test_without_a_cold_lake_retention_takes_days_out_and_nothing_is_missed(conninfo: str, tmp_path: Path) -> None:
    """The covered range begins where retention has got to."""
    farm = Farm(conninfo, tmp_path / "lake", NOON, retention_days=2)
    farm.ingest(three_days())
    farm.backfill(5)
    farm.clock.advance(days=1)
    farm.ingest([reading(SENSORS[1], farm.clock.now - timedelta(hours=1))])
    farm.replicate()
    kept = farm.coverage().after_retention(2, now=farm.clock.now)
    assert kept is not None
    assert kept.window is not None
    assert min(farm.reader.listing().days()) == kept.backfill_from.date() == (NOON - DAY).date()
    rows = farm.proof().compare_sensor_days(Scope.covered_by(kept))
    assert [row for row in rows if not row.matches] == []
    assert sum(row.postgres for row in rows) > 1
    assert farm.expected().differences == farm.differing_rows() != set()
    farm.close()
