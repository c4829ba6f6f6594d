from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import BEGIN, SECOND, WATERMARK, backfill_result, evidence, inspection, replication
from tsse_validation.domain.contract import InspectedDataset, JobProgress
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, utc_day
from tsse_validation.domain.replacement import Loss
from tsse_validation.domain.windows import Window
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.loss_guard import TakenAway
from tsse_validation.steps.promises import (
    BACKFILL_PROMISES,
    REPLICATION_PROMISES,
    BackfillEvidence,
    crowded_shards,
    partition_differences,
)
from tsse_validation.steps.scoping import covered_scope

EARLIER = WATERMARK - SECOND
SETTINGS = Settings()


@pytest.mark.parametrize("promise", BACKFILL_PROMISES)
def test_a_right_backfill_keeps_every_promise_and_says_how(promise: str) -> None:
    assert BACKFILL_PROMISES[promise](evidence())


def progress(**changes: object) -> BackfillEvidence:
    fields = {"phase": "lake_backfill", "completed": 91, "total": 91} | changes
    return evidence(progress=JobProgress.model_validate(fields))


def result(**changes: object) -> BackfillEvidence:
    return evidence(result=backfill_result(**changes))


def touched(*days: date) -> BackfillEvidence:
    return result(touched_dates=days)


def after(**changes: object) -> BackfillEvidence:
    return evidence(after=inspection(state=replication(**changes)))


def kinds(*seen: str) -> BackfillEvidence:
    return evidence(kinds=seen)


OTHER_MARK = inspection(
    datasets={"metrics/v1": InspectedDataset(computed_through_ts=EARLIER)}, state=replication()
)
TAKEN = TakenAway((Loss(date(2025, 10, 26), 12, before=BEGIN),), accepted=(Loss(date(2025, 10, 27), 5),))
BROKEN_BACKFILLS: list[tuple[str, str, BackfillEvidence]] = [
    ("nothing-else-taken", "took away 12 rows of 2025-10-26 before 16:29 that it was not", evidence(taken=TAKEN)),
    ("days", "30 days were asked for, 90 were done", evidence(asked_days=30)),
    ("days", "replace_existing was asked for", result(replace_existing=False)),
    ("days", "about 'other/v1' instead of 'metrics/v1'", result(dataset="other/v1")),
    ("range", "is not the 90 days", result(backfill_to_ts=EARLIER)),
    ("range", "is not the 90 days", result(backfill_from_ts=BEGIN + MICROSECOND)),
    ("touched-dates", "not ascending", touched(date(2026, 1, 2), date(2026, 1, 1))),
    ("touched-dates", "stands there twice", touched(date(2026, 1, 2), date(2026, 1, 2))),
    ("touched-dates", "outside the range were touched: 2025-10-25", touched(date(2025, 10, 25))),
    ("touched-dates", "outside the range were touched: 2026-01-25", touched(date(2026, 1, 25))),
    ("touched-dates", "No date was touched", touched()),
    ("rows", "exported no row", result(rows_exported=0)),
    ("progress", "went backwards", evidence(seen=((5, 91), (4, 91)))),
    ("progress", "phase is 'queued'", progress(phase="queued")),
    ("progress", "never moved", progress(completed=0)),
    ("progress", "never moved", progress(total=None)),
    ("progress", "counts 89 days for a range of 90", progress(total=89, completed=89)),
    ("progress", "92 of 91 days are done", progress(completed=92)),
    ("events", "created, completed instead of", kinds("created", "completed")),
    ("events", "are none instead of", kinds("progress")),
    ("events", "started, created, completed", kinds("started", "created", "completed")),
    ("events", "completed, completed", kinds("created", "started", "completed", "completed")),
    ("events", "failed", kinds("created", "started", "failed")),
    ("watermark", "before the target", after(computed_through_ts=EARLIER)),
    ("watermark", "is not set", after(computed_through_ts=None)),
    ("state", "is not the job's range", after(backfill_from_ts=BEGIN + SECOND)),
    ("state", "→ not set, which is not", after(backfill_to_ts=None)),
    ("state", "has no backfill_completed_at", after(backfill_completed_at=None)),
    ("manifest", "The manifest's watermark is", evidence(after=OTHER_MARK)),
    ("manifest", "watermark is not set", evidence(after=inspection(datasets={}))),
]


@pytest.mark.parametrize(("promise", "says", "broken"), BROKEN_BACKFILLS)
def test_each_broken_promise_of_a_backfill_is_told(promise: str, says: str, broken: BackfillEvidence) -> None:
    with pytest.raises(PromiseBrokenError) as caught:
        BACKFILL_PROMISES[promise](broken)
    assert says in caught.value.message
    assert caught.value.message.rstrip().endswith(".")


def test_every_promise_of_a_backfill_can_be_broken() -> None:
    assert {promise for promise, _says, _broken in BROKEN_BACKFILLS} == set(BACKFILL_PROMISES)


