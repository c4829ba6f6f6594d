"""The parity job's counts, with a job runner and a replication that answer as a test says."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from tests.support.builders import SECOND, WATERMARK, FakeClock, a_job, parity_result, replication
from tests.support.clocks import frozen
from tsse_validation.clients.jobs import FinishedJob, JobRunner
from tsse_validation.clients.watch import ReplicationWatch
from tsse_validation.diagnosis.count_triage import job_mismatch
from tsse_validation.domain.contract import PARITY_JOB, ParityResult
from tsse_validation.domain.errors import DeadlineError, JobFailedError, NotCheckedError, PromiseBrokenError
from tsse_validation.domain.instants import MICROSECOND, format_rfc3339
from tsse_validation.domain.windows import Window
from tsse_validation.parity.by_job import MismatchError, SpotCheck, SpotChecker
from tsse_validation.runlog.records import CountRow

NOW = WATERMARK + 60 * SECOND
WINDOW = Window(WATERMARK - timedelta(hours=1), WATERMARK)
Answer = ParityResult | Exception
MISMATCH = JobFailedError("The job failed with parity_mismatch.", code="parity_mismatch")


class FakeJobs:
    """Answers each parity job with the next of some results; `at` is when the controller says that it ended."""

    def __init__(self, answers: Iterable[Answer], at: datetime) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.at = at

    def run(
        self, job_type: str, params: dict[str, Any], model: object, **how: object
    ) -> FinishedJob[ParityResult]:
        assert (job_type, model, how["purpose"], how["timeout"]) == (PARITY_JOB, ParityResult, "parity", 300.0)
        self.asked.append(params)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return FinishedJob(a_job(job_type, at=self.at, completed_at=self.at), answer, (), (), 0.1)


class Bench:
    """A checker among fakes; the watermark follows the controller's clock one minute behind."""

    def __init__(self, *answers: Answer, controller: datetime = NOW) -> None:
        self.clock = FakeClock(0.0)
        self.jobs = FakeJobs(answers, controller)
        self.looks: list[datetime] = []

        def read() -> Any:
            mark = controller + timedelta(seconds=self.clock.now - 60)
            self.looks.append(mark)
            return replication(computed_through_ts=mark)

        self.watch = ReplicationWatch(read, pause=1.0, clock=self.clock, sleep=self.clock.sleep)
        self.checker = SpotChecker(
            cast("JobRunner", self.jobs), self.watch, job_timeout=300.0, settle_timeout=600.0
        )

    def check(self, *sensor_ids: str, sample: int = 5) -> SpotCheck:
        with frozen(NOW):
            return self.checker.check(WINDOW, sensor_ids, sample, purpose="parity")


def test_counts_that_agree_need_one_job_and_no_wait() -> None:
    bench = Bench(parity_result({"a": (10, 10), "b": (0, 0)}))
    spot = bench.check("a", "b")
    assert (spot.rows, spot.late) == (10, ())
    assert bench.looks == []
    assert bench.jobs.asked == [
        {
            "start": format_rfc3339(WINDOW.start),
            "end": format_rfc3339(WINDOW.end),
            "sensor_ids": ["a", "b"],
            "sample": 5,
            "fail_on_mismatch": True,
        }
    ]


def test_the_counts_become_a_record_of_the_jobs_own() -> None:
    counts = Bench(parity_result({"a": (10, 10)})).check().counts()
    assert (counts.source, counts.watermark) == ("job", WATERMARK)
    assert [(row.sensor_id, row.postgres, row.lake, row.matches) for row in counts.rows] == [("a", 10, 10, True)]


def test_late_rows_are_told_from_lost_ones_by_a_second_count_after_the_watermark_has_passed() -> None:
    bench = Bench(MISMATCH, parity_result({"a": (10, 8), "b": (5, 5)}), parity_result({"a": (11, 11)}))
    spot = bench.check("a", "b")
    assert [count.sensor_id for count in spot.late] == ["a"]
    assert bench.looks[-1] >= NOW
    assert [ask["fail_on_mismatch"] for ask in bench.jobs.asked] == [True, False, False]
    assert (bench.jobs.asked[-1]["sensor_ids"], bench.jobs.asked[-1]["sample"]) == (["a"], 1)


@pytest.mark.parametrize(("due", "lake", "not_due", "asked"), [(8, 8, 2, 2), (8, 8, 1, 3), (9, 8, 2, 3)])
def test_our_count_tells_late_rows_at_once_and_no_others(due: int, lake: int, not_due: int, asked: int) -> None:
    bench = Bench(MISMATCH, parity_result({"a": (10, 8)}), parity_result({"a": (10, 10)}))
    ours = [CountRow("a", None, due, lake, not_due, 0, matches=due == lake)]
    checker = SpotChecker(
        cast("JobRunner", bench.jobs),
        bench.watch,
        job_timeout=300.0,
        settle_timeout=600.0,
        own_count=lambda _window: ours,
    )
    with frozen(NOW):
        spot = checker.check(WINDOW, ["a"], 5, purpose="parity")
    assert [count.sensor_id for count in spot.late] == ["a"]
    assert len(bench.jobs.asked) == asked
    # named as late where its counts still differ: a reader of the record must not take it for a mismatch
    counts = spot.counts()
    assert counts.late == tuple(row.sensor_id for row in counts.rows if not row.matches)
    assert bool(counts.late) == (asked == 2)


