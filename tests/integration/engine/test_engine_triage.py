"""Faults of a kind, planted in real files and tables, are told by their kind."""

import math
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.engine import naive
from tests.integration.engine.farm import Farm, Row, rewritten
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start
from tsse_validation.lake.shards import shard_of
from tsse_validation.runlog.records import Finding

SHARDS = 16
SENSOR = "0137f2f857d4dd34c390573c"
OTHER = "forecast_wind"
PICKED_DAY = date(2026, 3, 9)
MIDNIGHT = day_start(PICKED_DAY)
HOUR = timedelta(hours=1)
ROWS_A_DAY = 96

InFile = Callable[[list[dict[str, Any]]], None]


def rows_of(sensor: str, *, jitter: bool = True) -> Iterator[Row]:
    """Yield three days of readings every 15 minutes: a little late as real ones are, or to the microsecond."""
    random = np.random.default_rng(sum(sensor.encode()))
    for number in range(3 * ROWS_A_DAY):
        late = int(random.integers(1, 59_999_999)) * MICROSECOND if jitter else timedelta(0)
        ts = MIDNIGHT - DAY + number * timedelta(minutes=15) + late
        yield sensor, ts, 20 + float(random.standard_normal()), 0, ts + timedelta(minutes=2)


@pytest.fixture
def farm(conninfo: str, tmp_path: Path) -> Iterator[Farm]:
    assert shard_of(SENSOR, SHARDS) != shard_of(OTHER, SHARDS)
    made = Farm(conninfo, tmp_path, datetime(2026, 3, 12, 12, tzinfo=UTC), shards=SHARDS)
    for sensor in (SENSOR, OTHER):
        made.ingest(rows_of(sensor))
    made.backfill(5)
    yield made
    made.close()


def file_of(farm: Farm, sensor: str = SENSOR) -> Path:
    (path,) = (path for path in farm.files(PICKED_DAY) if path.parent.name == f"shard={shard_of(sensor, SHARDS)}")
    return path


def findings(farm: Farm) -> list[Finding]:
    proof, coverage, window = farm.proof(), farm.coverage(), farm.covered()
    differing = [row for row in proof.compare_sensor_days(Scope(window, coverage)) if not row.matches]
    triage = RowTriage(SHARDS, most_shown=1_000)
    for comparison in proof.compare_rows(Scope(window, coverage), differing):
        triage.add(comparison)
    assert triage.differing == len(triage.shown) == sum(finding.rows for finding in triage.findings())
    return triage.findings()


def keep(wanted: Callable[[dict[str, Any]], bool]) -> InFile:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[:] = [row for row in rows if wanted(row)]

    return change


def with_value(change_value: Callable[[float], float]) -> InFile:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["value"] = change_value(row["value"])

    return change


def with_ts(change_ts: Callable[[datetime], datetime]) -> InFile:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["ts"] = change_ts(row["ts"])

    return change


def swap_neighbours(rows: list[dict[str, Any]]) -> None:
    one, other = rows[40], rows[41]
    one["value"], other["value"] = other["value"], one["value"]


def double_some(rows: list[dict[str, Any]]) -> None:
    rows += rows[10:15]


def double_all(rows: list[dict[str, Any]]) -> None:
    rows += rows[:]


def cut(unit: int) -> Callable[[datetime], datetime]:
    return lambda ts: ts - (ts - datetime(1970, 1, 1)) % timedelta(microseconds=unit)  # noqa: DTZ001


def nearest_milli(ts: datetime) -> datetime:
    return cut(1_000)(ts + timedelta(microseconds=500))


IN_A_FILE = [
    pytest.param(keep(lambda row: row["ts"].hour >= 6), "day head lost", 24, "nothing before 06:0", id="head"),
    pytest.param(keep(lambda row: row["ts"].hour < 18), "day tail lost", 24, "nothing after 17:4", id="tail"),
    pytest.param(keep(lambda row: row["ts"].hour != 12), "rows missing", 4, "", id="an hour within"),
    pytest.param(keep(lambda row: row["ts"].hour % 2 == 0), "rows missing", 48, "", id="every other hour"),
    pytest.param(with_value(lambda value: float(np.float32(value))), "values rounded", 96, "single", id="float32"),
    pytest.param(with_value(lambda value: round(value, 2)), "values rounded", 96, "2 decimals", id="2 decimals"),
    pytest.param(
        with_value(lambda value: round(value, 0)), "values rounded", 96, "0 decimals", id="whole numbers"
    ),
    pytest.param(with_value(lambda value: value + 1), "changed in place", 96, "", id="another offset"),
    pytest.param(with_value(lambda value: math.nextafter(value, 0)), "changed in place", 96, "", id="an ulp"),
    pytest.param(swap_neighbours, "values swapped", 2, "with", id="swapped"),
    pytest.param(double_some, "duplicate rows", 5, "", id="some doubled"),
    pytest.param(double_all, "duplicate rows", 96, "", id="all doubled"),
    pytest.param(with_ts(cut(1_000)), "timestamps rounded", 192, "millisecond", id="cut to ms"),
    pytest.param(with_ts(nearest_milli), "timestamps rounded", 192, "millisecond", id="nearest ms"),
    pytest.param(with_ts(cut(1_000_000)), "timestamps rounded", 192, "to the second", id="cut to s"),
    pytest.param(with_ts(cut(60_000_000)), "timestamps rounded", 192, "to the minute", id="cut to min"),
]