@pytest.mark.parametrize(
    ("promise", "kept"),
    [
        *(("progress", progress(total=total, completed=done)) for total, done in ((90, 90), (91, 91), (91, 90))),
        ("watermark", after(computed_through_ts=WATERMARK + 60 * SECOND)),
    ],
    ids=["ninety days touch ninety", "or ninety-one", "the last not done yet", "replication has moved on"],
)
def test_what_a_right_backfill_may_do_keeps_the_promise(promise: str, kept: BackfillEvidence) -> None:
    assert BACKFILL_PROMISES[promise](kept)


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
def test_what_a_state_leaves_open_is_neither_true_nor_false(promise: str, changes: dict[str, object]) -> None:
    with pytest.raises(NotCheckedError, match="as is allowed"):
        REPLICATION_PROMISES[promise](replication(**changes))


@pytest.mark.parametrize(
    ("backlog", "says"), [*((backlog, "gate 300 s") for backlog in (0, 60, 299.9, 300)), (None, "60 s behind")]
)
def test_a_backlog_up_to_the_gate_is_within_it_said_or_not(backlog: float | None, says: str) -> None:
    assert says in REPLICATION_PROMISES["backlog"](replication(last_run_backlog_seconds=backlog))


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


def covered(*, days: int, now: datetime = WATERMARK) -> Coverage:
    return Coverage.promised_by(replication()).after_retention(days, now)


@pytest.mark.parametrize("missing", ["backfill_from_ts", "backfill_to_ts", "computed_through_ts"])
def test_without_a_completed_backfill_nothing_is_covered(missing: str) -> None:
    with pytest.raises(NotCheckedError, match="nothing is promised"):
        covered_scope(SETTINGS, replication(**{missing: None}), cold=True, now=WATERMARK)


def test_with_a_cold_place_the_whole_backfill_stays_covered() -> None:
    found = covered_scope(SETTINGS, replication(), cold=True, now=WATERMARK + 200 * DAY).coverage
    assert (found.backfill_from, found.backfill_to, found.watermark) == (BEGIN, WATERMARK, WATERMARK)


def test_without_a_cold_place_what_retention_deletes_is_not_promised() -> None:
    found = covered_scope(Settings(hot_retention_days=30), replication(), cold=False, now=WATERMARK)
    assert found.window.start == found.coverage.backfill_from == datetime(2025, 12, 25, tzinfo=UTC)


def test_a_range_of_which_retention_has_left_nothing_is_said_to_be_empty() -> None:
    with pytest.raises(NotCheckedError, match="The lake's covered range is empty"):
        covered_scope(SETTINGS, replication(), cold=False, now=WATERMARK + 200 * DAY)


def test_a_date_that_retention_deletes_within_the_hour_is_not_promised() -> None:
    late = datetime(2026, 1, 24, 23, 0, 0, tzinfo=UTC)
    before, after = (covered(days=30, now=now) for now in (late - MICROSECOND, late))
    assert after.backfill_from - before.backfill_from == DAY


@given(st.integers(1, 400), st.integers(-10, 400 * 24))
def test_retention_only_ever_shortens_what_is_covered_and_by_whole_days(days: int, hours: int) -> None:
    now = WATERMARK + timedelta(hours=hours)
    begin = covered(days=days, now=now).backfill_from
    assert begin >= BEGIN
    assert begin in (BEGIN, day_start(utc_day(begin)))
    # a date that is promised will not be due for deletion within the hour
    assert utc_day(begin) >= utc_day(now + timedelta(hours=1)) - timedelta(days=days)


# ---- partitions ------------------------------------------------------------------------------------------------

DATE = st.integers(0, 6).map(lambda n: date(2026, 1, 20) + timedelta(days=n))


FIRST, SECOND_DAY = date(2026, 1, 20), date(2026, 1, 21)
TWO_DAYS = Window(day_start(FIRST), day_start(FIRST) + 2 * DAY - MICROSECOND)
PARTS = Window(datetime(2026, 1, 20, 0, 0, 1, tzinfo=UTC), datetime(2026, 1, 21, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("postgres", "lake", "window", "missing", "extra"),
    [
        ({FIRST: True}, {FIRST}, TWO_DAYS, [], []),
        ({FIRST: True, SECOND_DAY: True}, {FIRST}, TWO_DAYS, [SECOND_DAY], []),
        ({FIRST: True}, {FIRST, SECOND_DAY}, TWO_DAYS, [], [SECOND_DAY]),
        ({FIRST: False}, {FIRST}, Window(day_start(FIRST), day_start(SECOND_DAY)), [], []),
        ({FIRST: False}, set(), Window(day_start(FIRST), day_start(SECOND_DAY)), [], []),
        ({}, {FIRST, SECOND_DAY}, PARTS, [], []),
    ],
    ids=["alike", "missing", "extra", "none due, in the lake", "none due, in no lake", "only touched in part"],
)
def test_a_date_is_missing_with_due_rows_alone_and_extra_as_a_whole_without_any(
    postgres: dict[date, bool], lake: set[date], window: Window, missing: list[date], extra: list[date]
) -> None:
    assert partition_differences(postgres, lake, window) == (missing, extra)


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
