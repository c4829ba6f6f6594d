from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import BEGIN, SECOND, WATERMARK, backfill_result, evidence, inspection, replication
from tsse_validation.domain.contract import InspectedDataset, JobProgress, Replication
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError
from tsse_validation.domain.instants import DAY, MICROSECOND, utc_day
from tsse_validation.domain.windows import Window
from tsse_validation.steps.promises import (
    BACKFILL_PROMISES,
    REPLICATION_PROMISES,
    BackfillEvidence,
    covered_range,
    crowded_shards,
    partition_differences,
    promised_range,
)

EARLIER = WATERMARK - SECOND


@pytest.mark.parametrize("promise", BACKFILL_PROMISES)
def test_a_right_backfill_keeps_every_promise_and_says_how(promise: str) -> None:
    assert BACKFILL_PROMISES[promise](evidence())


def progress(**changes: object) -> JobProgress:
    return JobProgress.model_validate({"phase": "lake_backfill", "completed": 91, "total": 91} | changes)


BROKEN_BACKFILLS: list[tuple[str, str, BackfillEvidence]] = [
    ("days", "30 days were asked for, 90 were done", evidence(asked_days=30)),
    ("days", "replace_existing was asked for", evidence(result=backfill_result(replace_existing=False))),
    ("days", "about 'other/v1' instead of 'metrics/v1'", evidence(result=backfill_result(dataset="other/v1"))),
    ("range", "is not the 90 days", evidence(result=backfill_result(backfill_to_ts=EARLIER))),
    ("range", "is not the 90 days", evidence(result=backfill_result(backfill_from_ts=BEGIN + MICROSECOND))),
    (
        "touched-dates",
        "not ascending",
        evidence(result=backfill_result(touched_dates=[date(2026, 1, 2), date(2026, 1, 1)])),
    ),
    (
        "touched-dates",
        "stands there twice",
        evidence(result=backfill_result(touched_dates=[date(2026, 1, 2), date(2026, 1, 2)])),
    ),
    (
        "touched-dates",
        "outside the range were touched: 2025-10-25",
        evidence(result=backfill_result(touched_dates=[date(2025, 10, 25)])),
    ),
    (
        "touched-dates",
        "outside the range were touched: 2026-01-25",
        evidence(result=backfill_result(touched_dates=[date(2026, 1, 25)])),
    ),
    ("touched-dates", "No date was touched", evidence(result=backfill_result(touched_dates=[]))),
    ("rows", "exported no row", evidence(result=backfill_result(rows_exported=0))),
    ("progress", "went backwards", evidence(seen=((5, 91), (4, 91)))),
    ("progress", "phase is 'queued'", evidence(progress=progress(phase="queued"))),
    ("progress", "never moved", evidence(progress=progress(completed=0))),
    ("progress", "never moved", evidence(progress=progress(total=None))),
    ("progress", "counts 89 days for a range of 90", evidence(progress=progress(total=89, completed=89))),
    ("progress", "92 of 91 days are done", evidence(progress=progress(completed=92))),
    ("events", "created, completed instead of", evidence(kinds=("created", "completed"))),
    ("events", "are none instead of", evidence(kinds=("progress",))),
    ("events", "started, created, completed", evidence(kinds=("started", "created", "completed"))),
    ("events", "completed, completed", evidence(kinds=("created", "started", "completed", "completed"))),
    ("events", "failed", evidence(kinds=("created", "started", "failed"))),
    ("watermark", "before the target", evidence(after=inspection(state=replication(computed_through_ts=EARLIER)))),
    ("watermark", "is not set", evidence(after=inspection(state=replication(computed_through_ts=None)))),
    (
        "state",
        "is not the job's range",
        evidence(after=inspection(state=replication(backfill_from_ts=BEGIN + SECOND))),
    ),
    ("state", "→ not set, which is not", evidence(after=inspection(state=replication(backfill_to_ts=None)))),
    (
        "state",
        "has no backfill_completed_at",
        evidence(after=inspection(state=replication(backfill_completed_at=None))),
    ),
    (
        "manifest",
        "The manifest's watermark is",
        evidence(
            after=inspection(
                datasets={"metrics/v1": InspectedDataset(computed_through_ts=EARLIER)}, state=replication()
            )
        ),
    ),
    ("manifest", "watermark is not set", evidence(after=inspection(datasets={}))),
]


