"""The grade that a run's records bear out, and how much of what there is was compared."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import (
    BEGIN,
    SEAL_ASKED,
    WATERMARK,
    WINDOW,
    count_row,
    counts_taken,
    finished,
    job_coverage,
    lake_sealed,
    planned,
    rows_compared,
    run_started,
    stack_described,
)
from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.catalogue import BOTH_SIDES, CHECKS, Gate
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window
from tsse_validation.grading import coverage_warnings, grade_reached, share_proven
from tsse_validation.runlog.beyond_record import BeyondCompared
from tsse_validation.runlog.records import CheckStatus, EarlierRun, ExtentSeen, Record, RunStarted, SettingValue
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.seal_record import SealUsed
from tsse_validation.verdict import decide

DAY = timedelta(days=1)
SHORTER = Window(BEGIN + DAY, WATERMARK)
ENDS_EARLIER = Window(BEGIN, WATERMARK - DAY)
ROWS = "test_every_due_row_is_in_the_lake_unchanged"
DIGESTS = "test_counts_agree_for_every_sensor_and_day"
JOB = "test_parity_job_finds_no_mismatch"
OURS = counts_taken(count_row("a", 300, 300), count_row("b", 0, 0))
THE_JOBS = counts_taken(count_row("a", 7, 7), source="job")


def run(
    *records: Record, absent: Sequence[Capability] = (), statuses: Mapping[str, CheckStatus] | None = None
) -> RunResult:
    """Return a run whose checks are all proven, but for those named."""
    checks = [finished(key, (statuses or {}).get(key, CheckStatus.PASSED)) for key in CHECKS]
    stack = stack_described(*absent, strict=False)
    return RunResult.from_records([run_started(), stack, *map(planned, CHECKS), *checks, *records])


def grade(
    *records: Record, absent: Sequence[Capability] = (), statuses: Mapping[str, CheckStatus] | None = None
) -> Assurance | None:
    reached = grade_reached(run(*records, absent=absent, statuses=statuses))
    return reached.assurance if reached else None


# ---- what each grade takes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["digest", "rows"])
def test_rows_that_were_compared_over_the_whole_range_are_a_proof(level: str) -> None:
    assert grade(rows_compared(300, level=level, covered=WINDOW)) is Assurance.PROOF


@pytest.mark.parametrize(
    ("compared", "what"),
    [
        (rows_compared(300, window=SHORTER, covered=WINDOW), "it begins too late"),
        (rows_compared(300, window=ENDS_EARLIER, covered=WINDOW), "it ends too early"),
        (rows_compared(0, covered=WINDOW), "it has no row"),
        (rows_compared(300, level="count", covered=WINDOW), "it has only counts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_comparison_that_falls_short_is_no_proof(compared: Record, what: str) -> None:
    assert grade(compared) is None, what
    assert grade(compared, OURS) is Assurance.COUNTS, what


@pytest.mark.parametrize("side", sorted(BOTH_SIDES))
def test_no_proof_and_no_own_count_without_either_side(side: Capability) -> None:
    assert grade(rows_compared(300), OURS, absent=[side]) is None


@pytest.mark.parametrize("status", [CheckStatus.UNPROVEN, CheckStatus.NOT_CHECKED, CheckStatus.BLOCKED])
@pytest.mark.parametrize("key", [key for key, spec in CHECKS.items() if spec.proves and spec.by_our_reading])
def test_no_proof_without_each_check_that_the_catalogue_asks_for(key: str, status: CheckStatus) -> None:
    found = grade(rows_compared(300), OURS, statuses={key: status})
    assert found is (Assurance.COUNTS if CHECKS[key].proves is Assurance.PROOF else None)


def test_every_check_of_both_sides_in_step_6_is_one_that_a_grade_takes() -> None:
    ungraded = {
        key
        for key, spec in CHECKS.items()
        if spec.gate is Gate.PARITY and spec.step == 6 and spec.by_our_reading and spec.proves is None
    }
    assert ungraded == {"test_parity_job_counts_as_we_do"}


def test_own_counts_are_those_of_the_whole_range_and_not_of_a_day_or_a_part() -> None:
    assert grade(OURS) is Assurance.COUNTS
    assert grade(counts_taken(count_row("a", 1, 1, day=WATERMARK.date()))) is None
    assert grade(OURS.model_copy(update={"window": SHORTER, "covered": WINDOW})) is None
    assert grade(counts_taken(count_row("a", 0, 0))) is None


def test_the_job_counts_where_it_has_counted_every_known_sensor_over_the_whole_range() -> None:
    api_only = sorted(BOTH_SIDES)
    assert grade(job_coverage(known=4), absent=api_only) is Assurance.COUNTS
    for short in (
        job_coverage(known=None),
        job_coverage(known=5),
        job_coverage(window=SHORTER),
        job_coverage(window=ENDS_EARLIER),
        job_coverage(0),
        job_coverage(sensors=0),
    ):
        assert grade(short, absent=api_only) is None
        assert grade(short, THE_JOBS, absent=api_only) is Assurance.SAMPLE


def test_no_grade_by_the_job_without_its_check() -> None:
    assert grade(job_coverage(), THE_JOBS, absent=sorted(BOTH_SIDES), statuses={JOB: CheckStatus.UNPROVEN}) is None


def test_a_sample_without_a_row_is_nothing() -> None:
    empty = counts_taken(count_row("a", 0, 0), source="job")
    assert grade(empty, absent=sorted(BOTH_SIDES)) is None


def test_a_log_of_an_earlier_version_proves_what_its_records_bear_out() -> None:
    """It has no covered range, and compared no less; of the job it has the spot check alone."""
    assert grade(rows_compared(300), OURS) is Assurance.PROOF
    assert grade(THE_JOBS, absent=sorted(BOTH_SIDES)) is Assurance.SAMPLE
    old = run_started().model_dump(mode="json", exclude={"required"})
    assert RunStarted.model_validate(old).required is Assurance.PROOF


def test_the_words_tell_by_whose_reading() -> None:
    api_only = sorted(BOTH_SIDES)
    said = {
        name: reached.words
        for name, result in {
            "proof": run(rows_compared(300)),
            "ours": run(OURS),
            "job": run(job_coverage(), absent=api_only),
            "sample": run(THE_JOBS, absent=api_only),
        }.items()
        if (reached := grade_reached(result))
    }
    assert said == {
        "proof": "every due row of every sensor, both sides read by us",
        "ours": "our own counts of both sides; 100 % of sensors, values not compared",
        "job": "the controller's own word; 100 % of sensors, values not compared",
        "sample": "the controller's own word; 1 sensor in one window, values not compared",
    }


# ---- any run ---------------------------------------------------------------------------------------------------

EVIDENCE = st.lists(
    st.sampled_from(
        [
            rows_compared(300, covered=WINDOW),
            rows_compared(300, window=SHORTER, covered=WINDOW),
            rows_compared(0),
            OURS,
            THE_JOBS,
            job_coverage(),
            counts_taken(count_row("a", 0, 0), source="job"),
            ExtentSeen(covered=WINDOW, postgres_rows=400),
            lake_sealed(),
            lake_sealed(left=1),
            lake_sealed(unchanged=9, reread=1),
        ]
    ),
    unique_by=id,
)
PROVING = [key for key, spec in CHECKS.items() if spec.proves]


@given(
    EVIDENCE,
    st.dictionaries(st.sampled_from(PROVING), st.sampled_from(CheckStatus), max_size=2),
    st.sets(st.sampled_from(sorted(BOTH_SIDES))),
    st.integers(0),
    st.booleans(),
)
def test_a_record_that_is_taken_away_never_makes_the_grade_higher(
    evidence: list[Record], statuses: dict[str, CheckStatus], absent: set[Capability], place: int, by_seal: bool
) -> None:
    sealed = any(isinstance(one, SealUsed) for one in evidence)
    started = run_started(settings=(SEAL_ASKED,)) if by_seal or sealed else run_started()
    checks = [finished(key, statuses.get(key, CheckStatus.PASSED)) for key in CHECKS]
    records: list[Record] = [stack_described(*absent), *checks, *evidence]
    whole = grade_reached(RunResult.from_records([started, *records]))
    del records[place % len(records)]
    less = grade_reached(RunResult.from_records([started, *records]))
    if less is not None:
        assert whole is not None
        assert whole.assurance.reaches(less.assurance)


# ---- how much of what there is ---------------------------------------------------------------------------------


def extent(**more: object) -> ExtentSeen:
    return ExtentSeen.model_validate({"covered": WINDOW} | more)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ([], "300 of an unknown number of rows, 2025-10-26 to 2026-01-24"),
        ([extent()], "300 of an unknown number of rows, 2025-10-26 to 2026-01-24"),
        ([extent(postgres_rows=1_007_552)], "300 of 1,007,552 rows, 2025-10-26 to 2026-01-24"),
        ([extent(postgres_rows=1_007_552, exact=False)], "300 of about 1,007,552 rows, 2025-10-26 to 2026-01-24"),
        ([extent(postgres_rows=299)], "300 of about 299 rows, 2025-10-26 to 2026-01-24"),
    ],
)
def test_the_share_is_told_of_what_postgres_holds(seen: list[Record], words: str) -> None:
    result = run(rows_compared(300), OURS, *seen)
    share = share_proven(result, grade_reached(result))
    assert share.words == words
    assert (share.rows, share.days, share.first, share.last) == (
        300,
        91,
        date(2025, 10, 26),
        date(2026, 1, 24),
    )


def test_rows_that_were_compared_beyond_the_range_are_part_of_the_share() -> None:
    beyond = BeyondCompared(
        level="digest", cover="lake", since=BEGIN, watermark=WATERMARK, rows=50, sensors=1, differing=0, not_due=0,
        pending=0,
    )  # fmt: skip
    result = run(rows_compared(300), OURS, extent(postgres_rows=400), beyond)
    assert share_proven(result, grade_reached(result)).words == "350 of 400 rows, 2025-10-26 to 2026-01-24"
    assert decide(result).rows_compared == 350


def test_the_share_of_a_run_that_compared_nothing_and_of_one_day() -> None:
    nothing = share_proven(run(), None)
    assert (nothing.words, nothing.rows, nothing.days, nothing.first) == ("no row", 0, 0, None)
    day = Window(WATERMARK - timedelta(hours=1), WATERMARK)
    result = run(counts_taken(count_row("a", 7, 7), source="job", window=day), absent=sorted(BOTH_SIDES))
    assert share_proven(result, grade_reached(result)).words == "7 of an unknown number of rows, 2026-01-24"


def test_rows_that_were_compared_and_differ_are_a_share_without_a_grade() -> None:
    result = run(rows_compared(300, differing=3), statuses=dict.fromkeys((ROWS, DIGESTS), CheckStatus.FAILED))
    assert grade_reached(result) is None
    assert share_proven(result, None).rows == 300


def warnings(*records: Record, absent: Sequence[Capability] = ()) -> list[str]:
    result = run(*records, absent=absent)
    reached = grade_reached(result)
    return list(coverage_warnings(result, reached, share_proven(result, reached)))


WHOLE = rows_compared(300)
FIRST, LAST = BEGIN.date(), WATERMARK.date()


def test_a_range_as_large_as_the_lake_is_not_warned_of() -> None:
    assert warnings(WHOLE) == []
    assert warnings(WHOLE, extent(lake_first=FIRST, lake_last=LAST)) == []
    cover = SettingValue(name="cover", value="lake", source="command line")
    asked = run(WHOLE, extent(unpromised_rows=7))
    asked = asked.model_copy(update={"started": run_started(settings=(cover,))})
    assert list(coverage_warnings(asked, grade_reached(asked), share_proven(asked, grade_reached(asked)))) == []
    # nothing of it is left out, whatever the dates
    assert warnings(WHOLE, extent(lake_first=FIRST - DAY, lake_last=LAST + DAY, unpromised_rows=0)) == []


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ({"lake_first": FIRST - DAY}, "the lake begins at 2025-10-25, and what was compared at 2025-10-26"),
        ({"lake_last": LAST + DAY}, "the lake ends at 2026-01-25, and what was compared at 2026-01-24"),
        (
            {"unpromised_rows": 14_270, "unpromised_dates": 80},
            "not compared, since no backfill promises them: 14,270 rows of the lake on 80 dates (--cover lake",
        ),
        ({"unpromised_rows": 1}, "not compared, since no backfill promises them: 1 row of the lake (--cover lake"),
    ],
)
def test_a_range_smaller_than_the_lake_is_said(seen: dict[str, object], says: str) -> None:
    (warning,) = warnings(WHOLE, extent(**seen))
    assert warning.startswith(says)


def earlier(**more: object) -> EarlierRun:
    fields: dict[str, object] = {
        "run_id": "20260123T163505Z-live-0001",
        "at": WATERMARK - DAY,
        "outcome": "GO",
        "assurance": "proof",
        "rows": 300,
        "days": 91,
        "first": FIRST - DAY,
        "last": LAST - DAY,
    }
    return EarlierRun.model_validate(fields | more)


@pytest.mark.parametrize("more", [{}, {"rows": 310}, {"days": 92}, {"assurance": None}, {"assurance": "counts"}])
def test_a_run_like_the_last_is_not_warned_of(more: dict[str, object]) -> None:
    assert warnings(WHOLE, earlier(**more)) == []


@pytest.mark.parametrize("more", [{"rows": 20_700}, {"days": 93}])
def test_a_run_that_is_smaller_than_the_last_says_so(more: dict[str, object]) -> None:
    (warning,) = warnings(WHOLE, earlier(**more))
    assert warning.startswith(
        "smaller than the last run of this controller, 20260123T163505Z-live-0001: that compared"
    )
    assert "by proof, 2025-10-25 to 2026-01-23; this one 300 of an unknown number of rows" in warning


def test_a_lower_grade_than_the_last_run_s_is_said() -> None:
    warning, *_ = warnings(job_coverage(), earlier(), absent=[Capability.LAKE])
    assert "by proof" in warning


def test_a_run_that_fails_over_as_many_rows_is_not_told_to_be_smaller() -> None:
    key = "test_every_due_row_is_in_the_lake_unchanged"
    failed = decide(run(WHOLE, earlier(), statuses=dict.fromkeys(CHECKS, CheckStatus.FAILED)))
    assert (failed.outcome, failed.assurance, failed.warnings) == ("NO-GO", None, ())
    fewer = decide(run(WHOLE, earlier(rows=20_700), statuses={key: CheckStatus.FAILED}))
    assert len(fewer.warnings) == 1


def test_what_a_count_by_the_job_leaves_out_is_said() -> None:
    job = job_coverage(surplus=7)
    (copies,) = warnings(job, absent=[Capability.LAKE])
    assert copies.startswith("the lake holds 7 rows beyond those of Postgres, which can be copies")
    assert warnings(WHOLE, job) == []
    unnamed, *_ = warnings(job_coverage(), absent=[Capability.POSTGRES])
    assert unnamed.startswith("deleted sensors were left out: the job counts them by name only")


def test_the_verdict_carries_them() -> None:
    verdict = decide(run(WHOLE, earlier(rows=20_700)))
    assert len(verdict.warnings) == 1
    assert verdict.proven is not None
    assert verdict.proven.rows == 300
