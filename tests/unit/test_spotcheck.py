"""The parity job's counts, with a job runner and a replication that answer as a test says."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.builders import SECOND, WATERMARK, FakeClock, a_job, parity_result, replication
from tests.support.clocks import frozen
from tsse_validation.clients.jobs import FinishedJob, JobRunner
from tsse_validation.clients.watch import ReplicationWatch
from tsse_validation.diagnosis.count_triage import copies_counted, job_mismatch
from tsse_validation.domain.contract import PARITY_JOB, InspectedDataset, ParityResult
from tsse_validation.domain.errors import DeadlineError, JobFailedError, NotCheckedError, PromiseBrokenError
from tsse_validation.domain.instants import MICROSECOND, format_rfc3339, parse_rfc3339
from tsse_validation.domain.windows import Window
from tsse_validation.lake.shards import shard_of
from tsse_validation.parity.by_job import MismatchError, SpotCheck, SpotChecker
from tsse_validation.parity.count_rules import OwnCount
from tsse_validation.parity.job_counts import ParityJobs
from tsse_validation.parity.settling import ByCountingAgain, ByOurReading

NOW = WATERMARK + 60 * SECOND
WINDOW = Window(WATERMARK - timedelta(hours=1), WATERMARK)
Answer = ParityResult | Exception
DAY = WATERMARK.date()


class FakeJobs:
    """Answers each parity job with the next of some results; `at` is when the controller says that it ended."""

    def __init__(self, answers: Iterable[Answer], at: datetime, posts: int = 60) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.at = at
        self.core = SimpleNamespace(budget=SimpleNamespace(available=lambda: posts - len(self.asked)))

    def run(
        self, job_type: str, params: dict[str, Any], model: object, **how: object
    ) -> FinishedJob[ParityResult]:
        assert (job_type, model, how["purpose"], how["timeout"]) == (PARITY_JOB, ParityResult, "parity", 300.0)
        self.asked.append(params)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        span = Window(parse_rfc3339(params["start"]), parse_rfc3339(params["end"]))
        if answer.window_checked == WINDOW:
            answer = answer.model_copy(update={"window_checked": span})
        return FinishedJob(a_job(job_type, at=self.at, completed_at=self.at), answer, (), (), 0.1)


class Bench:
    """A checker among fakes; the watermark follows the controller's clock one minute behind.

    `files` are what an inspection finds on the window's date, by shard.
    """

    def __init__(
        self, *answers: Answer, controller: datetime = NOW, files: Mapping[str, int] | None = None, posts: int = 60
    ) -> None:
        self.clock = FakeClock(0.0)
        self.jobs = FakeJobs(answers, controller, posts)
        self.looks: list[datetime] = []

        def read() -> Any:
            mark = controller + timedelta(seconds=self.clock.now - 60)
            self.looks.append(mark)
            return replication(computed_through_ts=mark)

        self.watch = ReplicationWatch(read, pause=1.0, clock=self.clock, sleep=self.clock.sleep)
        self.lake = partitions({DAY: files or {}})
        self.checker = self.against(self.watch)

    def against(self, watch: ReplicationWatch) -> SpotChecker:
        counter = ParityJobs(cast("JobRunner", self.jobs), 300.0)
        again = ByCountingAgain(counter, watch, lambda: self.lake, shards=16, settle_timeout=600.0, posts_kept=15)
        return SpotChecker(counter, again)

    def check(self, *sensor_ids: str, sample: int = 5) -> SpotCheck:
        with frozen(NOW):
            return self.checker.check(WINDOW, sensor_ids, sample, purpose="parity")


def partitions(dates: Mapping[date, Mapping[str, int]]) -> InspectedDataset:
    """Return an inspection's dataset from the number of files by date and shard."""
    return InspectedDataset.model_validate(
        {
            "partitions": {
                day: {
                    "location": "hot",
                    "shards": {shard: {"parquet_files": n, "total_bytes": 1} for shard, n in shards.items()},
                }
                for day, shards in dates.items()
            }
        }
    )


def twice(first: dict[str, tuple[int, int]]) -> list[Answer]:
    """Return the answers to one exact count: the lake's side first, and then Postgres's."""
    return [parity_result(first), parity_result(first)]


def test_counts_that_agree_need_one_job_and_no_wait() -> None:
    bench = Bench(parity_result({"a": (10, 10), "b": (0, 0)}))
    spot = bench.check("a", "b")
    assert (spot.rows, spot.explained.late) == (10, frozenset())
    assert bench.looks == []
    assert bench.jobs.asked == [
        {
            "start": format_rfc3339(WINDOW.start),
            "end": format_rfc3339(WINDOW.end),
            "sensor_ids": ["a", "b"],
            "sample": 5,
            "fail_on_mismatch": False,
        }
    ]


