"""The controller's promises about data (contract sections 3 to 5)."""

import math
import shutil
import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from fixtures.controller import housekeeping
from fixtures.controller.database import Database
from fixtures.controller.files import copy_file
from fixtures.controller.lake_store import remove_scratch
from fixtures.controller.replication import ReplicationFailedError, tick
from tests.integration.controller.support import Bed, Clock, Control
from tests.support.given import given

SENSOR = "0137f2f857d4dd34c390573c"
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
INSTANT = pa.timestamp("us")
COLUMNS = pa.schema(
    {"sensor_id": pa.string(), "ts": INSTANT, "value": pa.float64(), "quality": pa.int32(), "inserted_at": INSTANT}
)


class StopHereError(Exception):
    pass


def _stop_here(*_: object) -> None:
    raise StopHereError


def _replicate_a_row(bed: Bed) -> None:
    bed.reading(SENSOR, bed.now, inserted_at=bed.now - 2 * MINUTE)
    bed.tick()


def _fill_three_days(bed: Bed) -> None:
    for hours in range(72):
        bed.reading(SENSOR, bed.now - timedelta(hours=hours + 1), inserted_at=bed.now - DAY)
    bed.backfill(5)


def _keys_of(path: Path) -> list[tuple[str, datetime]]:
    with pq.ParquetFile(path) as segment:
        return [(row["sensor_id"], row["ts"]) for row in segment.read(["sensor_id", "ts"]).to_pylist()]


def test_a_pass_takes_what_is_due_by_its_insertion_time_and_leaves_the_rest(bed: Bed) -> None:
    due = bed.now - timedelta(seconds=60)
    edge = bed.reading(SENSOR, bed.now - 30 * DAY, inserted_at=due)
    bed.reading("not-due", bed.now - DAY, inserted_at=due + timedelta(microseconds=1))
    bed.reading("before-the-late-window", bed.now - DAY, inserted_at=due - timedelta(hours=48))
    bed.reading("unknown", due - timedelta(hours=48, microseconds=1), inserted_at=None)
    state = bed.tick()
    assert set(bed.lake_rows()) == {edge}
    assert state.computed_through_ts == state.last_inserted_at == due
    assert (state.last_run_row_count, state.last_run_backlog_seconds) == (1, 60)


def test_a_late_arrival_enters_with_the_pass_after_its_insertion(bed: Bed) -> None:
    bed.tick()
    late = bed.reading(SENSOR, bed.now - 20 * DAY, inserted_at=bed.now)
    assert late not in bed.lake_rows()
    bed.tick(minutes=2)
    assert late in bed.lake_rows()


def test_every_row_is_replicated_once_over_many_passes(bed: Bed) -> None:
    for number in range(30):
        moment = bed.now - timedelta(seconds=60)
        bed.reading(SENSOR, moment, number, inserted_at=moment)
        bed.tick()
        bed.clock.advance(seconds=20)
    assert bed.lake_rows() == bed.rows()
    assert sum(pq.read_metadata(path).num_rows for path in bed.files("2026-03-10")) == 30


def test_the_watermark_never_retreats_when_the_clock_does(bed: Bed) -> None:
    first = bed.tick().computed_through_ts
    assert bed.tick(minutes=-30).computed_through_ts == first
    assert bed.manifest()["computed_through_ts"] == bed.replication()["computed_through_ts"]


def test_a_clock_that_goes_ahead_of_postgres_loses_no_row(bed: Bed) -> None:
    postgres = Clock(bed.now)
    bed.service = replace(bed.service, inserted_by=postgres)
    assert bed.tick(hours=1).computed_through_ts == postgres.now - MINUTE
    key = bed.reading(SENSOR, postgres.now, 1.0, inserted_at=postgres.advance(minutes=1))
    postgres.advance(hours=1)
    bed.tick(minutes=2)
    assert bed.lake_rows()[key][0] == 1.0


def test_a_backfill_by_a_clock_that_goes_ahead_of_postgres_stops_at_the_latter(bed: Bed) -> None:
    bed.service = replace(bed.service, inserted_by=Clock(bed.now))
    bed.clock.advance(hours=1)
    assert bed.backfill(3).target == bed.now - timedelta(hours=1) - MINUTE