@pytest.mark.parametrize(("change", "diagnosis", "rows", "detail"), IN_A_FILE)
def test_a_file_is_told_by_its_fault(change: InFile, diagnosis: str, rows: int, detail: str, farm: Farm) -> None:
    with rewritten(file_of(farm)) as in_file:
        change(in_file)
    (finding,) = findings(farm)
    assert (finding.diagnosis, finding.rows) == (diagnosis, rows)
    assert (finding.sensors, finding.days) == ((SENSOR,), (PICKED_DAY,))
    assert detail in finding.summary


@pytest.mark.parametrize("hours", [1, -1, 5])
def test_rows_that_are_shifted_by_hours_are_told_with_their_offset(hours: int, farm: Farm) -> None:
    """Those that leave the day are lost there."""
    with rewritten(file_of(farm)) as in_file:
        with_ts(lambda ts: ts + hours * HOUR)(in_file)
    shifted, *others = findings(farm)
    assert shifted.diagnosis == "timestamps shifted"
    assert f"{hours * 3600:+d}.000000 s" in shifted.summary
    assert shifted.rows == 2 * (ROWS_A_DAY - abs(hours) * 4)
    assert [(finding.diagnosis, finding.rows) for finding in others] == [("rows missing", abs(hours) * 4)]


@pytest.mark.parametrize("hours", [1, -1])
def test_rows_on_a_grid_that_are_shifted_by_hours_are_told_so_though_they_land_on_each_other(
    hours: int, conninfo: str, tmp_path: Path, farm: Farm
) -> None:
    """Every time of the grid is still there, with another's value: a shift, and not a hundred changed values."""
    farm.connection.execute("TRUNCATE metrics")
    made = Farm(conninfo, tmp_path / "grid", farm.clock.now, shards=SHARDS)
    made.ingest(rows_of("grid", jitter=False))
    made.backfill(5)
    with rewritten(file_of(made, "grid")) as in_file:
        with_ts(lambda ts: ts + hours * HOUR)(in_file)
    shifted = max(findings(made), key=lambda finding: finding.rows)
    made.close()
    assert shifted.diagnosis == "timestamps shifted"
    assert f"{hours * 3600:+d}.000000 s" in shifted.summary


def test_a_shard_without_a_file_is_told_as_such(farm: Farm) -> None:
    shutil.rmtree(file_of(farm).parent)
    (finding,) = findings(farm)
    assert (finding.diagnosis, finding.rows, finding.sensors) == ("shard missing", ROWS_A_DAY, (SENSOR,))


def test_a_date_without_a_file_is_told_as_such(farm: Farm) -> None:
    shutil.rmtree(file_of(farm).parent.parent)
    (finding,) = findings(farm)
    assert (finding.diagnosis, finding.rows, finding.days) == ("partition missing", 2 * ROWS_A_DAY, (PICKED_DAY,))


def test_rows_that_stand_under_another_date_are_told_with_where(farm: Farm) -> None:
    """As a writer does that takes the day in local time: the last hours go to the next date."""
    with rewritten(file_of(farm)) as in_file:
        late = [row for row in in_file if row["ts"].hour >= 22]
        keep(lambda row: row["ts"].hour < 22)(in_file)
    other = farm.service.lake.date_directory("hot", PICKED_DAY + DAY) / file_of(farm).parent.name
    with rewritten(next(other.glob("*.parquet"))) as in_file:
        in_file[:0] = late
    (finding,) = findings(farm)
    assert (finding.diagnosis, finding.rows, finding.days) == ("wrong date", 8, (PICKED_DAY,))
    assert f"in date={PICKED_DAY + DAY}" in finding.summary


