"""The jobs that look at the lake: inspection and parity (contract section 3)."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.controller.database import Database
from fixtures.controller.handlers import inspect_lake
from fixtures.controller.parity import check_parity, read_request
from fixtures.controller.replication import LakeService
from fixtures.controller.runner import JobFailedError
from tests.integration.controller.support import Bed
from tsse_validation.domain.instants import MICROSECOND, format_rfc3339, parse_rfc3339

REAL = Path(__file__).parents[2] / "data"
MINUTE = timedelta(minutes=1)
NO_INSTANTS = ("2026-03-10T11:00:00", "0001-01-01T00:00:00+23:00")


@pytest.fixture
def replicated(bed: Bed) -> Bed:
    """Two sensors with three readings each, up to 11:57, all in the lake; and one that is deleted."""
    for sensor in ("b-sensor", "a-sensor"):
        for minutes in (3, 4, 5):
            bed.reading(sensor, bed.now - minutes * MINUTE, inserted_at=bed.now - 2 * MINUTE)
    bed.sensor("0-deleted")
    bed.connection.execute("UPDATE sensors SET deleted_at = now() WHERE sensor_id = '0-deleted'")
    bed.tick()
    return bed


def test_an_inspection_has_the_shape_of_a_real_one(replicated: Bed) -> None:
    real = json.loads(next(REAL.glob("tsse-lake-inspect-*.json")).read_text())["result"]["inspection"]
    ours = inspect_lake(replicated.service.lake, replicated.service.states)
    assert ours.keys() == real.keys()
    assert ours["replication"].keys() == real["replication"].keys()
    assert {key: type(value) for key, value in ours["replication"].items() if value is not None}.items() <= {
        key: type(value) for key, value in real["replication"].items()
    }.items()
    dataset = ours["datasets"]["metrics/v1"]
    assert dataset.keys() == real["datasets"]["metrics/v1"].keys()
    (partition,) = dataset["partitions"].values()
    assert partition["location"] == "hot"
    files = replicated.files("2026-03-10")
    assert {shard: found["parquet_files"] for shard, found in partition["shards"].items()} == {
        path.parent.name.removeprefix("shard="): 1 for path in files
    }
    total = sum(path.stat().st_size for path in files)
    assert sum(found["total_bytes"] for found in partition["shards"].values()) == total


def test_an_inspection_of_an_empty_lake_is_empty(service: LakeService) -> None:
    found = inspect_lake(service.lake, service.states)
    assert found["datasets"] == {"metrics/v1": {"computed_through_ts": None, "partitions": {}}}
    assert found["cold_path"] is None
    assert found["replication"].pop("schema_version") == 1
    assert set(found["replication"].values()) == {None}


def test_a_date_whose_directory_is_gone_is_listed_and_one_that_the_manifest_does_not_name_too(
    replicated: Bed,
) -> None:
    directory = replicated.service.lake.hot / "metrics/v1/date=2026-03-10"
    directory.rename(directory.with_name("date=2026-03-01"))
    datasets = inspect_lake(replicated.service.lake, replicated.service.states)["datasets"]
    partitions = datasets["metrics/v1"]["partitions"]
    assert partitions["2026-03-10"] == {"location": "hot", "shards": {}}
    assert partitions["2026-03-01"]["shards"]


def test_parity_counts_both_sides_within_an_inclusive_window(replicated: Bed) -> None:
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
    assert result["replication"] == replicated.service.states.load_replication().as_json()


def test_parity_clamps_the_window_to_the_watermark(replicated: Bed) -> None:
    replicated.reading("a-sensor", replicated.now, inserted_at=replicated.now)
    result = _check(replicated, start="2026-03-10T00:00:00Z", end="2026-03-11T00:00:00Z")
    assert result["window_checked"]["end"] == result["computed_through_ts"] == "2026-03-10T11:59:00.000000+00:00"
    assert result["window_requested"]["end"] == "2026-03-11T00:00:00.000000+00:00"
    assert result["mismatches"] == 0


def test_parity_trims_sorts_and_deduplicates_the_sensors(replicated: Bed) -> None:
    result = _check(replicated, sensor_ids=[" b-sensor ", "unknown", "b-sensor", "a-sensor", ""])
    assert result["sensor_ids"] == ["a-sensor", "b-sensor", "unknown"]
    assert result["rows"][2] == {"sensor_id": "unknown", "pg_count": 0, "lake_count": 0, "matches": True}


def test_parity_samples_the_first_sensors_that_are_not_deleted(replicated: Bed) -> None:
    assert _check(replicated, sample=1)["sensor_ids"] == ["a-sensor"]
    assert _check(replicated, sensor_ids=[])["sensor_ids"] == ["a-sensor", "b-sensor"]


def test_a_late_arrival_is_a_mismatch_to_the_plain_count(replicated: Bed) -> None:
    replicated.reading("a-sensor", replicated.now - 10 * MINUTE, inserted_at=replicated.now)
    result = _check(replicated)
    assert result["mismatches"] == 1
    assert [row["matches"] for row in result["rows"]] == [False, True]
    failure = _failure(replicated, fail_on_mismatch=True).as_json()
    assert (failure["code"], failure["details"]) == ("parity_mismatch", {"mismatches": 1})


def test_each_version_of_a_row_counts_in_the_lake_until_compaction(replicated: Bed) -> None:
    replicated.reading("a-sensor", replicated.now - 3 * MINUTE, 2.0, inserted_at=replicated.now)
    replicated.tick(minutes=2)
    result = _check(replicated, sensor_ids=["a-sensor"])
    assert result["rows"] == [{"sensor_id": "a-sensor", "pg_count": 3, "lake_count": 4, "matches": False}]
    assert (result["mismatches"], result["partitions"][0]["max_shard_files"]) == (1, 2)


@pytest.mark.parametrize(("micros", "counted"), [(0, (1, 1)), (1, (0, 1)), (2, (0, 0))])
def test_the_lakes_side_reaches_a_microsecond_further_than_postgress(
    replicated: Bed, micros: int, counted: tuple[int, int]
) -> None:
    reading = parse_rfc3339("2026-03-10T11:54:30Z")
    replicated.reading("a-sensor", reading + micros * MICROSECOND, 2.0, inserted_at=replicated.now)
    replicated.tick(minutes=2)
    result = _check(
        replicated,
        start="2026-03-10T11:54:10Z",
        end=format_rfc3339(reading),
        sensor_ids=["a-sensor"],
    )
    assert (result["rows"][0]["pg_count"], result["rows"][0]["lake_count"]) == counted


def test_the_microsecond_behind_a_days_last_lies_under_the_next_date(replicated: Bed) -> None:
    midnight = parse_rfc3339("2026-03-10T00:00:00Z")
    replicated.reading("a-sensor", midnight, 2.0, inserted_at=replicated.now)
    replicated.tick(minutes=2)
    result = _check(replicated, start="2026-03-09T00:00:00Z", end=format_rfc3339(midnight - MICROSECOND))
    assert [(row["pg_count"], row["lake_count"]) for row in result["rows"]] == [(0, 1), (0, 0)]


def test_the_report_reads_as_a_real_one(replicated: Bed) -> None:
    real = next(REAL.glob("tsse-lake-parity-*.md")).read_text().splitlines()
    ours = _check(replicated)["report_markdown"].splitlines()
    assert [line for line in ours if _is_frame(line)] == [line for line in real if _is_frame(line)]
    assert "| `a-sensor` | 3 | 3 | ✅ |" in ours
    assert "| `2026-03-10` | `hot` | 2 | 1 |" in ours


@pytest.mark.parametrize(
    ("params", "code"),
    [
        *(({"start": start}, "invalid_params") for start in (None, 1, *NO_INSTANTS)),
        *(({"sensor_ids": wrong}, "invalid_params") for wrong in ("a-sensor", [1])),
        *(({"sample": wrong}, "invalid_params") for wrong in ("5", -1)),
        ({"end": "yesterday"}, "invalid_params"),
        ({"start": "2026-03-10T12:00:00Z", "end": "2026-03-10T12:00:00Z"}, "invalid_params"),
        ({"start": "2026-03-10T11:59:00Z", "end": "2026-03-10T13:00:00Z"}, "invalid_window"),
        ({"sample": 0}, "no_sensors"),
    ],
)
def test_parity_fails_with_the_contracts_codes(replicated: Bed, params: dict[str, Any], code: str) -> None:
    assert _failure(replicated, **params).code == code


def test_parity_without_a_database_and_without_a_readable_lake_fails_with_the_contracts_codes(
    replicated: Bed,
) -> None:
    here = replicated.service
    replicated.service = replace(here, database=Database("postgresql://127.0.0.1:1/none"))
    assert _failure(replicated).code == "db_query_failed"
    replicated.service = here
    for path in replicated.files("2026-03-10"):
        path.write_bytes(b"no parquet")
    assert _failure(replicated).code == "duckdb_read_failed"


def _check(bed: Bed, **params: Any) -> dict[str, Any]:
    whole = {"start": "2026-03-10T00:00:00Z", "end": "2026-03-10T11:58:00Z"}
    return check_parity(bed.service.database, bed.service.lake, bed.service.states, read_request(whole | params))


def _failure(bed: Bed, **params: Any) -> JobFailedError:
    with pytest.raises(JobFailedError) as failure:
        _check(bed, **params)
    return failure.value


def _is_frame(line: str) -> bool:
    return line.startswith(("#", "| Sensor", "| Date", "| ---"))
