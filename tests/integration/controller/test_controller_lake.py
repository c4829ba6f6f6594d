"""The controller's promises about data (contract sections 3 to 5)."""

import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from fixtures.controller.backfill import backfill
from fixtures.controller.database import Database
from fixtures.controller.lake_store import remove_scratch
from fixtures.controller.replication import LakeService, ReplicationFailedError, tick
from tests.integration.controller.support import (
    Clock,
    Control,
    FarmRows,
    date_files,
    file_count,
    lake_rows,
    lake_service,
    manifest,
    patient,
    replication,
)

SENSOR = "0137f2f857d4dd34c390573c"
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


class StopHereError(Exception):
    pass


def test_a_pass_takes_what_is_due_by_insertion_time(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    due = clock.now - timedelta(seconds=60)
    edge = farm.reading(SENSOR, clock.now - 30 * DAY, inserted_at=due)
    farm.reading("not-due", clock.now - DAY, inserted_at=due + timedelta(microseconds=1))
    farm.reading("before-the-late-window", clock.now - DAY, inserted_at=due - timedelta(hours=48))
    farm.reading("unknown", clock.now - DAY, inserted_at=None)
    state = tick(service, patient)
    assert set(lake_rows(service)) == {edge}
    assert state.computed_through_ts == state.last_inserted_at == due
    assert state.last_run_row_count == 1
    assert state.last_run_backlog_seconds == 60


def test_a_late_arrival_enters_with_the_next_pass(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    tick(service, patient)
    late = farm.reading(SENSOR, clock.now - 20 * DAY, inserted_at=clock.now)
    assert late not in lake_rows(service)
    clock.advance(minutes=2)
    tick(service, patient)
    assert late in lake_rows(service)


def test_every_row_is_replicated_once_over_many_passes(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    for number in range(30):
        moment = clock.now - timedelta(seconds=60)
        farm.reading(SENSOR, moment, number, inserted_at=moment)
        tick(service, patient)
        clock.advance(seconds=20)
    assert lake_rows(service) == farm.rows()
    assert sum(_rows_of(path) for path in date_files(service, date(2026, 3, 10))) == 30


def test_the_watermark_never_retreats_when_the_clock_does(service: LakeService, clock: Clock) -> None:
    first = tick(service, patient).computed_through_ts
    clock.advance(minutes=-30)
    assert tick(service, patient).computed_through_ts == first
    assert manifest(service)["computed_through_ts"] == replication(service)["computed_through_ts"]


def test_a_crash_between_files_and_state_is_harmless(
    service: LakeService, farm: FarmRows, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.reading(SENSOR, clock.now - DAY, 7.5, inserted_at=clock.now - 10 * MINUTE)
    tick(service, patient)
    farm.reading(SENSOR, clock.now, 8.5, inserted_at=clock.now)
    clock.advance(minutes=2)
    before = replication(service)
    with monkeypatch.context() as crash:
        crash.setattr(type(service.states), "save_manifest", _stop_here)
        with pytest.raises(StopHereError):
            tick(service, patient)
    assert replication(service) == before
    tick(service, patient)
    assert lake_rows(service) == farm.rows()


def test_a_pass_that_fails_keeps_the_watermark_and_says_so(tmp_path: Path, clock: Clock) -> None:
    service = lake_service(Database("postgresql://nobody:hunter2@127.0.0.1:1/none"), tmp_path, clock)
    with pytest.raises(ReplicationFailedError):
        tick(service, patient)
    state = replication(service)
    assert state["last_run_status"] == "failed"
    assert state["last_run_error"]
    assert "hunter2" not in state["last_run_error"]
    assert state["computed_through_ts"] is None


def test_a_broken_state_file_is_not_taken_for_a_missing_one(service: LakeService, clock: Clock) -> None:
    tick(service, patient)
    path = service.lake.hot / "_state/replication.json"
    path.write_text('{"schema_version": 1, "last_in')
    clock.advance(minutes=5)
    with pytest.raises(ReplicationFailedError):
        tick(service, patient)
    assert path.read_text() == '{"schema_version": 1, "last_in'


def test_a_segment_is_written_as_the_contract_says(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    for sensor in ("b", "a", "b", "é-sensor"):
        for minutes in (3, 1, 2):
            farm.reading(sensor, clock.now - minutes * MINUTE, inserted_at=clock.now - 10 * MINUTE)
    tick(service, patient)
    paths = date_files(service, date(2026, 3, 10))
    assert paths
    for path in paths:
        assert path.name.startswith("part-")
        with pq.ParquetFile(path) as segment:
            assert segment.schema_arrow.equals(
                pa.schema(
                    [
                        ("sensor_id", pa.string()),
                        ("ts", pa.timestamp("us")),
                        ("value", pa.float64()),
                        ("quality", pa.int32()),
                        ("inserted_at", pa.timestamp("us")),
                    ]
                )
            )
            assert segment.metadata.row_group(0).column(0).compression == "ZSTD"
            rows = segment.read().to_pylist()
        keys = [(row["sensor_id"].encode(), row["ts"]) for row in rows]
        assert keys == sorted(keys)
        shards = {xxhash.xxh3_64(row["sensor_id"].encode()).intdigest() % 16 for row in rows}
        assert {f"shard={shard:02d}" for shard in shards} == {path.parent.name}


def test_what_is_written_has_the_contracts_modes(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    farm.reading(SENSOR, clock.now, inserted_at=clock.now - 2 * MINUTE)
    tick(service, patient)
    below = list(service.lake.hot.rglob("*"))
    assert {oct(path.stat().st_mode & 0o777) for path in below if path.is_dir()} == {"0o750"}
    assert {oct(path.stat().st_mode & 0o777) for path in below if path.suffix == ".json"} == {"0o600"}
    assert not [path for path in below if path.suffix == ".tmp"]


def test_a_date_is_the_utc_date_of_ts_also_before_1970(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    moments = [
        datetime(2026, 3, 8, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 9, 0, 0, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    for moment in moments:
        farm.reading(SENSOR, moment, inserted_at=clock.now - 2 * MINUTE)
    service = replace(service, lake=replace(service.lake, retention=timedelta(days=36_500)))
    tick(service, patient)
    assert sorted(manifest(service)["partitions"]) == ["1969-12-31", "2026-03-08", "2026-03-09"]
    assert lake_rows(service) == farm.rows()


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2], ids=repr
)
def test_a_float_keeps_every_bit(service: LakeService, farm: FarmRows, clock: Clock, value: float) -> None:
    key = farm.reading(SENSOR, clock.now, value, inserted_at=clock.now - 2 * MINUTE)
    tick(service, patient)
    found = lake_rows(service)[key][0]
    assert struct.pack(">d", found) == struct.pack(">d", value)


@pytest.mark.parametrize("sensor", ['quo"te', "com,ma", "new\nline", " blank ", "ünï🌾", "\\N", "NaN", "null", ""])
def test_a_hand_made_sensor_id_is_kept(service: LakeService, farm: FarmRows, clock: Clock, sensor: str) -> None:
    farm.reading(sensor, clock.now, quality=None, inserted_at=clock.now - 2 * MINUTE)
    tick(service, patient)
    assert lake_rows(service) == farm.rows()


def test_a_backfill_exports_its_range_and_moves_on(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    target = clock.now - timedelta(seconds=60)
    old = clock.now - 400 * DAY
    inside = {
        farm.reading(SENSOR, target - 2 * DAY, inserted_at=old),
        farm.reading(SENSOR, target - timedelta(microseconds=1), inserted_at=target),
        farm.reading("no-insertion-time", target - DAY, quality=None, inserted_at=None),
    }
    farm.reading("too-early", target - 2 * DAY - timedelta(microseconds=1), inserted_at=old)
    farm.reading("at-the-end", target, inserted_at=old)
    farm.reading("not-due", target - DAY, inserted_at=target + timedelta(microseconds=1))
    control = Control()
    outcome = backfill(service, 2, control, replace_existing=True)
    assert set(lake_rows(service)) == inside
    assert lake_rows(service) == {key: row for key, row in farm.rows().items() if key in inside}
    assert outcome.rows_exported == 3
    assert outcome.touched_dates == [date(2026, 3, 8), date(2026, 3, 9), date(2026, 3, 10)]
    assert (outcome.target, outcome.window.start, outcome.window.end) == (target, target - 2 * DAY, target)
    state = replication(service)
    assert datetime.fromisoformat(state["last_inserted_at"]) == target
    assert state["computed_through_ts"] == state["last_inserted_at"] == state["backfill_to_ts"]
    assert manifest(service)["computed_through_ts"] == state["computed_through_ts"]
    assert datetime.fromisoformat(state["backfill_from_ts"]) == target - 2 * DAY
    assert datetime.fromisoformat(state["backfill_completed_at"]) == clock.now


def test_a_backfill_tells_its_progress_by_days_and_names_them(service: LakeService, farm: FarmRows) -> None:
    farm.reading(SENSOR, datetime(2026, 3, 9, 1, tzinfo=UTC), inserted_at=None)
    control = Control()
    outcome = backfill(service, 2, control, replace_existing=True)
    assert outcome.touched_dates == [date(2026, 3, 9)]
    assert {phase for phase, *_ in control.reports} == {"lake_backfill"}
    assert [completed for _, completed, _, _ in control.reports] == [0, 1, 2, 3]
    assert {total for _, _, total, _ in control.reports} == {3}
    assert ["2026-03-09" in message for *_, message in control.reports] == [False, True, False, False]


def test_the_manifest_may_name_a_backfills_dates_without_rows(service: LakeService, farm: FarmRows) -> None:
    farm.reading(SENSOR, datetime(2026, 3, 9, 1, tzinfo=UTC), inserted_at=None)
    naming = replace(service, names_bare_dates=True)
    outcome = backfill(naming, 2, Control(), replace_existing=True)
    assert outcome.touched_dates == [date(2026, 3, 9)]
    assert sorted(manifest(service)["partitions"]) == ["2026-03-08", "2026-03-09", "2026-03-10"]
    assert not list(service.lake.hot.glob("metrics/v1/date=2026-03-08"))


def test_a_backfill_never_targets_before_the_watermark(service: LakeService, clock: Clock) -> None:
    through = tick(service, patient).computed_through_ts
    clock.advance(minutes=-30)
    assert backfill(service, 1, Control(), replace_existing=True).target == through


def test_replacing_keeps_head_and_tail_of_a_day(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    target = clock.now - timedelta(seconds=60)
    head = farm.reading(SENSOR, target - DAY - MINUTE, 1.0, inserted_at=target)
    tail = farm.reading("forecast_irradiance", target + timedelta(hours=3), 2.0, inserted_at=target)
    tomorrow = farm.reading("forecast_irradiance", target + DAY, 3.0, inserted_at=target)
    tick(service, patient)
    inside = farm.reading(SENSOR, target - MINUTE, 4.0, inserted_at=None)
    backfill(service, 1, Control(), replace_existing=True)
    assert set(lake_rows(service)) == {head, tail, tomorrow, inside}
    assert lake_rows(service) == farm.rows()
    backfill(service, 1, Control(), replace_existing=True)
    assert lake_rows(service) == farm.rows()


def test_a_row_outside_the_range_that_came_in_since_the_last_pass_is_not_jumped_over(
    service: LakeService, farm: FarmRows, clock: Clock
) -> None:
    tick(service, patient)
    outside = {
        farm.reading("forecast_irradiance", clock.now + 5 * DAY, inserted_at=clock.now),
        farm.reading("forecast_irradiance", clock.now + timedelta(hours=2), inserted_at=clock.now),
        farm.reading(SENSOR, clock.now - 60 * DAY, inserted_at=clock.now),
    }
    clock.advance(minutes=5)
    outcome = backfill(service, 1, Control(), replace_existing=True)
    tick(service, patient)
    assert outside <= set(lake_rows(service))
    assert outcome.rows_exported == 0
    assert outcome.touched_dates == []


def test_replacing_drops_rows_deleted_in_postgres(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    gone = farm.reading(SENSOR, clock.now - 2 * DAY, inserted_at=clock.now - DAY)
    last_of_its_shard = farm.reading("other", clock.now - DAY, inserted_at=clock.now - DAY)
    kept = farm.reading(SENSOR, clock.now - DAY, inserted_at=clock.now - DAY)
    backfill(service, 5, Control(), replace_existing=True)
    farm.delete(gone)
    farm.delete(last_of_its_shard)
    backfill(service, 5, Control(), replace_existing=False)
    assert gone in lake_rows(service)
    outcome = backfill(service, 5, Control(), replace_existing=True)
    assert set(lake_rows(service)) == {kept}
    assert outcome.touched_dates == [date(2026, 3, 9)]
    assert "2026-03-08" not in manifest(service)["partitions"]
    assert not list(service.lake.hot.glob("metrics/v1/date=2026-03-08"))


def test_replacing_brings_a_value_changed_in_place(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    inserted = clock.now - DAY
    key = farm.reading(SENSOR, clock.now - DAY, 1.0, inserted_at=inserted)
    tick(service, patient)
    farm.reading(SENSOR, clock.now - DAY, 2.0, inserted_at=inserted)
    backfill(service, 5, Control(), replace_existing=True)
    assert lake_rows(service)[key][0] == 2.0


def test_no_reader_finds_a_date_without_its_rows_while_it_is_replaced(
    service: LakeService, farm: FarmRows, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours in range(72):
        farm.reading(SENSOR, clock.now - timedelta(hours=hours + 1), inserted_at=clock.now - DAY)
    backfill(service, 5, Control(), replace_existing=True)
    seen: list[bool] = []
    unlink, rename = Path.unlink, Path.replace

    def unlink_after_a_look(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        seen.append(lake_rows(service) == farm.rows())

    def replace_after_a_look(path: Path, target: Path) -> Path:
        moved = rename(path, target)
        seen.append(lake_rows(service) == farm.rows())
        return moved

    monkeypatch.setattr(Path, "unlink", unlink_after_a_look)
    monkeypatch.setattr(Path, "replace", replace_after_a_look)
    backfill(service, 5, Control(), replace_existing=True)
    assert len(seen) > 8
    assert all(seen)


def test_a_canceled_backfill_leaves_all_dates_whole(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    for hours in range(72):
        farm.reading(SENSOR, clock.now - timedelta(hours=hours + 1), inserted_at=clock.now - DAY)
    backfill(service, 5, Control(), replace_existing=True)
    before = replication(service)
    clock.advance(minutes=10)

    def cancel(check: int) -> None:
        if check == 4:
            raise StopHereError

    with pytest.raises(StopHereError):
        backfill(service, 5, Control(cancel), replace_existing=True)
    assert lake_rows(service) == farm.rows()
    assert replication(service) == before
    backfill(service, 5, Control(), replace_existing=True)
    assert lake_rows(service) == farm.rows()


def test_a_pass_and_a_backfill_exclude_each_other(service: LakeService) -> None:
    def try_a_pass(_: int) -> None:
        def impatient() -> None:
            raise StopHereError

        with pytest.raises(StopHereError):
            tick(service, impatient)

    backfill(service, 1, Control(try_a_pass), replace_existing=True)


def test_compaction_keeps_the_newest_version_of_a_row(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    moment = clock.now - timedelta(hours=3)
    steady = farm.reading(SENSOR, moment - MINUTE, 0.5, inserted_at=clock.now - 2 * MINUTE)
    for version in range(10):
        key = farm.reading(SENSOR, moment, version, inserted_at=clock.now - MINUTE)
        tick(service, patient)
        assert lake_rows(service)[key][0] == version
        clock.advance(minutes=2)
    assert file_count(service, date(2026, 3, 10)) == 10
    assert "last_compacted_at" not in manifest(service)["partitions"]["2026-03-10"]
    farm.reading(SENSOR, moment, 99.0, inserted_at=clock.now - MINUTE)
    tick(service, patient)
    (only,) = date_files(service, date(2026, 3, 10))
    assert only.name.startswith("compact-")
    assert _rows_of(only) == 2
    assert lake_rows(service)[key][0] == 99.0
    assert lake_rows(service)[steady][0] == 0.5
    entry = manifest(service)["partitions"]["2026-03-10"]
    assert entry["file_count"] == 1
    assert datetime.fromisoformat(entry["last_compacted_at"]) == clock.now


def test_compaction_takes_an_unknown_time_as_oldest(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    key = farm.reading(SENSOR, clock.now - DAY, 1.0, inserted_at=None)
    backfill(service, 3, Control(), replace_existing=True)
    farm.reading(SENSOR, clock.now - DAY, 2.0, inserted_at=clock.now)
    clock.advance(minutes=2)
    tick(service, patient)
    for _ in range(9):
        # Copies of the older version, as a backfill beside what is there would make them from an older database.
        farm.reading(SENSOR, clock.now - DAY - timedelta(hours=1), inserted_at=None)
        backfill(service, 3, Control(), replace_existing=False)
    assert file_count(service, date(2026, 3, 9)) == 1
    assert lake_rows(service)[key][0] == 2.0


def test_old_dates_go_cold_and_late_rows_follow(cold_service: LakeService, farm: FarmRows, clock: Clock) -> None:
    service = cold_service
    assert service.lake.cold is not None
    day = date(2026, 3, 10)
    farm.reading(SENSOR, clock.now, 1.0, inserted_at=clock.now - 2 * MINUTE)
    tick(service, patient)
    clock.advance(days=90)
    tick(service, patient)
    assert manifest(service)["partitions"][day.isoformat()]["location"] == "hot"
    clock.advance(days=1)
    tick(service, patient)
    assert manifest(service)["partitions"][day.isoformat()]["location"] == "cold"
    assert not (service.lake.hot / f"metrics/v1/date={day}").exists()
    assert list(service.lake.cold.glob(f"metrics/v1/date={day}/shard=*/part-*.parquet"))
    assert list(service.lake.tmp.iterdir()) == []
    farm.reading("late", datetime(2026, 3, 10, 5, tzinfo=UTC), 2.0, inserted_at=clock.now)
    clock.advance(minutes=2)
    tick(service, patient)
    assert lake_rows(service) == farm.rows()
    assert manifest(service)["partitions"][day.isoformat()]["file_count"] == 2


def test_replacing_replaces_hot_and_cold(cold_service: LakeService, farm: FarmRows, clock: Clock) -> None:
    service = cold_service
    key = farm.reading(SENSOR, clock.now, 1.0, inserted_at=clock.now - 2 * MINUTE)
    gone = farm.reading(SENSOR, clock.now - MINUTE, 1.0, inserted_at=clock.now - 2 * MINUTE)
    tick(service, patient)
    clock.advance(days=91)
    tick(service, patient)
    farm.delete(gone)
    stray = service.lake.hot / "metrics/v1/date=2026-03-10/shard=00"
    stray.mkdir(parents=True)
    pq.write_table(pq.ParquetFile(date_files(service, date(2026, 3, 10))[0]).read(), stray / "part-0-0.parquet")
    backfill(service, 92, Control(), replace_existing=True)
    assert set(lake_rows(service)) == {key}
    assert not stray.exists()
    assert manifest(service)["partitions"]["2026-03-10"]["location"] == "cold"


def test_a_cold_lake_that_is_away_is_not_hidden_behind_an_empty_one(
    cold_service: LakeService, farm: FarmRows, clock: Clock, tmp_path: Path
) -> None:
    service = cold_service
    assert service.lake.cold is not None
    farm.reading(SENSOR, clock.now, 1.0, inserted_at=clock.now - 2 * MINUTE)
    tick(service, patient)
    clock.advance(days=91)
    through = tick(service, patient).computed_through_ts
    service.lake.cold.rename(tmp_path / "unplugged")
    farm.reading("late", datetime(2026, 3, 10, 5, tzinfo=UTC), 2.0, inserted_at=clock.now)
    clock.advance(minutes=2)
    with pytest.raises(ReplicationFailedError):
        tick(service, patient)
    assert service.states.load_replication().computed_through_ts == through
    (tmp_path / "unplugged").rename(service.lake.cold)
    tick(service, patient)
    assert lake_rows(service) == farm.rows()


def test_without_a_cold_lake_old_dates_are_deleted(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    farm.reading(SENSOR, clock.now, inserted_at=clock.now - 2 * MINUTE)
    tick(service, patient)
    clock.advance(days=91)
    tick(service, patient)
    assert manifest(service)["partitions"] == {}
    assert list(service.lake.hot.glob("metrics/v1/*")) == []


def test_what_a_crash_left_is_removed_at_the_next(service: LakeService, farm: FarmRows, clock: Clock) -> None:
    farm.reading(SENSOR, clock.now, inserted_at=clock.now - 2 * MINUTE)
    tick(service, patient)
    (path,) = date_files(service, date(2026, 3, 10))
    path.with_name("part-x-0.parquet.tmp").write_bytes(b"half a fi")
    (service.lake.tmp / "leaving-2025-01-01-x").mkdir()
    remove_scratch(service.lake)
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    assert list(service.lake.tmp.iterdir()) == []


@pytest.fixture
def foreign_settings(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[None]:
    """Let the database give every new session a zone, a date style and a float format that are not ours."""
    where = f"ALTER ROLE tsse IN DATABASE {connection.info.dbname}"
    for setting in ("TimeZone TO 'America/New_York'", "DateStyle TO 'SQL, DMY'", "extra_float_digits TO -10"):
        connection.execute(f"{where} SET {setting}".encode())
    yield
    connection.execute(f"{where} RESET ALL".encode())


@pytest.mark.usefixtures("foreign_settings")
def test_a_database_that_speaks_in_another_zone_and_format_changes_nothing(
    service: LakeService, farm: FarmRows, clock: Clock
) -> None:
    # The night in which New York sets its clocks forward.
    for minutes in range(0, 240, 10):
        moment = datetime(2026, 3, 8, 5, 0, 0, 1, tzinfo=UTC) + minutes * MINUTE
        farm.reading(SENSOR, moment, 1 / 3, inserted_at=clock.now - 2 * MINUTE)
    tick(service, patient)
    assert lake_rows(service) == farm.rows()


def _stop_here(*_: object) -> None:
    raise StopHereError


def _rows_of(path: Path) -> int:
    with pq.ParquetFile(path) as segment:
        return int(segment.metadata.num_rows)
