"""The contract's models against what a real controller has said."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.builders import backfill_result, parity_result, replication
from tsse_validation.domain.contract import (
    DATASET,
    PARITY_JOB,
    RUNBOOK_JOBS,
    TERMINAL,
    BackfillResult,
    Inspection,
    InspectResult,
    Job,
    JobEvents,
    Manifest,
    ParityResult,
    Replication,
    TickResult,
)
from tsse_validation.domain.coverage import Coverage
from tsse_validation.steps.promises import REPLICATION_PROMISES, crowded_shards

DATA = Path(__file__).parents[1] / "data"
INSPECT_FILE = DATA / "tsse-lake-inspect-20260124_165836-0.1.9.211.json"
PARITY_FILE = DATA / "tsse-lake-parity-20260124_083505-0.1.9.211.md"
MARK = datetime(2026, 1, 24, 16, 52, 51, 645740, tzinfo=UTC)


@pytest.fixture(scope="module")
def real_document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(INSPECT_FILE.read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def real_inspection(real_document: dict[str, Any]) -> Inspection:
    return InspectResult.model_validate(real_document["result"]).inspection


def test_a_real_result_stands_in_an_envelope_with_its_job(real_document: dict[str, Any]) -> None:
    assert real_document.keys() == {"job_id", "result"}


def test_a_real_inspection_is_understood(real_inspection: Inspection) -> None:
    assert real_inspection.hot_path.endswith("/lake/hot/")
    assert real_inspection.cold_path is None
    assert real_inspection.metrics.computed_through_ts == MARK
    assert real_inspection.replication.computed_through_ts == MARK
    assert real_inspection.replication.backfill_from_ts == datetime(2025, 10, 26, 10, 33, 33, 460051, tzinfo=UTC)
    assert real_inspection.replication.last_run_status == "ok"
    assert real_inspection.replication.last_run_error is None


def test_every_real_file_and_byte_is_counted(real_document: dict[str, Any], real_inspection: Inspection) -> None:
    said = real_document["result"]["inspection"]["datasets"][DATASET]["partitions"]
    found = real_inspection.metrics.partitions
    assert [str(day) for day in sorted(found)] == sorted(said)
    for day, partition in found.items():
        shards = said[str(day)]["shards"].values()
        assert partition.parquet_files == sum(shard["parquet_files"] for shard in shards)
        assert partition.total_bytes == sum(shard["total_bytes"] for shard in shards)
    assert found[max(found)].parquet_files == 44


def test_a_real_date_without_shards_is_there_and_empty(real_inspection: Inspection) -> None:
    bare = real_inspection.metrics.partitions[date(2026, 1, 5)]
    assert (bare.location, dict(bare.shards), bare.parquet_files, bare.total_bytes) == ("hot", {}, 0, 0)


def test_a_real_lake_keeps_what_replication_promises(real_inspection: Inspection) -> None:
    for hold in REPLICATION_PROMISES.values():
        assert hold(real_inspection.replication)


def test_a_real_lake_promises_its_backfilled_range_up_to_the_watermark(real_inspection: Inspection) -> None:
    coverage = Coverage.promised_by(real_inspection.replication)
    assert coverage is not None
    assert coverage.window is not None
    assert str(coverage.window) == "2025-10-26T10:33:33.460051+00:00 → 2026-01-24T16:52:51.645740+00:00"


@pytest.mark.parametrize("today", [date(2026, 1, 24), date(2026, 2, 24)])
def test_no_shard_of_a_real_lake_is_crowded(today: date, real_inspection: Inspection) -> None:
    most = [
        shard.parquet_files
        for partition in real_inspection.metrics.partitions.values()
        for shard in partition.shards.values()
    ]
    assert max(most) == 3
    assert crowded_shards(real_inspection.metrics, today) == []


# ---- the Markdown of a real parity job -------------------------------------------------------------------------


def bullets(markdown: str) -> dict[str, list[str]]:
    """Return `- name: `value` → `value`` lines."""
    lines = re.findall(r"^- ([^:]+): (.+)$", markdown, re.MULTILINE)
    return {name: re.findall(r"`([^`]*)`", values) for name, values in lines}


def tables(markdown: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    for block in re.findall(r"(?:^\|.*\|\n?)+", markdown, re.MULTILINE):
        rows = [
            [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")] for line in block.splitlines()
        ]
        yield rows[0], rows[2:]


def result_of(markdown: str) -> ParityResult:
    """Build the job's result from its own report."""
    said = bullets(markdown)
    (_, sensors), (_, partitions) = tables(markdown)
    requested, checked = said["Window (requested)"], said["Window (checked)"]
    return ParityResult.model_validate(
        {
            "job_type": PARITY_JOB,
            "window_requested": {"start": requested[0], "end": requested[1]},
            "window_checked": {"start": checked[0], "end": checked[1]},
            "computed_through_ts": said["computed_through_ts"][0],
            "sensor_ids": [row[0] for row in sensors],
            "mismatches": sum(row[3] != "✅" for row in sensors),
            "rows": [
                {"sensor_id": sensor, "pg_count": int(pg), "lake_count": int(lake), "matches": match == "✅"}
                for sensor, pg, lake, match in sensors
            ],
            "partitions": [
                {"date": day, "location": place, "file_count": int(files), "max_shard_files": int(most)}
                for day, place, files, most in partitions
            ],
            "replication": {
                name: int(said[name][0])
                for name in ("last_run_backlog_seconds", "last_run_row_count", "last_run_duration_ms")
            },
            "report_markdown": markdown,
        }
    )