def test_rows_in_a_file_that_cannot_be_read_are_told_with_its_name_and_others_are_compared(farm: Farm) -> None:
    torn = file_of(farm)
    torn.write_bytes(torn.read_bytes()[:-100])
    farm.delete(*((OTHER, naive.micros(ts)) for _, ts, *_ in list(rows_of(OTHER))[ROWS_A_DAY : ROWS_A_DAY + 3]))
    unreadable, deleted = findings(farm)
    assert (unreadable.diagnosis, unreadable.rows, unreadable.sensors) == (
        "unreadable file",
        ROWS_A_DAY,
        (SENSOR,),
    )
    assert torn.name in unreadable.summary
    assert (deleted.diagnosis, deleted.rows, deleted.sensors) == ("deleted in Postgres", 3, (OTHER,))


def test_no_sensor_day_matches_whose_shard_has_a_file_that_cannot_be_read(farm: Farm) -> None:
    """Though every row that is due stands in the other file: what the torn one holds is not known."""
    (file_of(farm).parent / "part-9-0.parquet").write_bytes(b"PAR1 torn")
    proof = farm.proof()
    rows = proof.compare_sensor_days(Scope.covered_by(farm.coverage()))
    assert [(row.sensor_id, row.day, row.postgres, row.lake) for row in rows if not row.matches] == [
        (SENSOR, PICKED_DAY, ROWS_A_DAY, ROWS_A_DAY)
    ]
    ((file, reason),) = proof.unreadable.items()
    assert (file.path.name, file.day) == ("part-9-0.parquet", PICKED_DAY)
    assert "part-9-0.parquet" in reason


def test_a_page_that_is_broken_in_the_middle_of_a_file_is_told(farm: Farm) -> None:
    torn = file_of(farm)
    content = bytearray(torn.read_bytes())
    content[300:900] = b"\xff" * 600
    torn.write_bytes(content)
    (finding,) = findings(farm)
    assert (finding.diagnosis, finding.rows, finding.days) == ("unreadable file", ROWS_A_DAY, (PICKED_DAY,))


def test_a_version_that_was_never_replicated_is_told_as_stale(farm: Farm) -> None:
    rows = [row for row in rows_of(SENSOR) if row[1].date() == PICKED_DAY][:3]
    farm.upsert((sensor, ts, value + 1, 0, farm.coverage().watermark) for sensor, ts, value, *_ in rows)
    (finding,) = findings(farm)
    assert (finding.diagnosis, finding.rows, finding.days) == ("stale value", 3, (PICKED_DAY,))


def test_rows_that_were_deleted_in_postgres_are_told_as_such(farm: Farm) -> None:
    rows = [row for row in rows_of(OTHER) if row[1].date() == PICKED_DAY][:3]
    farm.delete(*((sensor, naive.micros(ts)) for sensor, ts, *_ in rows))
    (finding,) = findings(farm)
    assert (finding.diagnosis, finding.rows, finding.sensors) == ("deleted in Postgres", 3, (OTHER,))


def test_a_row_that_was_changed_in_postgres_is_told_as_changed_in_place(farm: Farm) -> None:
    _, ts, *_ = next(row for row in rows_of(SENSOR) if row[1].date() == PICKED_DAY)
    farm.change("value = 99", (SENSOR, naive.micros(ts)))
    (finding,) = findings(farm)
    assert (finding.diagnosis, finding.rows) == ("changed in place", 1)


def test_a_quality_that_was_lost_is_told_as_such(farm: Farm) -> None:
    with rewritten(file_of(farm)) as in_file:
        for row in in_file[:4]:
            row["quality"] = None
    (finding,) = findings(farm)
    assert (finding.diagnosis, finding.rows) == ("quality differs", 4)


def test_two_faults_on_two_days_are_told_apart(farm: Farm) -> None:
    with rewritten(file_of(farm)) as in_file:
        keep(lambda row: row["ts"].hour >= 6)(in_file)
    shutil.rmtree(farm.service.lake.date_directory("hot", PICKED_DAY - DAY))
    found = {finding.diagnosis: (finding.rows, finding.days) for finding in findings(farm)}
    assert found == {
        "partition missing": (2 * ROWS_A_DAY, (PICKED_DAY - DAY,)),
        "day head lost": (24, (PICKED_DAY,)),
    }


def test_a_backfill_heals_every_fault_that_is_said_to_heal(farm: Farm) -> None:
    with rewritten(file_of(farm)) as in_file:
        keep(lambda row: row["ts"].hour >= 6)(in_file)
    with rewritten(file_of(farm, OTHER)) as in_file:
        swap_neighbours(in_file)
    assert all(finding.heals_by_backfill for finding in findings(farm))
    farm.backfill(5)
    assert findings(farm) == []
