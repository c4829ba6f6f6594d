"""The jobs that look at the lake: inspection and parity (contract section 3)."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.controller.database import Database
from fixtures.controller.handlers import inspect_lake
from fixtures.controller.parity import check_parity, read_request
from fixtures.controller.replication import LakeService, tick
from fixtures.controller.runner import JobFailedError
from tests.integration.controller.support import Clock, FarmRows, date_files, lake_service, patient

REAL = Path(__file__).parents[2] / "data"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def replicated(service: LakeService, farm: FarmRows, clock: Clock) -> LakeService:
    """Two sensors with three readings each, up to 11:57, all in the lake; and one that is deleted."""
    for sensor in ("b-sensor", "a-sensor"):
        for minutes in (3, 4, 5):
            farm.reading(sensor, clock.now - minutes * MINUTE, inserted_at=clock.now - 2 * MINUTE)
    farm.sensor("0-deleted")
    farm.connection.execute("UPDATE sensors SET deleted_at = now() WHERE sensor_id = '0-deleted'")
    tick(service, patient)
    return service


def test_an_inspection_has_the_shape_of_a_real_one(replicated: LakeService) -> None:
    real = json.loads(next(REAL.glob("tsse-lake-inspect-*.json")).read_text())["result"]["inspection"]
    ours = inspect_lake(replicated.lake, replicated.states)
    assert ours.keys() == real.keys()
    assert ours["replication"].keys() == real["replication"].keys()
    assert {key: type(value) for key, value in ours["replication"].items() if value is not None}.items() <= {
        key: type(value) for key, value in real["replication"].items()
    }.items()
    dataset = ours["datasets"]["metrics/v1"]
    assert dataset.keys() == real["datasets"]["metrics/v1"].keys()
    (partition,) = dataset["partitions"].values()
    assert partition["location"] == "hot"
    files = date_files(replicated, date(2026, 3, 10))
    assert {shard: found["parquet_files"] for shard, found in partition["shards"].items()} == {
        path.parent.name.removeprefix("shard="): 1 for path in files
    }
    assert sum(found["total_bytes"] for found in partition["shards"].values()) == sum(
        path.stat().st_size for path in files
    )


def test_an_inspection_of_an_empty_lake_is_empty(service: LakeService) -> None:
    found = inspect_lake(service.lake, service.states)
    assert found["datasets"] == {"metrics/v1": {"computed_through_ts": None, "partitions": {}}}
    assert found["cold_path"] is None
    assert found["replication"].pop("schema_version") == 1
    assert set(found["replication"].values()) == {None}


def test_a_date_without_a_directory_and_one_that_no_manifest_names_are_listed(replicated: LakeService) -> None:
    directory = replicated.lake.hot / "metrics/v1/date=2026-03-10"
    directory.rename(directory.with_name("date=2026-03-01"))
    partitions = inspect_lake(replicated.lake, replicated.states)["datasets"]["metrics/v1"]["partitions"]
    assert partitions["2026-03-10"] == {"location": "hot", "shards": {}}
    assert partitions["2026-03-01"]["shards"]


def test_parity_counts_both_sides_within_an_inclusive_window(replicated: LakeService) -> None:
    result = _check(replicated, start="2026-03-10T11:55:00Z", end="2026-03-10T11:56:00+00:00")
    assert result["rows"] == [
        {"sensor_id": sensor, "pg_count": 2, "lake_count": 2, "matches": True}
        for sensor in ("a-sensor", "b-sensor")
    ]
    assert result["mismatches"] == 0
    window = {"start": "2026-03-10T11:55:00.000000+00:00", "end": "2026-03-10T11:56:00.000000+00:00"}
    assert result["window_requested"] == result["window_checked"] == window
    (partition,) = result["partitions"]
    assert partition == {"date": "2026-03-10", "location": "hot", "file_count": 2, "max_shard_files": 1}
    assert set(result["timings_ms"]) == {"pg_counts_ms", "job_total_ms"}
    assert result["versions"] == {"parity_check": "v1"}
    assert result["replication"] == replicated.states.load_replication().as_json()


def test_parity_clamps_the_window_to_the_watermark(replicated: LakeService, farm: FarmRows) -> None:
    farm.reading(
        "a-sensor", datetime(2026, 3, 10, 12, tzinfo=UTC), inserted_at=datetime(2026, 3, 10, 12, tzinfo=UTC)
    )
    result = _check(replicated, start="2026-03-10T00:00:00Z", end="2026-03-11T00:00:00Z")
    assert result["window_checked"]["end"] == result["computed_through_ts"] == "2026-03-10T11:59:00.000000+00:00"
    assert result["window_requested"]["end"] == "2026-03-11T00:00:00.000000+00:00"
    assert result["mismatches"] == 0


def test_parity_trims_sorts_and_deduplicates_the_sensors(replicated: LakeService) -> None:
    result = _check(replicated, sensor_ids=[" b-sensor ", "unknown", "b-sensor", "a-sensor", ""])
    assert result["sensor_ids"] == ["a-sensor", "b-sensor", "unknown"]
    assert result["rows"][2] == {"sensor_id": "unknown", "pg_count": 0, "lake_count": 0, "matches": True}


def test_parity_samples_the_first_sensors_that_are_not_deleted(replicated: LakeService) -> None:
    assert _check(replicated, sample=1)["sensor_ids"] == ["a-sensor"]
    assert _check(replicated, sensor_ids=[])["sensor_ids"] == ["a-sensor", "b-sensor"]


def test_a_late_arrival_is_a_mismatch_to_it(replicated: LakeService, farm: FarmRows, clock: Clock) -> None:
    farm.reading("a-sensor", clock.now - 10 * MINUTE, inserted_at=clock.now)
    result = _check(replicated)
    assert result["mismatches"] == 1
    assert [row["matches"] for row in result["rows"]] == [False, True]
    with pytest.raises(JobFailedError) as failure:
        _check(replicated, fail_on_mismatch=True)
    assert failure.value.as_json()["code"] == "parity_mismatch"
    assert failure.value.as_json()["details"] == {"mismatches": 1}


def test_versions_of_a_row_count_once(replicated: LakeService, farm: FarmRows, clock: Clock) -> None:
    farm.reading("a-sensor", clock.now - 3 * MINUTE, 2.0, inserted_at=clock.now)
    clock.advance(minutes=2)
    tick(replicated, patient)
    result = _check(replicated, sensor_ids=["a-sensor"])
    assert result["rows"][0]["lake_count"] == 3
    assert result["partitions"][0]["max_shard_files"] == 2


def test_the_report_reads_as_a_real_one(replicated: LakeService) -> None:
    real = next(REAL.glob("tsse-lake-parity-*.md")).read_text().splitlines()
    ours = _check(replicated)["report_markdown"].splitlines()
    assert [line for line in ours if _is_frame(line)] == [line for line in real if _is_frame(line)]
    assert "| `a-sensor` | 3 | 3 | ✅ |" in ours
    assert "| `2026-03-10` | `hot` | 2 | 1 |" in ours


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"start": None}, "invalid_params"),
        ({"end": "yesterday"}, "invalid_params"),
        ({"start": "2026-03-10T11:00:00"}, "invalid_params"),
        ({"start": "0001-01-01T00:00:00+23:00"}, "invalid_params"),
        ({"start": "2026-03-10T12:00:00Z", "end": "2026-03-10T12:00:00Z"}, "invalid_params"),
        ({"start": 1}, "invalid_params"),
        ({"sensor_ids": "a-sensor"}, "invalid_params"),
        ({"sensor_ids": [1]}, "invalid_params"),
        ({"sample": "5"}, "invalid_params"),
        ({"sample": -1}, "invalid_params"),
        ({"start": "2026-03-10T11:59:00Z", "end": "2026-03-10T13:00:00Z"}, "invalid_window"),
        ({"sample": 0}, "no_sensors"),
    ],
)
def test_parity_fails_with_the_contracts_codes(replicated: LakeService, params: dict[str, Any], code: str) -> None:
    with pytest.raises(JobFailedError) as failure:
        _check(replicated, **params)
    assert failure.value.code == code


def test_parity_without_a_database_and_without_a_readable_lake_fails_with_the_contracts_codes(
    replicated: LakeService, tmp_path: Path, clock: Clock
) -> None:
    away = lake_service(Database("postgresql://127.0.0.1:1/none"), tmp_path, clock)
    with pytest.raises(JobFailedError) as failure:
        _check(away)
    assert failure.value.code == "db_query_failed"
    for path in date_files(replicated, date(2026, 3, 10)):
        path.write_bytes(b"no parquet")
    with pytest.raises(JobFailedError) as failure:
        _check(replicated)
    assert failure.value.code == "duckdb_read_failed"


def _check(service: LakeService, **params: Any) -> dict[str, Any]:
    whole = {"start": "2026-03-10T00:00:00Z", "end": "2026-03-10T11:58:00Z"}
    return check_parity(service.database, service.lake, service.states, read_request(whole | params))


def _is_frame(line: str) -> bool:
    return line.startswith(("#", "| Sensor", "| Date", "| ---"))