@pytest.fixture(scope="module")
def real_parity() -> ParityResult:
    return result_of(PARITY_FILE.read_text(encoding="utf-8"))


def test_a_real_parity_report_has_the_headings_and_columns_that_are_promised(real_parity: ParityResult) -> None:
    markdown = real_parity.report_markdown
    assert re.findall(r"^#+ .*$", markdown, re.MULTILINE) == [
        "# TSSE Lake Parity Check (job)",
        "## Partition file counts (shard subset)",
        "## Replication summary",
    ]
    assert [header for header, _rows in tables(markdown)] == [
        ["Sensor", "Postgres count", "Lake count", "Match"],
        ["Date", "location", "manifest file_count", "max shard parquet files"],
    ]


def test_a_real_parity_report_gives_the_counts_that_stand_in_it(real_parity: ParityResult) -> None:
    assert [(row.sensor_id[:6], row.pg_count, row.lake_count, row.matches) for row in real_parity.rows] == [
        ("006298", 283, 283, True),
        ("00ca2c", 283, 283, True),
        ("0137f2", 0, 0, True),
        ("015a8d", 0, 0, True),
        ("025eeb", 2808, 2808, True),
    ]
    assert [
        (part.date.day, part.location, part.file_count, part.max_shard_files) for part in real_parity.partitions
    ] == [(23, "hot", 16, 1), (24, "hot", 156, 10)]
    assert real_parity.mismatches == 0
    assert real_parity.replication.last_run_row_count == 554
    assert real_parity.replication.last_run_backlog_seconds == 60
    assert real_parity.replication.last_run_duration_ms == 105


@pytest.mark.parametrize("which", ["window_requested", "window_checked"])
def test_a_parity_window_that_ends_before_it_starts_is_no_window(which: str) -> None:
    result = parity_result({"a": (1, 1)}).model_dump(mode="json")
    result[which] = {"start": result[which]["end"], "end": result[which]["start"]}
    with pytest.raises(ValidationError, match="window ends before it starts"):
        ParityResult.model_validate(result)


def test_a_real_parity_window_was_clamped_to_the_watermark(real_parity: ParityResult) -> None:
    assert real_parity.window_checked.start == real_parity.window_requested.start
    assert real_parity.window_checked.end == real_parity.computed_through_ts
    assert real_parity.window_requested.end == datetime(2026, 1, 24, 16, 35, 5, 31632, tzinfo=UTC)


# ---- what a model must bear ------------------------------------------------------------------------------------

SMALLEST_JOB = {
    "id": "an-id",
    "job_type": "noop_v1",
    "status": "pending",
    "created_at": "2026-01-24T16:29:48+00:00",
    "updated_at": "2026-01-24T16:29:48+00:00",
    "progress": {"phase": "queued", "completed": 0, "total": None},
}


def test_a_job_without_its_optional_keys_is_a_job() -> None:
    job = Job.model_validate(SMALLEST_JOB)
    assert (job.error, job.started_at, job.completed_at, job.job_key) == (None, None, None, None)
    assert (job.progress.total, job.progress.message) == (None, None)
    assert not job.terminal


