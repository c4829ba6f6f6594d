"""Each variation of the reference controller does what it says, and leaves alone what it does not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from freezegun import freeze_time

from fixtures.controller.variations import Variation, Variations
from tsse_validation.domain.contract import Inspection, Job, Manifest, Replication

EXACT, WHOLE = "2026-01-24T16:29:48.358904+00:00", "2026-01-24T16:29:48.000000+00:00"
JOB: dict[str, Any] = {
    "id": "7",
    "job_type": "lake_inspect_v1",
    "status": "completed",
    "created_at": EXACT,
    "updated_at": EXACT,
    "started_at": EXACT,
    "completed_at": EXACT,
    "progress": {"phase": "lake_inspect", "completed": 1, "total": 1, "message": "done"},
}
STATE: dict[str, Any] = {
    "schema_version": 1,
    "computed_through_ts": WHOLE,
    "last_inserted_at": EXACT,
    "last_run_status": "ok",
    "last_run_backlog_seconds": 5,
    "last_run_error": None,
}
PARTITIONS: dict[str, Any] = {
    "2026-01-24": {"location": "hot", "updated_at": EXACT, "last_compacted_at": EXACT, "file_count": 3}
}
MANIFEST: dict[str, Any] = {
    "schema_version": 1,
    "datasets": {"metrics/v1": {"computed_through_ts": WHOLE, "partitions": PARTITIONS}},
}


def shaped(document: dict[str, Any], *variations: Variation) -> dict[str, Any]:
    shaped: dict[str, Any] = Variations(frozenset(variations)).shape(document)
    return shaped


def test_without_a_variation_nothing_changes() -> None:
    assert shaped(JOB) is JOB
    assert Variations.of([]) == Variations()
    with pytest.raises(ValueError, match="no-such-thing"):
        Variations.of(["no-such-thing"])


@pytest.mark.parametrize(
    ("variation", "of_a_job", "exact", "whole"),
    [
        (Variation.NANOSECONDS, "48.358904789+", "48.358904789+", "48.000000789+"),
        (Variation.MILLISECONDS, "48.358+", "48.358904+", "48.000+"),
        (Variation.WHOLE_SECONDS, "48+", "48.358904+", "48+"),
    ],
)
def test_timestamps_have_other_digits_and_no_watermark_loses_any(
    variation: Variation, of_a_job: str, exact: str, whole: str
) -> None:
    assert of_a_job in shaped(JOB, variation)["created_at"]
    state = shaped(STATE, variation)
    assert exact in state["last_inserted_at"]
    assert whole in state["computed_through_ts"]


@pytest.mark.parametrize(
    ("variation", "micros"),
    [(Variation.MILLISECONDS, 358_000), (Variation.WHOLE_SECONDS, 0), (Variation.NANOSECONDS, 358_904)],
)
def test_the_clock_is_no_finer_than_the_timestamps_that_tell_it(variation: Variation, micros: int) -> None:
    with freeze_time(datetime(2026, 1, 24, 16, 29, 48, 358_904, tzinfo=UTC)):
        assert Variations(frozenset({variation})).clock().microsecond == micros


def test_extra_keys_stand_in_every_object_and_in_no_map() -> None:
    job = shaped(JOB, Variation.EXTRA_KEYS)
    assert "x_more" in job
    assert "x_more" in job["progress"]
    manifest = shaped(MANIFEST, Variation.EXTRA_KEYS)
    assert list(manifest["datasets"]) == ["metrics/v1"]
    assert list(manifest["datasets"]["metrics/v1"]["partitions"]) == ["2026-01-24"]
    assert "x_more" in manifest["datasets"]["metrics/v1"]["partitions"]["2026-01-24"]


def test_optional_keys_are_gone_and_promised_ones_are_not() -> None:
    job = shaped(JOB, Variation.ABSENT_KEYS)
    assert job["progress"] == {"phase": "lake_inspect", "completed": 1, "total": None}
    assert set(JOB) - set(job) == {"started_at", "completed_at"}
    manifest = shaped(MANIFEST, Variation.ABSENT_KEYS)
    entry = manifest["datasets"]["metrics/v1"]["partitions"]["2026-01-24"]
    assert entry == {"location": "hot", "updated_at": EXACT}
    backfill = JOB | {"progress": {"phase": "lake_backfill", "completed": 1, "total": 91}}
    assert shaped(backfill, Variation.ABSENT_KEYS)["progress"]["total"] == 91


def test_an_empty_page_of_events_has_null_for_the_next_one_or_no_word_of_it() -> None:
    empty: dict[str, Any] = {"events": [], "next_after": None}
    full = {"events": [{"id": 7}], "next_after": 7}
    assert shaped(empty) == empty
    assert shaped(empty, Variation.ABSENT_KEYS) == {"events": []}
    assert shaped(full, Variation.ABSENT_KEYS) == full


def test_the_state_is_null_where_it_may_be_without_hiding_the_gate() -> None:
    state = shaped(STATE, Variation.NULL_STATE)
    assert state["last_run_backlog_seconds"] is None
    assert state["last_export_start"] is None
    assert (state["last_run_status"], state["computed_through_ts"]) == ("ok", WHOLE)


@pytest.mark.parametrize("variation", Variation)
def test_what_is_varied_reads_as_the_contract_has_it(variation: Variation) -> None:
    assert Job.model_validate(shaped(JOB, variation)).terminal
    assert Replication.model_validate(shaped(STATE, variation)).last_run_status == "ok"
    assert Manifest.model_validate(shaped(MANIFEST, variation)).metrics.partitions
    inspection = {"hot_path": "/hot", "datasets": MANIFEST["datasets"], "replication": STATE}
    assert Inspection.model_validate(shaped(inspection, variation)).metrics.partitions