def test_the_counts_become_a_record_of_the_jobs_own() -> None:
    counts = Bench(parity_result({"a": (10, 10)})).check().counts()
    assert (counts.source, counts.watermark) == ("job", WATERMARK)
    assert [(row.sensor_id, row.postgres, row.lake, row.matches) for row in counts.rows] == [("a", 10, 10, True)]


def test_late_rows_are_told_from_lost_ones_by_a_second_count_after_the_watermark_has_passed() -> None:
    bench = Bench(parity_result({"a": (10, 8), "b": (5, 5)}), *twice({"a": (11, 11)}))
    spot = bench.check("a", "b")
    assert spot.explained.late == {"a"}
    assert bench.looks[-1] >= NOW
    assert (bench.jobs.asked[-1]["sensor_ids"], bench.jobs.asked[-1]["sample"]) == (["a"], 1)
    assert spot.counts().late == ("a",)


def test_the_lakes_side_is_counted_to_the_same_microsecond_by_a_window_that_ends_before() -> None:
    # the job reaches a microsecond further in the lake: a row there is none of this window
    bench = Bench(parity_result({"a": (10, 11)}), parity_result({"a": (9, 10)}), parity_result({"a": (10, 11)}))
    assert bench.check("a").explained.copies == ()
    ends = [ask["end"] for ask in bench.jobs.asked]
    assert ends == [format_rfc3339(end) for end in (WINDOW.end, WINDOW.end - MICROSECOND, WINDOW.end)]
    assert bench.looks == [], "nothing is late: there is nothing to wait for"


def test_rows_that_are_still_missing_then_are_lost() -> None:
    bench = Bench(*[parity_result({"a": (10, 8)})] * 7)
    with pytest.raises(MismatchError) as caught:
        bench.check("a")
    finding = job_mismatch(caught.value.lost)
    assert finding.flagged
    assert finding.rows == 2
    counts = caught.value.spot.counts()
    assert ([row.matches for row in counts.rows], counts.late) == ([False], ())


def test_lost_rows_do_not_hide_behind_new_late_ones() -> None:
    # two were lost, and as many as come after each count make the lake's number grow past the one before
    answers = [parity_result({"a": (10 + more, 8 + more)}) for more in (0, 3, 3, 6, 6, 9, 9)]
    with pytest.raises(NotCheckedError, match="keep differing"):
        Bench(*answers).check("a")


def test_rows_that_keep_arriving_late_are_settled_by_one_equal_count() -> None:
    bench = Bench(parity_result({"a": (10, 8)}), *twice({"a": (12, 11)}), *twice({"a": (12, 12)}))
    assert bench.check("a").explained.late == {"a"}


# ---- copies that wait for compaction ---------------------------------------------------------------------------

A, ANOTHER = shard_of("a", 16), shard_of("c", 16)
UPSERTED = {"a": (147, 157)}


def test_a_surplus_where_rows_stand_in_several_files_can_be_copies_and_is_told_as_such() -> None:
    spot = Bench(parity_result(UPSERTED), *twice(UPSERTED), files={A: 2}).check("a")
    assert (spot.explained.surplus, spot.explained.late) == (10, frozenset())
    finding = copies_counted(spot.explained, read=False)
    assert not finding.flagged
    assert (finding.rows, finding.sensors) == (10, ("a",))
    assert "cannot exclude a lost row beside a doubled one" in finding.evidence
    assert spot.counts().late == ("a",), "a reader of the record must not take it for a mismatch"


@pytest.mark.parametrize(
    "files", [{A: 1}, {ANOTHER: 9}, {}], ids=["one file", "of another shard", "no file at all"]
)
def test_a_surplus_in_one_file_is_a_mismatch(files: Mapping[str, int]) -> None:
    assert A != ANOTHER
    bench = Bench(parity_result(UPSERTED), *twice(UPSERTED) * 3, files=files)
    with pytest.raises(MismatchError):
        bench.check("a")


def test_a_loss_is_seen_beside_copies_as_long_as_it_is_larger() -> None:
    lost = {"a": (147, 146)}
    with pytest.raises(MismatchError):
        Bench(parity_result(lost), *twice(lost) * 3, files={A: 5}).check("a")


def test_a_surplus_that_a_compaction_has_taken_away_meanwhile_is_none() -> None:
    bench = Bench(parity_result(UPSERTED), *twice(UPSERTED), *twice({"a": (147, 147)}), files={A: 1})
    assert bench.check("a").explained.copies == ()