@pytest.mark.parametrize("status", ["pending", "running", "completed", "failed", "canceled"])
def test_a_job_has_ended_when_its_status_says_so(status: str) -> None:
    assert Job.model_validate(SMALLEST_JOB | {"status": status}).terminal == (status in TERMINAL)


@pytest.mark.parametrize(
    "change", [{"status": "done"}, {"created_at": "2026-01-24"}, {"progress": None}, {"id": None}, {"error": "no"}]
)
def test_a_job_that_breaks_the_contract_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Job.model_validate(SMALLEST_JOB | change)


def test_keys_that_nobody_knows_are_ignored_at_every_depth() -> None:
    progress = SMALLEST_JOB["progress"]
    assert isinstance(progress, dict)
    more = {"color": "green", "progress": progress | {"color": 1}, "error": {"code": "a", "message": "b", "c": 0}}
    job = Job.model_validate(SMALLEST_JOB | more)
    assert job.error is not None
    assert (job.error.code, job.error.details) == ("a", None)
    assert not hasattr(job, "color")


def test_stamps_of_nanoseconds_are_taken_at_the_microsecond() -> None:
    state = Replication.model_validate(
        {"computed_through_ts": "2026-01-24T16:29:48.358904999+00:00", "last_run_at": "2026-01-24T16:29:48Z"}
    )
    assert state.computed_through_ts == datetime(2026, 1, 24, 16, 29, 48, 358904, tzinfo=UTC)
    assert state.last_run_at == datetime(2026, 1, 24, 16, 29, 48, tzinfo=UTC)


def test_a_replication_state_may_hold_nothing_but_its_version() -> None:
    state = Replication.model_validate({"schema_version": 1})
    assert set(state.model_dump(exclude={"schema_version"}).values()) == {None}
    assert Replication.model_validate(dict.fromkeys(Replication.model_fields.keys() - {"schema_version"})) == state


def test_a_lake_without_a_dataset_is_an_empty_lake() -> None:
    inspection = Inspection.model_validate({"hot_path": "/h", "datasets": {}, "replication": {}})
    assert (inspection.metrics.computed_through_ts, dict(inspection.metrics.partitions)) == (None, {})
    assert dict(Manifest.model_validate({}).metrics.partitions) == {}


def test_a_manifest_names_dates_with_their_places() -> None:
    manifest = Manifest.model_validate(
        {
            "datasets": {
                DATASET: {"partitions": {"2026-01-24": {"location": "cold", "updated_at": "2026-01-24T00:00:00Z"}}}
            }
        }
    )
    partition = manifest.metrics.partitions[date(2026, 1, 24)]
    assert (partition.location, partition.file_count, partition.last_compacted_at) == ("cold", None, None)


@pytest.mark.parametrize("partitions", [{"2026-02-30": {"location": "hot"}}, {"2026-01-24": {"location": "warm"}}])
def test_a_manifest_with_an_impossible_date_or_place_is_refused(partitions: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate({"datasets": {DATASET: {"partitions": partitions}}})


def test_a_result_of_another_job_is_not_taken_for_this_one() -> None:
    for model in (InspectResult, BackfillResult, ParityResult, TickResult):
        with pytest.raises(ValidationError):
            model.model_validate(backfill_result().model_dump() | {"job_type": "noop_v1"})


def test_a_backfill_result_reads_back_from_the_json_it_is_written_as() -> None:
    result = backfill_result()
    assert BackfillResult.model_validate_json(result.model_dump_json()) == result
    assert len(result.touched_dates) == 91


def test_a_tick_carries_the_replication_state() -> None:
    tick = TickResult(job_type="lake_replication_tick_v1", status="ok", replication=replication())
    assert TickResult.model_validate_json(tick.model_dump_json()) == tick


def test_a_page_of_events_needs_no_more_than_the_events() -> None:
    assert JobEvents.model_validate({"events": []}).events == ()
    page = JobEvents.model_validate(
        {"events": [{"id": 7, "created_at": "2026-01-24T00:00:00Z", "kind": "created"}], "next_after": 7}
    )
    assert (page.events[0].kind, page.events[0].payload, page.next_after) == ("created", None, 7)


def test_the_suite_starts_the_runbooks_jobs_and_no_other() -> None:
    assert (
        frozenset({"lake_inspect_v1", "lake_backfill_v1", "lake_replication_tick_v1", "lake_parity_check_v1"})
        == RUNBOOK_JOBS
    )