def test_rows_that_are_still_missing_then_are_lost() -> None:
    bench = Bench(MISMATCH, *[parity_result({"a": (10, 8)})] * 4)
    with pytest.raises(MismatchError) as caught:
        bench.check("a")
    finding = job_mismatch(caught.value.window, caught.value.lost)
    assert finding.flagged
    assert finding.rows == 2
    assert [row.matches for row in caught.value.counts.rows] == [False]
    assert caught.value.counts.late == ()


def test_lost_rows_do_not_hide_behind_new_late_ones() -> None:
    # two were lost, and as many as come after each count make the lake's number grow past the one before
    answers = [parity_result({"a": (10 + more, 8 + more)}) for more in (0, 3, 6, 9)]
    with pytest.raises(NotCheckedError, match="keep differing"):
        Bench(MISMATCH, *answers).check("a")


def test_rows_that_keep_arriving_late_are_settled_by_one_equal_count() -> None:
    bench = Bench(
        MISMATCH, parity_result({"a": (10, 8)}), parity_result({"a": (12, 11)}), parity_result({"a": (12, 12)})
    )
    assert [count.sensor_id for count in bench.check("a").late] == ["a"]


def test_a_mismatch_that_is_gone_when_it_is_counted_again_is_no_mismatch() -> None:
    bench = Bench(MISMATCH, parity_result({"a": (10, 10)}))
    assert bench.check("a").late == ()
    assert len(bench.jobs.asked) == 2


def test_replication_that_stands_still_leaves_the_mismatch_open() -> None:
    bench = Bench(MISMATCH, parity_result({"a": (10, 8)}))
    stuck = ReplicationWatch(replication, pause=1.0, clock=bench.clock, sleep=bench.clock.sleep)
    checker = SpotChecker(cast("JobRunner", bench.jobs), stuck, job_timeout=300.0, settle_timeout=600.0)
    with frozen(NOW), pytest.raises(DeadlineError, match="which tells late rows from lost ones"):
        checker.check(WINDOW, ["a"], 5, purpose="parity")


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_moment_of_a_count_is_told_by_the_controllers_clock_and_not_by_ours(hours: int) -> None:
    controller = NOW + timedelta(hours=hours)
    bench = Bench(MISMATCH, parity_result({"a": (10, 8)}), parity_result({"a": (10, 10)}), controller=controller)
    assert bench.check("a").late
    assert bench.looks[-1] >= controller
    assert bench.clock.now <= 120


@pytest.mark.parametrize("code", ["duckdb_read_failed", "db_query_failed", "invalid_window", "no_sensors", ""])
def test_a_job_that_fails_for_another_reason_is_no_mismatch(code: str) -> None:
    bench = Bench(JobFailedError("It failed.", code=code))
    with pytest.raises(JobFailedError):
        bench.check("a")
    assert len(bench.jobs.asked) == 1


def test_a_job_that_counts_no_sensor_proves_nothing() -> None:
    with pytest.raises(NotCheckedError, match="counted no sensor"):
        Bench(parity_result({})).check()


def span(**changes: datetime) -> Window:
    return replace(WINDOW, **changes)


def one_row(lake: int, *, matches: bool, mismatches: int) -> ParityResult:
    row = {"sensor_id": "a", "pg_count": 10, "lake_count": lake, "matches": matches}
    return parity_result({"a": (10, lake)}, rows=[row], mismatches=mismatches)


def of_window(**changes: datetime) -> ParityResult:
    return parity_result({"a": (1, 1)}, window_checked=span(**changes))


@pytest.mark.parametrize(
    ("result", "asked", "says"),
    [
        (of_window(start=WINDOW.start + MICROSECOND), ["a"], "was asked for"),
        (of_window(start=WINDOW.start - MICROSECOND), ["a"], "was asked for"),
        (of_window(end=WINDOW.end + MICROSECOND), ["a"], "was asked for"),
        (parity_result({"a": (10, 8)}, mismatches=0), ["a"], "its own counts show"),
        (parity_result({"a": (10, 10)}, mismatches=1), ["a"], "its own counts show"),
        (one_row(8, matches=True, mismatches=1), ["a"], "its own counts show"),
        (one_row(10, matches=False, mismatches=0), ["a"], "its own counts show"),
        (parity_result({"a": (1, 1)}), ["a", "b"], "counted others, or not all"),
        (parity_result({"a": (1, 1)}, sensor_ids=("a", "b")), [], "counted others, or not all"),
    ],
)
def test_a_job_that_contradicts_itself_is_not_believed(result: ParityResult, asked: list[str], says: str) -> None:
    with pytest.raises(PromiseBrokenError, match=says):
        Bench(result).check(*asked)


@pytest.mark.parametrize(
    ("result", "asked", "rows"),
    [
        (of_window(end=WINDOW.end - SECOND), ["a"], 1),
        (parity_result({"a": (1, 1)}), [" a", "a", ""], 1),
        (parity_result({"x": (1, 1), "y": (2, 2)}), [], 3),
    ],
    ids=["cut short by the watermark", "asked for twice, or with spaces", "a sample of any sensors"],
)
def test_a_job_that_counted_what_it_could_is_believed(result: ParityResult, asked: list[str], rows: int) -> None:
    assert Bench(result).check(*asked).rows == rows


def test_a_second_count_that_leaves_out_the_mismatch_does_not_explain_it() -> None:
    bench = Bench(MISMATCH, parity_result({"a": (10, 8), "b": (1, 1)}), parity_result({"b": (1, 1)}))
    with pytest.raises(PromiseBrokenError, match="counted others, or not all"):
        bench.check("a", "b")