def test_a_lake_of_more_shards_than_the_setting_says_is_judged_by_each_dates_fullest() -> None:
    spot = Bench(parity_result(UPSERTED), *twice(UPSERTED), files={A: 1, "31": 2}).check("a")
    assert spot.explained.surplus == 10


def test_an_id_that_the_job_trims_is_not_counted_again_and_never_taken_for_late() -> None:
    bench = Bench(parity_result({" a ": (10, 8), "b": (3, 3)}))
    with pytest.raises(NotCheckedError, match="' a ' cannot be counted again"):
        bench.check()
    assert len(bench.jobs.asked) == 1


# ---- by our own reading of both sides --------------------------------------------------------------------------


def by_ours(bench: Bench, *ours: OwnCount) -> SpotCheck:
    readings = list(ours)
    counter = ParityJobs(cast("JobRunner", bench.jobs), 300.0)
    explaining = ByOurReading(counter, lambda _windows, _sensors: {"a": readings.pop(0)})
    return SpotChecker(counter, explaining).check(WINDOW, ["a"], 5, purpose="parity")


@pytest.mark.parametrize(("due", "not_due"), [(8, 2), (8, 3), (9, 1)])
def test_our_count_tells_late_rows_at_once(due: int, not_due: int) -> None:
    bench = Bench(parity_result({"a": (10, due)}))
    spot = by_ours(bench, OwnCount(due, not_due, due, rows=due))
    assert spot.explained.late == {"a"}
    assert (len(bench.jobs.asked), bench.looks) == (1, [])
    assert spot.counts().late == ("a",)


def test_our_count_explains_copies_exactly() -> None:
    spot = by_ours(Bench(parity_result(UPSERTED)), OwnCount(147, 0, 147, rows=157))
    assert (spot.explained.surplus, spot.explained.lost) == (10, ())


def test_a_copy_more_than_there_are_is_not_explained() -> None:
    ours = [OwnCount(147, 0, 147, rows=156)] * 4
    with pytest.raises(MismatchError) as caught:
        by_ours(Bench(*[parity_result(UPSERTED)] * 4), *ours)
    assert caught.value.spot.explained.reasons == ("a in lake: the job says 157, we find 147 to 156",)


def test_copies_that_were_compacted_before_we_read_them_are_counted_once_more() -> None:
    ours = [OwnCount(147, 0, 147, rows=147)] * 2
    bench = Bench(parity_result(UPSERTED), parity_result({"a": (147, 147)}))
    assert by_ours(bench, *ours).explained.lost == ()
    assert len(bench.jobs.asked) == 2


def test_a_row_that_came_in_between_our_reading_and_the_jobs_second_count_speaks_against_nobody() -> None:
    bench = Bench(parity_result(UPSERTED), parity_result({"a": (148, 147)}))
    counter = ParityJobs(cast("JobRunner", bench.jobs), 300.0)
    before, after = OwnCount(147, 0, 147, rows=147), OwnCount(147, 1, 147, rows=147)
    explaining = ByOurReading(counter, lambda *_: {"a": before}, again=lambda *_: {"a": after})
    spot = SpotChecker(counter, explaining).check(WINDOW, ["a"], 5, purpose="parity")
    assert spot.explained.late == {"a"}
    assert spot.explained.lost == ()


def test_what_our_own_reading_finds_lost_is_a_mismatch_at_once() -> None:
    bench = Bench(parity_result({"a": (10, 9)}))
    with pytest.raises(MismatchError) as caught:
        by_ours(bench, OwnCount(10, 0, 9, matches=False, rows=9))
    assert (caught.value.spot.explained.reasons, len(bench.jobs.asked)) == ((), 1)


def test_replication_that_stands_still_leaves_the_mismatch_open() -> None:
    bench = Bench(parity_result({"a": (10, 8)}))
    stuck = ReplicationWatch(replication, pause=1.0, clock=bench.clock, sleep=bench.clock.sleep)
    with frozen(NOW), pytest.raises(DeadlineError, match="which tells late rows from lost ones"):
        bench.against(stuck).check(WINDOW, ["a"], 5, purpose="parity")


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_moment_of_a_count_is_told_by_the_controllers_clock_and_not_by_ours(hours: int) -> None:
    controller = NOW + timedelta(hours=hours)
    bench = Bench(parity_result({"a": (10, 8)}), *twice({"a": (10, 10)}), controller=controller)
    assert bench.check("a").explained.late
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
    bench = Bench(parity_result({"a": (10, 8), "b": (1, 1)}), parity_result({"b": (1, 1)}))
    with pytest.raises(PromiseBrokenError, match="counted others, or not all"):
        bench.check("a", "b")
