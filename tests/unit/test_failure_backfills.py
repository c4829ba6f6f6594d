"""What scenarios share that strike in the middle of a backfill, with an arena that answers as a test says."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import WATERMARK, a_job
from tsse_validation.domain.contract import BACKFILL_JOB, Job
from tsse_validation.domain.errors import DeadlineError, PromiseBrokenError
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.backfills import (
    begin_backfill,
    dates_of_backfill,
    struck_backfill,
    wait_for_days,
)
from tsse_validation.failures.scenario import Chance, MissedError, Struck
from tsse_validation.failures.scenarios_jobs import hold_backfills_completed

TODAY = WATERMARK.date()


class FakeArena:
    """Answers each look at a job with the next of some jobs, and each query with the same rows."""

    days = 8

    def __init__(self, *jobs: Job | Exception, rows: Sequence[tuple[Any, ...]] = ()) -> None:
        self.jobs = list(jobs)
        self.rows = list(rows)
        self.asked: list[tuple[str, dict[str, object]]] = []

    def now(self) -> datetime:
        return WATERMARK

    def sql(self, _statement: str, *_parameters: object) -> list[tuple[Any, ...]]:
        return self.rows

    def create_job(self, job_type: str, params: dict[str, object]) -> Job:
        self.asked.append((job_type, params))
        return a_job(job_type)

    def job(self, _job_id: str, _seconds: float = 0.0) -> Job:
        answer = self.jobs.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    end_of = job


def arena_of(fake: FakeArena) -> Arena:
    return cast("Arena", fake)


def backfill(status: str, completed: int = 0) -> Job:
    return a_job(BACKFILL_JOB, status=status, progress={"phase": "lake_backfill", "completed": completed})


def at(days_ago: int) -> date:
    return TODAY - timedelta(days=days_ago)


def test_a_backfill_replaces_the_saved_days_unless_it_is_told_otherwise() -> None:
    fake = FakeArena()
    begin_backfill(arena_of(fake))
    begin_backfill(arena_of(fake), 3, replace_existing=False)
    assert fake.asked == [
        (BACKFILL_JOB, {"days": 8, "replace_existing": True}),
        (BACKFILL_JOB, {"days": 3, "replace_existing": False}),
    ]


def test_the_dates_of_a_backfill_are_a_day_more_than_its_days() -> None:
    assert dates_of_backfill(arena_of(FakeArena()), 2) == [at(2), at(1), at(0)]
    assert len(dates_of_backfill(arena_of(FakeArena()))) == 9


@given(st.integers(), st.integers(min_value=0, max_value=6), st.integers(min_value=2, max_value=400))
def test_a_backfill_is_struck_after_its_first_date_and_before_its_end(seed: int, attempt: int, dates: int) -> None:
    struck = Chance.of(seed, "key", attempt).day(range(dates))
    assert 1 <= struck < max(2, dates)
    assert struck == Chance.of(seed, "key", attempt).day(range(dates)), "the seed repeats it"


def test_a_backfill_is_waited_for_until_it_has_done_its_days() -> None:
    fake = FakeArena(backfill("pending"), backfill("running", 1), backfill("running", 4), backfill("completed", 9))
    wait_for_days(arena_of(fake), backfill("pending"), 3)
    assert [job.status for job in cast("list[Job]", fake.jobs)] == ["completed"]


def test_a_backfill_that_has_ended_before_is_missed() -> None:
    fake = FakeArena(backfill("running", 1), backfill("completed", 9))
    with pytest.raises(MissedError, match="was completed"):
        wait_for_days(arena_of(fake), backfill("pending"), 3)


def test_only_the_date_under_way_and_the_first_one_may_stand_empty() -> None:
    fake = FakeArena(rows=[("canceled", "3", f"exporting {at(5)}")])
    dates = dates_of_backfill(arena_of(fake))
    struck = struck_backfill(arena_of(fake), backfill("running"), dates, "a cancel", left=("canceled",))
    assert struck.empties == {at(8), at(5)}
    assert struck.touches == set(dates)
    assert struck.moment.startswith("a cancel, 3 of 9 dates")


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_backfill_that_ended_otherwise_was_not_struck(status: str) -> None:
    fake = FakeArena(rows=[(status, "9", "exported")])
    with pytest.raises(MissedError, match=status):
        struck_backfill(arena_of(fake), backfill("running"), [at(0)], "a cancel", left=("canceled", "running"))


@pytest.mark.parametrize(
    "end", [backfill("failed"), backfill("canceled"), DeadlineError("It is running after 120 s.")]
)
def test_a_backfill_that_nobody_stopped_and_that_does_not_complete_breaks_a_promise(end: Job | Exception) -> None:
    fake = FakeArena(backfill("completed"), end, rows=[("one",), ("two",)])
    with pytest.raises(PromiseBrokenError, match=r"two ended|running after"):
        hold_backfills_completed(arena_of(fake), Struck("two at once"))


def test_backfills_that_complete_are_fine() -> None:
    fake = FakeArena(backfill("completed"), backfill("completed"), rows=[("one",), ("two",)])
    hold_backfills_completed(arena_of(fake), Struck("two at once"))
    assert not fake.jobs
