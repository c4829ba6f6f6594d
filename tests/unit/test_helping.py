"""What a helper says against its job and our own inspections: what differs is told, what changed is not."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import SECOND, WATERMARK, a_job, inspection, replication
from tsse_validation.clients.helper_output import BackfillSaid, HelperEnd
from tsse_validation.domain.catalogue import HELPER_CHECKS
from tsse_validation.domain.contract import BACKFILL_JOB, Inspection
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.settings.helper_form import HELPER_NAMES
from tsse_validation.steps.helped_backfill import _unlike_its_job
from tsse_validation.steps.helper_told import HelperTold, step_of_helper
from tsse_validation.steps.inspecting import unlike_our_inspections

DAY = "2026-01-24"
OTHER = "483f1c83-682b-489a-81c2-de990b9a1407"
JOB = a_job(BACKFILL_JOB, progress={"phase": "lake_backfill", "completed": 91, "total": 91})
HONEST = BackfillSaid((JOB.id,), "completed", 91, 91, None)


def lake(files: int, seconds: int = 0, **more: object) -> Inspection:
    """Return an inspection of one date so many seconds after the first, with so many files in it."""
    state = replication(
        computed_through_ts=WATERMARK + seconds * SECOND, last_inserted_at=WATERMARK + seconds * SECOND
    )
    shards = {"00": {"parquet_files": files, "total_bytes": files * 100}}
    return inspection({DAY: {"location": "hot", "shards": shards}}, state=state, **more)


def test_what_did_not_change_meanwhile_must_agree() -> None:
    assert unlike_our_inspections(lake(1), lake(1), lake(1)) == []
    told = unlike_our_inspections(lake(2, 60), lake(1), lake(1))
    assert [text.split()[0] for text in told] == ["last_inserted_at", "computed_through_ts", f"date={DAY}:"]
    assert "2 files, 200 bytes, hot by the helper, 1 files, 100 bytes, hot by us" in told[-1]


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_what_changed_meanwhile_may_be_anything_in_between(before: int, then: int, after: int) -> None:
    told = unlike_our_inspections(lake(then, then), lake(before, before), lake(after, after))
    assert bool(told) is (before == after != then)


def test_another_lake_is_told_by_its_path() -> None:
    told = unlike_our_inspections(lake(1, hot_path="/other"), lake(1), lake(1))
    assert told == ["hot_path is /other by the helper and /lake/hot by us"]


def test_what_a_pass_says_of_itself_may_come_to_the_same_again() -> None:
    busy = inspection({}, state=replication(last_run_row_count=9, last_run_status="failed"))
    assert unlike_our_inspections(busy, inspection({}), inspection({})) == []


@pytest.mark.parametrize(
    ("said", "status", "exit_code", "words"),
    [
        (HONEST, "completed", 0, None),
        (BackfillSaid((JOB.id,), "failed", 3, 91, None), "failed", 1, "it tells 3 of 91"),
        (HONEST, "failed", 0, "its exit code is 0"),
        (BackfillSaid((JOB.id, OTHER), "completed", 91, 91, None), "completed", 0, f"beside {JOB.id}: {OTHER}"),
        (
            BackfillSaid((JOB.id,), "running", 91, 91, None),
            "completed",
            0,
            "the last status that it tells is running",
        ),
        (BackfillSaid((JOB.id,), "completed", 90, 91, None), "completed", 0, "its job is at 91 of 91"),
    ],
)
def test_where_a_backfill_helper_differs_from_its_job_is_told(
    said: BackfillSaid, status: str, exit_code: int, words: str | None
) -> None:
    told = list(_unlike_its_job(said, JOB.model_copy(update={"status": status}), exit_code, None))
    assert (words is None) is (told == [])
    assert words is None or any(words in text for text in told)


def test_each_helper_belongs_to_the_step_of_its_check() -> None:
    assert [step_of_helper(helper) for helper in HELPER_NAMES] == [spec.step for spec in HELPER_CHECKS.values()]


def test_a_record_holds_what_is_known_whatever_was_reached() -> None:
    told = HelperTold("tsse_lake_backfill", 4)
    assert told.record().exit_code is None
    told.error = NotCheckedError("it cannot be run.")
    told.end = HelperEnd(2, "a\n\nb\n", "c", timedelta(seconds=1.23456).total_seconds())
    record = told.record()
    assert (record.exit_code, record.seconds, record.said) == (2, 1.235, "it cannot be run.")
    assert record.output == ("a", "b", "c")