@pytest.mark.parametrize(("promise", "says", "broken"), BROKEN_BACKFILLS)
def test_each_broken_promise_of_a_backfill_is_told_in_a_sentence_of_its_own(
    promise: str, says: str, broken: BackfillEvidence
) -> None:
    with pytest.raises(PromiseBrokenError) as caught:
        BACKFILL_PROMISES[promise](broken)
    assert says in caught.value.message
    assert caught.value.message.rstrip().endswith(".")


def test_every_promise_of_a_backfill_can_be_broken() -> None:
    assert {promise for promise, _says, _broken in BROKEN_BACKFILLS} == set(BACKFILL_PROMISES)


@pytest.mark.parametrize(("total", "completed"), [(90, 90), (91, 91), (91, 90)])
def test_a_range_of_ninety_days_touches_ninety_or_ninety_one(total: int, completed: int) -> None:
    BACKFILL_PROMISES["progress"](evidence(progress=progress(total=total, completed=completed)))


def test_a_watermark_that_replication_has_moved_on_keeps_the_promise() -> None:
    later = replication(computed_through_ts=WATERMARK + 60 * SECOND)
    assert BACKFILL_PROMISES["watermark"](evidence(after=inspection(state=later)))


# ---- replication -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("promise", REPLICATION_PROMISES)
def test_a_healthy_replication_keeps_every_promise(promise: str) -> None:
    assert REPLICATION_PROMISES[promise](replication())


@pytest.mark.parametrize(
    ("promise", "says", "changes"),
    [
        (
            "last-run-status",
            "is 'failed': disk full",
            {"last_run_status": "failed", "last_run_error": "disk full"},
        ),
        ("last-run-error", "left an error: disk full", {"last_run_error": "disk full"}),
        ("backlog", "301.0 s behind; the gate is 300 s", {"last_run_backlog_seconds": 301}),
        ("backlog", "301.0 s behind", {"last_run_backlog_seconds": None, "last_run_at": WATERMARK + 301 * SECOND}),
    ],
)
def test_each_broken_promise_of_replication_is_told(promise: str, says: str, changes: dict[str, object]) -> None:
    with pytest.raises(PromiseBrokenError) as caught:
        REPLICATION_PROMISES[promise](replication(**changes))
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("promise", "changes"),
    [
        ("last-run-status", {"last_run_status": None}),
        ("backlog", {"last_run_backlog_seconds": None, "last_run_at": None}),
        ("backlog", {"last_run_backlog_seconds": None, "computed_through_ts": None}),
    ],
)
def test_what_the_state_may_leave_open_is_neither_proven_nor_broken(
    promise: str, changes: dict[str, object]
) -> None:
    with pytest.raises(NotCheckedError, match="as is allowed"):
        REPLICATION_PROMISES[promise](replication(**changes))


def test_a_backlog_that_is_not_said_follows_from_the_watermark_and_the_last_pass() -> None:
    assert "60 s behind" in REPLICATION_PROMISES["backlog"](replication(last_run_backlog_seconds=None))


@pytest.mark.parametrize("backlog", [0, 60, 299.9, 300])
def test_a_backlog_up_to_the_gate_is_within_it(backlog: float) -> None:
    assert "gate 300 s" in REPLICATION_PROMISES["backlog"](replication(last_run_backlog_seconds=backlog))


# ---- files -----------------------------------------------------------------------------------------------------

TODAY = date(2026, 1, 24)


@pytest.mark.parametrize(
    ("days_ago", "files", "crowded"),
    [
        (-1, 15, False),
        (0, 15, False),
        (0, 16, True),
        (1, 15, False),
        (1, 16, True),
        (2, 10, False),
        (2, 11, True),
        (30, 11, True),
    ],
)
def test_a_shard_day_is_crowded_beyond_what_compaction_leaves(days_ago: int, files: int, crowded: bool) -> None:
    day = TODAY - timedelta(days=days_ago)
    shards = {"07": {"parquet_files": files, "total_bytes": 1}, "08": {"parquet_files": 1, "total_bytes": 1}}
    dataset = inspection({str(day): {"location": "hot", "shards": shards}}).metrics
    assert crowded_shards(dataset, TODAY) == ([f"date={day}/shard=07: {files} files"] if crowded else [])


def test_an_empty_lake_is_not_crowded() -> None:
    assert crowded_shards(inspection().metrics, TODAY) == []


# ---- what is covered -------------------------------------------------------------------------------------------


def covered(state: Replication, *, cold: bool, days: int = 90, now: datetime = WATERMARK) -> object:
    return covered_range(state, cold=cold, retention_days=days, now=now)