def test_a_crash_between_files_and_state_is_harmless(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    bed.reading(SENSOR, bed.now - DAY, 7.5, inserted_at=bed.now - 10 * MINUTE)
    bed.tick()
    bed.reading(SENSOR, bed.now, 8.5, inserted_at=bed.now)
    bed.clock.advance(minutes=2)
    before = bed.replication()
    with monkeypatch.context() as crash:
        crash.setattr(type(bed.service.states), "save_manifest", _stop_here)
        with pytest.raises(StopHereError):
            bed.tick()
    assert bed.replication() == before
    bed.tick()
    assert bed.lake_rows() == bed.rows()


def test_a_pass_that_fails_keeps_the_watermark_and_says_so(bed: Bed) -> None:
    bed.service = replace(bed.service, database=Database("postgresql://nobody:hunter2@127.0.0.1:1/none"))
    with pytest.raises(ReplicationFailedError):
        bed.tick()
    state = bed.replication()
    assert (state["last_run_status"], state["computed_through_ts"]) == ("failed", None)
    assert state["last_run_error"]
    assert "hunter2" not in state["last_run_error"]


def test_a_broken_state_file_is_not_taken_for_a_missing_one(bed: Bed) -> None:
    bed.tick()
    path = bed.service.lake.hot / "_state/replication.json"
    path.write_text('{"schema_version": 1, "last_in')
    bed.clock.advance(minutes=5)
    with pytest.raises(ReplicationFailedError):
        bed.tick()
    assert path.read_text() == '{"schema_version": 1, "last_in'


def test_a_segment_has_the_contracts_name_columns_order_and_compression(bed: Bed) -> None:
    for sensor in ("b", "a", "b", "é-sensor"):
        for minutes in (3, 1, 2):
            bed.reading(sensor, bed.now - minutes * MINUTE, inserted_at=bed.now - 10 * MINUTE)
    bed.tick()
    paths = bed.files("2026-03-10")
    assert paths
    for path in paths:
        assert path.name.startswith("part-")
        with pq.ParquetFile(path) as segment:
            assert segment.schema_arrow.equals(COLUMNS)
            assert segment.metadata.row_group(0).column(0).compression == "ZSTD"
            rows = segment.read().to_pylist()
        keys = [(row["sensor_id"].encode(), row["ts"]) for row in rows]
        assert keys == sorted(keys)
        shards = {xxhash.xxh3_64(row["sensor_id"].encode()).intdigest() % 16 for row in rows}
        assert {f"shard={shard:02d}" for shard in shards} == {path.parent.name}


def test_directories_and_state_files_have_the_contracts_modes(bed: Bed) -> None:
    _replicate_a_row(bed)
    below = list(bed.service.lake.hot.rglob("*"))
    assert {oct(path.stat().st_mode & 0o777) for path in below if path.is_dir()} == {"0o750"}
    assert {oct(path.stat().st_mode & 0o777) for path in below if path.suffix == ".json"} == {"0o600"}
    assert not [path for path in below if path.suffix == ".tmp"]


def test_a_date_is_the_utc_date_of_ts_also_before_1970(bed: Bed) -> None:
    moments = [
        datetime(2026, 3, 8, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 9, 0, 0, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    for moment in moments:
        bed.reading(SENSOR, moment, inserted_at=bed.now - 2 * MINUTE)
    bed.service = replace(bed.service, lake=replace(bed.service.lake, retention=timedelta(days=36_500)))
    bed.tick()
    assert sorted(bed.partitions()) == ["1969-12-31", "2026-03-08", "2026-03-09"]
    assert bed.lake_rows() == bed.rows()


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2], ids=repr
)
def test_a_float_comes_back_with_every_bit(bed: Bed, value: float) -> None:
    key = bed.reading(SENSOR, bed.now, value, inserted_at=bed.now - 2 * MINUTE)
    bed.tick()
    found = bed.lake_rows()[key][0]
    assert struct.pack(">d", found) == struct.pack(">d", value)


@pytest.mark.parametrize("sensor", ['quo"te', "com,ma", "new\nline", " blank ", "ünï🌾", "\\N", "NaN", "null", ""])
def test_a_hand_made_sensor_id_comes_back_as_it_is(bed: Bed, sensor: str) -> None:
    bed.reading(sensor, bed.now, inserted_at=bed.now - 2 * MINUTE)
    bed.tick()
    assert bed.lake_rows() == bed.rows()


def test_a_backfill_exports_its_range_and_moves_the_watermark(bed: Bed) -> None:
    target = bed.now - timedelta(seconds=60)
    old = bed.now - 400 * DAY
    inside = {
        bed.reading(SENSOR, target - 2 * DAY, inserted_at=old),
        bed.reading(SENSOR, target - timedelta(microseconds=1), inserted_at=target),
        bed.reading("no-insertion-time", target - DAY, quality=None, inserted_at=None),
    }
    bed.reading("too-early", target - 2 * DAY - timedelta(microseconds=1), inserted_at=old)
    bed.reading("at-the-end", target, inserted_at=old)
    bed.reading("not-due", target - DAY, inserted_at=target + timedelta(microseconds=1))
    outcome = bed.backfill(2)
    assert set(bed.lake_rows()) == inside
    assert bed.lake_rows() == {key: row for key, row in bed.as_exported().items() if key in inside}
    assert outcome.rows_exported == 3
    assert outcome.touched_dates == [date(2026, 3, 8), date(2026, 3, 9), date(2026, 3, 10)]
    assert (outcome.target, outcome.window.start, outcome.window.end) == (target, target - 2 * DAY, target)
    state = bed.replication()
    assert datetime.fromisoformat(state["last_inserted_at"]) == target
    assert state["computed_through_ts"] == state["last_inserted_at"] == state["backfill_to_ts"]
    assert bed.manifest()["computed_through_ts"] == state["computed_through_ts"]
    assert datetime.fromisoformat(state["backfill_from_ts"]) == target - 2 * DAY
    assert datetime.fromisoformat(state["backfill_completed_at"]) == bed.now


def test_a_backfill_tells_its_progress_by_calendar_days_and_names_them(bed: Bed) -> None:
    bed.reading(SENSOR, datetime(2026, 3, 9, 1, tzinfo=UTC), inserted_at=None)
    control = Control()
    outcome = bed.backfill(2, control)
    assert outcome.touched_dates == [date(2026, 3, 9)]
    assert {phase for phase, *_ in control.reports} == {"lake_backfill"}
    assert [completed for _, completed, _, _ in control.reports] == [0, 1, 2, 3]
    assert {total for _, _, total, _ in control.reports} == {3}
    assert ["2026-03-09" in message for *_, message in control.reports] == [False, True, False, False]


def test_the_manifest_may_name_the_dates_of_a_backfill_that_have_no_rows(bed: Bed) -> None:
    bed.reading(SENSOR, datetime(2026, 3, 9, 1, tzinfo=UTC), inserted_at=None)
    bed.service = replace(bed.service, names_bare_dates=True)
    outcome = bed.backfill(2)
    assert outcome.touched_dates == [date(2026, 3, 9)]
    assert sorted(bed.partitions()) == ["2026-03-08", "2026-03-09", "2026-03-10"]
    assert not list(bed.service.lake.hot.glob("metrics/v1/date=2026-03-08"))


def test_a_backfill_never_targets_before_the_watermark(bed: Bed) -> None:
    through = bed.tick().computed_through_ts
    bed.clock.advance(minutes=-30)
    assert bed.backfill(1).target == through


def test_replacing_takes_away_what_lies_outside_of_the_range_on_its_first_and_last_date(bed: Bed) -> None:
    target = bed.now - timedelta(seconds=60)
    bed.reading(SENSOR, target - DAY - MINUTE, inserted_at=target)
    bed.reading("forecast_irradiance", target + timedelta(hours=3), inserted_at=target)
    tomorrow = bed.reading("forecast_irradiance", target + DAY, inserted_at=target)
    bed.tick()
    assert len(bed.lake_rows()) == 3
    inside = bed.reading(SENSOR, target - MINUTE, inserted_at=None)
    bed.backfill(1)
    assert set(bed.lake_rows()) == {tomorrow, inside}
    assert sorted(bed.partitions()) == ["2026-03-10", "2026-03-11"]


def test_a_row_outside_the_range_that_came_in_since_the_last_pass_is_not_jumped_over(bed: Bed) -> None:
    bed.tick()
    outside = {
        bed.reading("forecast_irradiance", bed.now + 5 * DAY, inserted_at=bed.now),
        bed.reading("forecast_irradiance", bed.now + timedelta(hours=2), inserted_at=bed.now),
        bed.reading(SENSOR, bed.now - 60 * DAY, inserted_at=bed.now),
    }
    bed.clock.advance(minutes=5)
    outcome = bed.backfill(1)
    bed.tick()
    assert outside <= set(bed.lake_rows())
    assert (outcome.rows_exported, outcome.touched_dates) == (0, [])


def test_rows_deleted_in_postgres_leave_the_lake_when_it_is_replaced(bed: Bed) -> None:
    gone = bed.reading(SENSOR, bed.now - 2 * DAY, inserted_at=bed.now - DAY)
    last_of_its_shard = bed.reading("other", bed.now - DAY, inserted_at=bed.now - DAY)
    kept = bed.reading(SENSOR, bed.now - DAY, inserted_at=bed.now - DAY)
    bed.backfill(5)
    bed.delete(gone)
    bed.delete(last_of_its_shard)
    bed.backfill(5, replace=False)
    assert gone in bed.lake_rows()
    outcome = bed.backfill(5)
    assert set(bed.lake_rows()) == {kept}
    assert outcome.touched_dates == [date(2026, 3, 9)]
    assert "2026-03-08" not in bed.partitions()
    assert not list(bed.service.lake.hot.glob("metrics/v1/date=2026-03-08"))


def test_replacing_brings_a_value_that_changed_without_a_trace(bed: Bed) -> None:
    inserted = bed.now - DAY
    key = bed.reading(SENSOR, bed.now - DAY, 1.0, inserted_at=inserted)
    bed.tick()
    bed.reading(SENSOR, bed.now - DAY, 2.0, inserted_at=inserted)
    bed.backfill(5)
    assert bed.lake_rows()[key][0] == 2.0


def test_dates_that_postgres_has_dropped_are_gone_after_a_backfill(cold_bed: Bed) -> None:
    """The lake had the only copy of them (contract section 3)."""
    _fill_three_days(cold_bed)
    cold = given(cold_bed.service.lake.cold) / "metrics/v1/date=2026-03-08"
    shutil.copytree(cold_bed.service.lake.hot / "metrics/v1/date=2026-03-08", cold)
    cold_bed.connection.execute("DELETE FROM metrics WHERE ts < '2026-03-09'")
    cold_bed.backfill(5)
    assert cold_bed.lake_rows() == cold_bed.rows()
    assert sorted(cold_bed.partitions()) == ["2026-03-09", "2026-03-10"]
    assert not cold.exists()


def test_a_date_is_removed_with_all_that_lies_in_it(bed: Bed) -> None:
    _fill_three_days(bed)
    litter = bed.files("2026-03-09")[0].with_name("._part-1-0.parquet")
    litter.write_bytes(b"x")
    bed.backfill(5)
    assert not litter.exists()


@pytest.mark.parametrize(("stopped_at", "gone"), [(4, set()), (5, {date(2026, 3, 7)}), (7, {date(2026, 3, 8)})])
def test_a_backfill_that_is_canceled_between_removing_a_date_and_writing_it_leaves_it_empty(
    bed: Bed, stopped_at: int, gone: set[date]
) -> None:
    _fill_three_days(bed)
    before = bed.replication(), bed.manifest()["computed_through_ts"]
    bed.clock.advance(minutes=10)

    def cancel(check: int) -> None:
        if check == stopped_at:
            raise StopHereError

    with pytest.raises(StopHereError):
        bed.backfill(5, Control(cancel))
    assert bed.lake_rows() == {key: row for key, row in bed.rows().items() if key[1].date() not in gone}
    assert (bed.replication(), bed.manifest()["computed_through_ts"]) == before
    bed.backfill(5)
    assert bed.lake_rows() == bed.rows()


def test_what_has_no_quality_or_no_insertion_time_is_written_as_0_and_as_its_own_instant(bed: Bed) -> None:
    old = bed.reading(SENSOR, bed.now - 4 * DAY, quality=None, inserted_at=None)
    bed.backfill(5)
    assert bed.lake_rows() == {old: (1.0, 0, old[1])}
    assert bed.rows()[old] == (1.0, None, None)


def test_a_pass_gives_the_rows_of_the_late_window_that_have_no_insertion_time_its_target(bed: Bed) -> None:
    target = bed.now - timedelta(seconds=60)
    stamped = {
        bed.reading(SENSOR, target, inserted_at=None),
        bed.reading(SENSOR, target - timedelta(hours=48), quality=None, inserted_at=None),
    }
    left = {
        bed.reading(SENSOR, target + timedelta(microseconds=1), inserted_at=None),
        bed.reading(SENSOR, target - timedelta(hours=48, microseconds=1), inserted_at=None),
    }
    bed.tick()
    assert {key for key, row in bed.rows().items() if row[2] == target} == stamped
    assert {key for key, row in bed.rows().items() if row[2] is None} == left
    assert bed.lake_rows() == {key: row for key, row in bed.as_exported().items() if key in stamped}


def test_a_pass_that_does_not_move_the_watermark_stamps_nothing(bed: Bed) -> None:
    """What it stamped with the watermark itself no later pass would take."""
    bed.tick()
    key = bed.reading(SENSOR, bed.now - DAY, inserted_at=None)
    bed.tick()
    assert bed.rows()[key][2] is None
    bed.tick(minutes=1)
    assert key in bed.lake_rows()


def test_a_file_of_many_rows_starts_its_order_again_and_loses_none(bed: Bed) -> None:
    for minutes in range(bed.service.lake.restart_rows):
        bed.reading(SENSOR, bed.now - minutes * MINUTE, minutes, inserted_at=bed.now - 2 * MINUTE)
    bed.reading("few", bed.now, inserted_at=bed.now - 2 * MINUTE)
    bed.reading("few", bed.now - MINUTE, inserted_at=bed.now - 2 * MINUTE)
    bed.tick()
    keys = [_keys_of(path) for path in bed.files("2026-03-10")]
    assert sorted(len([1 for one, two in pairwise(rows) if one > two]) for rows in keys) == [0, 1]
    assert bed.lake_rows() == bed.rows()


def test_a_pass_and_a_backfill_exclude_each_other(bed: Bed) -> None:
    def try_a_pass(_: int) -> None:
        with pytest.raises(StopHereError):
            tick(bed.service, _stop_here)

    bed.backfill(1, Control(try_a_pass))


def test_the_newest_version_of_a_row_counts_before_and_after_compaction(bed: Bed) -> None:
    moment = bed.now - timedelta(hours=3)
    steady = bed.reading(SENSOR, moment - MINUTE, 0.5, inserted_at=bed.now - 2 * MINUTE)
    for version in range(10):
        key = bed.reading(SENSOR, moment, version, inserted_at=bed.now - MINUTE)
        bed.tick()
        assert bed.lake_rows()[key][0] == version
        bed.clock.advance(minutes=2)
    assert len(bed.files("2026-03-10")) == 10
    assert "last_compacted_at" not in bed.partitions()["2026-03-10"]
    bed.reading(SENSOR, moment, 99.0, inserted_at=bed.now - MINUTE)
    bed.tick()
    (only,) = bed.files("2026-03-10")
    assert only.name.startswith("compact-")
    assert pq.read_metadata(only).num_rows == 2
    assert bed.lake_rows()[key][0] == 99.0
    assert bed.lake_rows()[steady][0] == 0.5
    entry = bed.partitions()["2026-03-10"]
    assert entry["file_count"] == 1
    assert datetime.fromisoformat(entry["last_compacted_at"]) == bed.now


def test_compaction_takes_the_newest_insertion_time_of_a_row_that_had_none(bed: Bed) -> None:
    key = bed.reading(SENSOR, bed.now - 3 * DAY, 1.0, inserted_at=None)
    bed.backfill(4)
    bed.reading(SENSOR, bed.now - 3 * DAY, 2.0, inserted_at=bed.now)
    bed.tick(minutes=2)
    for _ in range(9):
        # Copies of another row, as a backfill beside what is there makes them.
        bed.reading(SENSOR, bed.now - 3 * DAY + MINUTE, inserted_at=None)
        bed.backfill(4, replace=False)
    assert len(bed.files("2026-03-07")) == 1
    assert bed.lake_rows()[key] == (2.0, 0, bed.rows()[key][2])


def test_old_dates_move_to_the_cold_lake_and_late_rows_follow_them(cold_bed: Bed) -> None:
    cold = given(cold_bed.service.lake.cold)
    day = "2026-03-10"
    _replicate_a_row(cold_bed)
    cold_bed.tick(days=90)
    assert cold_bed.partitions()[day]["location"] == "hot"
    cold_bed.tick(days=1)
    assert cold_bed.partitions()[day]["location"] == "cold"
    assert not (cold_bed.service.lake.hot / f"metrics/v1/date={day}").exists()
    assert list(cold.glob(f"metrics/v1/date={day}/shard=*/part-*.parquet"))
    assert list(cold_bed.service.lake.tmp.iterdir()) == []
    cold_bed.reading("late", datetime(2026, 3, 10, 5, tzinfo=UTC), 2.0, inserted_at=cold_bed.now)
    cold_bed.tick(minutes=2)
    assert cold_bed.lake_rows() == cold_bed.rows()
    assert cold_bed.partitions()[day]["file_count"] == 2


def test_replacing_replaces_hot_and_cold(cold_bed: Bed) -> None:
    key = cold_bed.reading(SENSOR, cold_bed.now, 1.0, inserted_at=cold_bed.now - 2 * MINUTE)
    gone = cold_bed.reading(SENSOR, cold_bed.now - MINUTE, 1.0, inserted_at=cold_bed.now - 2 * MINUTE)
    cold_bed.tick()
    cold_bed.tick(days=91)
    cold_bed.delete(gone)
    stray = cold_bed.service.lake.hot / "metrics/v1/date=2026-03-10/shard=00"
    stray.mkdir(parents=True)
    pq.write_table(pq.ParquetFile(cold_bed.files("2026-03-10")[0]).read(), stray / "part-0-0.parquet")
    cold_bed.backfill(92)
    assert set(cold_bed.lake_rows()) == {key}
    assert not stray.exists()
    assert cold_bed.partitions()["2026-03-10"]["location"] == "cold"


def test_a_cold_lake_that_is_away_is_not_hidden_behind_an_empty_one(cold_bed: Bed, tmp_path: Path) -> None:
    cold = given(cold_bed.service.lake.cold)
    _replicate_a_row(cold_bed)
    through = cold_bed.tick(days=91).computed_through_ts
    cold.rename(tmp_path / "unplugged")
    cold_bed.reading("late", datetime(2026, 3, 10, 5, tzinfo=UTC), 2.0, inserted_at=cold_bed.now)
    cold_bed.clock.advance(minutes=2)
    with pytest.raises(ReplicationFailedError):
        cold_bed.tick()
    assert cold_bed.service.states.load_replication().computed_through_ts == through
    (tmp_path / "unplugged").rename(cold)
    cold_bed.tick()
    assert cold_bed.lake_rows() == cold_bed.rows()


def test_a_cold_lake_that_goes_away_in_mid_move_is_not_made_anew(
    cold_bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = given(cold_bed.service.lake.cold)
    for sensor in ("a", "b", "c"):
        cold_bed.reading(sensor, cold_bed.now, inserted_at=cold_bed.now - 2 * MINUTE)
    cold_bed.tick()

    def copy_and_unplug(*paths: Path) -> None:
        copy_file(*paths)
        cold.rename(tmp_path / "unplugged")

    monkeypatch.setattr(housekeeping, "copy_file", copy_and_unplug)
    cold_bed.tick(days=91)
    assert not cold.exists()
    monkeypatch.undo()
    (tmp_path / "unplugged").rename(cold)
    cold_bed.tick(minutes=1)
    assert cold_bed.partitions()["2026-03-10"]["location"] == "cold"
    assert cold_bed.lake_rows() == cold_bed.rows()


def test_old_dates_are_deleted_where_there_is_no_cold_lake(bed: Bed) -> None:
    _replicate_a_row(bed)
    bed.tick(days=91)
    assert bed.partitions() == {}
    assert list(bed.service.lake.hot.glob("metrics/v1/*")) == []


def test_what_a_crash_left_in_the_making_is_removed_at_the_next_start(bed: Bed) -> None:
    _replicate_a_row(bed)
    (path,) = bed.files("2026-03-10")
    path.with_name("part-x-0.parquet.tmp").write_bytes(b"half a fi")
    (bed.service.lake.tmp / "leaving-2025-01-01-x").mkdir()
    remove_scratch(bed.service.lake)
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    assert list(bed.service.lake.tmp.iterdir()) == []


@pytest.fixture
def foreign_settings(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[None]:
    """Let the database give every new session a zone, a date style and a float format that are not ours."""
    where = f"ALTER ROLE tsse IN DATABASE {connection.info.dbname}"
    for setting in ("TimeZone TO 'America/New_York'", "DateStyle TO 'SQL, DMY'", "extra_float_digits TO -10"):
        connection.execute(f"{where} SET {setting}".encode())
    yield
    connection.execute(f"{where} RESET ALL".encode())


@pytest.mark.usefixtures("foreign_settings")
def test_a_database_that_speaks_in_another_zone_and_format_changes_nothing(bed: Bed) -> None:
    # The night in which New York sets its clocks forward.
    for minutes in range(0, 240, 10):
        moment = datetime(2026, 3, 8, 5, 0, 0, 1, tzinfo=UTC) + minutes * MINUTE
        bed.reading(SENSOR, moment, 1 / 3, inserted_at=bed.now - 2 * MINUTE)
    bed.tick()
    assert bed.lake_rows() == bed.rows()