@pytest.mark.parametrize("missing", ["backfill_from_ts", "backfill_to_ts", "computed_through_ts"])
def test_without_a_completed_backfill_nothing_is_covered(missing: str) -> None:
    assert covered(replication(**{missing: None}), cold=True) is None
    with pytest.raises(NotCheckedError, match="nothing is promised"):
        promised_range(replication(**{missing: None}), cold=True, retention_days=90, now=WATERMARK)


def test_with_a_cold_place_the_whole_backfill_stays_covered() -> None:
    now = WATERMARK + 200 * DAY
    found = covered_range(replication(), cold=True, retention_days=90, now=now)
    assert found is not None
    assert (found.backfill_from, found.backfill_to, found.watermark) == (BEGIN, WATERMARK, WATERMARK)


def test_without_a_cold_place_what_retention_deletes_is_not_promised() -> None:
    found = covered_range(replication(), cold=False, retention_days=30, now=WATERMARK)
    assert found is not None
    assert found.backfill_from == datetime(2025, 12, 25, tzinfo=UTC)


def test_a_date_that_retention_deletes_within_the_hour_is_not_promised() -> None:
    late = datetime(2026, 1, 24, 23, 0, 0, tzinfo=UTC)
    before = covered_range(replication(), cold=False, retention_days=30, now=late - MICROSECOND)
    after = covered_range(replication(), cold=False, retention_days=30, now=late)
    assert before is not None
    assert after is not None
    assert after.backfill_from - before.backfill_from == DAY


@given(st.integers(1, 400), st.integers(-10, 400 * 24))
def test_retention_only_ever_shortens_what_is_covered_and_by_whole_days(days: int, hours: int) -> None:
    now = WATERMARK + timedelta(hours=hours)
    found = covered_range(replication(), cold=False, retention_days=days, now=now)
    assert found is not None
    assert found.backfill_from >= BEGIN
    oldest_kept = utc_day(found.backfill_from)
    assert found.backfill_from == BEGIN or found.backfill_from == datetime.combine(
        oldest_kept, datetime.min.time(), UTC
    )
    # a date that is promised will not be due for deletion within the hour
    assert oldest_kept >= utc_day(now + timedelta(hours=1)) - timedelta(days=days)


# ---- partitions ------------------------------------------------------------------------------------------------

DATE = st.integers(0, 6).map(lambda n: date(2026, 1, 20) + timedelta(days=n))


def test_dates_with_rows_and_no_partition_are_missing_and_the_other_way_round_extra() -> None:
    window = Window(datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 1, 22, tzinfo=UTC) - MICROSECOND)
    first, second = date(2026, 1, 20), date(2026, 1, 21)
    assert partition_differences({first: True}, {first}, window) == ([], [])
    assert partition_differences({first: True, second: True}, {first}, window) == ([second], [])
    assert partition_differences({first: True}, {first, second}, window) == ([], [second])


@pytest.mark.parametrize("in_the_lake", [True, False])
def test_a_date_with_rows_of_which_none_is_due_is_neither_missing_nor_extra(in_the_lake: bool) -> None:
    day = date(2026, 1, 20)
    window = Window(datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 1, 21, tzinfo=UTC))
    assert partition_differences({day: False}, {day} if in_the_lake else set(), window) == ([], [])


def test_a_date_that_is_only_touched_in_part_is_never_extra() -> None:
    window = Window(datetime(2026, 1, 20, 0, 0, 1, tzinfo=UTC), datetime(2026, 1, 21, 12, tzinfo=UTC))
    assert partition_differences({}, {date(2026, 1, 20), date(2026, 1, 21)}, window) == ([], [])


@given(st.dictionaries(DATE, st.booleans()), st.sets(DATE), st.integers(0, 3 * 86_400), st.integers(0, 3 * 86_400))
def test_every_date_is_missing_extra_or_right(
    postgres: dict[date, bool], lake: set[date], after: int, length: int
) -> None:
    begin = datetime(2026, 1, 20, tzinfo=UTC) + timedelta(seconds=after)
    window = Window(begin, begin + timedelta(seconds=length))
    missing, extra = partition_differences(postgres, lake, window)
    assert missing == sorted(day for day, is_due in postgres.items() if is_due and day not in lake)
    assert set(extra) <= lake - postgres.keys()
    for day in (lake - postgres.keys()) - set(extra):
        start = datetime.combine(day, datetime.min.time(), UTC)
        assert start not in window or start + DAY - MICROSECOND not in window
