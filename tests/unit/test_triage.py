from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import DAY, SECOND, WATERMARK, Row, keys_table, rows_table
from tsse_validation.diagnosis.count_triage import (
    beyond_watermark,
    explain_counts,
    healed,
    job_mismatch,
    narrowed_mismatch,
)
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.diagnosis.tally import NOTHING_TO_DO, REPEAT_BACKFILL
from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.domain.phrasing import count_of, days_in_words
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeFile
from tsse_validation.lake.shards import shard_of
from tsse_validation.parity.comparing import DayComparison, DayFiles, diff_rows
from tsse_validation.parity.count_rules import JobCount
from tsse_validation.parity.settling import Part
from tsse_validation.runlog.records import CountRow, Finding, RowDifference, RowVersion

pytestmark = pytest.mark.usefixtures("_one_duckdb")
SHARDS = 16
SENSOR = "006298880cd2dbb66247fdc3"
AT = datetime(2026, 1, 24, 12, 0, 0, tzinfo=UTC)
OWN = shard_of(SENSOR, SHARDS)
OWN_SHARD = DayFiles({OWN: 1})
OTHER_SHARD = DayFiles({f"{(int(OWN) + 1) % SHARDS:02d}": 1})
NO_FILES = DayFiles({})
NO_KEYS = keys_table([])


def row(
    value: float = 1.0, quality: int | None = 0, inserted_at: datetime | None = AT, sensor: str = SENSOR
) -> Row:
    return (sensor, AT, value, quality, inserted_at)


def day_of(
    postgres: Sequence[Row], lake: Sequence[Row], *, files: DayFiles = OWN_SHARD, day: date = DAY
) -> DayComparison:
    return diff_rows(day, rows_table(postgres), rows_table(lake), NO_KEYS, NO_KEYS, files)


def diagnose(comparisons: Sequence[DayComparison]) -> list[Finding]:
    triage = RowTriage(SHARDS, most_shown=200)
    for comparison in comparisons:
        triage.add(comparison)
    return triage.findings()


@pytest.mark.parametrize(
    ("diagnosis", "comparison"),
    [
        ("partition missing", day_of([row()], [], files=NO_FILES)),
        ("shard missing", day_of([row()], [], files=OTHER_SHARD)),
        ("rows missing", day_of([row()], [])),
        ("deleted in Postgres", day_of([], [row()])),
        ("stale value", day_of([row(1.0, inserted_at=AT + SECOND)], [row(2.0)])),
        ("stale value", day_of([row(quality=1, inserted_at=AT + SECOND)], [row(quality=0)])),
        ("changed in place", day_of([row(1.0)], [row(2.0)])),
        ("quality differs", day_of([row(quality=1)], [row(quality=None)])),
    ],
)
def test_each_kind_of_difference_has_its_diagnosis(diagnosis: str, comparison: DayComparison) -> None:
    (finding,) = diagnose([comparison])
    assert finding.diagnosis == diagnosis
    assert finding.flagged
    assert finding.heals_by_backfill
    assert finding.next_step == REPEAT_BACKFILL
    assert (finding.rows, finding.sensors, finding.days) == (1, (SENSOR,), (DAY,))
    assert finding.evidence
    assert str(DAY) in finding.summary


def test_rows_missing_where_nothing_else_is_gone_were_committed_late() -> None:
    rows = [("a lost row", AT, 1.0, 0, AT), row()]
    whole = replace(day_of(rows, []), nothing_gone={SENSOR})
    assert {found.diagnosis: found.rows for found in diagnose([whole])} == {
        "committed late": 1,
        "shard missing": 1,
    }
    told = diagnose([replace(whole, elsewhere=stands_in(DAY + timedelta(days=1)))])
    assert {found.diagnosis for found in told} == {"wrong date", "shard missing"}


def test_days_without_a_difference_have_no_finding() -> None:
    assert diagnose([day_of([row()], [row()])]) == []
    assert diagnose([]) == []


def test_the_same_diagnosis_on_several_days_is_one_finding() -> None:
    days = [DAY - timedelta(days=2), DAY - timedelta(days=1), DAY]
    (finding,) = diagnose([day_of([row()], [], day=day) for day in days])
    assert (finding.rows, finding.days) == (3, tuple(days))
    assert finding.summary.endswith(f"on 3 days from {days[0]} to {days[-1]}")


def test_sensors_are_named_by_how_much_they_lack() -> None:
    rows = [("a few", AT, 1.0, 0, AT), *(("many", AT + n * SECOND, 1.0, 0, AT) for n in range(3))]
    (finding,) = diagnose([day_of(rows, [], files=NO_FILES)])
    assert finding.sensors == ("many", "a few")


def test_what_is_late_is_told_and_not_flagged() -> None:
    (finding,) = explain_counts([CountRow("late", DAY, 1, 1, 3, 0, matches=True)])
    assert (finding.diagnosis, finding.flagged, finding.rows) == ("late arrival pending", False, 3)
    assert finding.next_step == NOTHING_TO_DO
    assert (finding.days, finding.sensors) == ((DAY,), ("late",))


def test_an_upsert_that_is_not_due_is_told_and_not_flagged() -> None:
    late, upsert = explain_counts([CountRow("late", DAY, 0, 0, 2, 1, matches=True)])
    assert (late.diagnosis, late.rows, late.flagged) == ("late arrival pending", 1, False)
    assert (upsert.diagnosis, upsert.rows, upsert.flagged) == ("upsert pending", 1, False)


def test_findings_are_told_the_most_specific_first() -> None:
    comparisons = [
        day_of([row(1.0)], [row(2.0)]),
        day_of([], [row()]),
        day_of([row()], []),
        day_of([row()], [], files=NO_FILES),
    ]
    assert [finding.diagnosis for finding in diagnose(comparisons)] == [
        "partition missing",
        "rows missing",
        "deleted in Postgres",
        "changed in place",
    ]


def stands_in(day: date, location: str = "hot") -> dict[tuple[str, datetime], LakeFile]:
    return {(SENSOR, AT.replace(tzinfo=None)): LakeFile(Path("part-1-0.parquet"), day, OWN, location, 1)}


@pytest.mark.parametrize(
    ("comparison", "diagnosis", "detail"),
    [
        (
            replace(day_of([row()], []), elsewhere=stands_in(DAY - timedelta(days=1))),
            "wrong date",
            "in date=2026-",
        ),
        (
            replace(day_of([row()], [], files=NO_FILES), elsewhere=stands_in(DAY, "cold")),
            "hidden by the manifest",
            "cold",
        ),
        (day_of([row()], [], files=DayFiles({OWN: 2}, {OWN: "torn.parquet"})), "unreadable file", "torn.parquet"),
    ],
)
def test_a_missing_row_is_told_by_its_files_first(comparison: DayComparison, diagnosis: str, detail: str) -> None:
    (finding,) = diagnose([comparison])
    assert (finding.diagnosis, finding.rows) == (diagnosis, 1)
    assert detail in finding.summary


def test_a_torn_file_explains_its_own_shard_and_no_other() -> None:
    (finding,) = diagnose([day_of([row()], [], files=DayFiles({OWN: 1, "99": 1}, {"99": "torn.parquet"}))])
    assert finding.diagnosis == "rows missing"


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([1.0, 2.0])), max_size=8))
def test_every_differing_row_is_in_exactly_one_flagged_finding(rows: list[tuple[bool, bool, float]]) -> None:
    postgres = [(f"s{n}", AT, 1.0, 0, AT) for n, (here, _there, _value) in enumerate(rows) if here]
    lake = [(f"s{n}", AT, value, 0, AT) for n, (_here, there, value) in enumerate(rows) if there]
    comparison = day_of(list(postgres), list(lake))
    findings = diagnose([comparison])
    assert sum(finding.rows for finding in findings if finding.flagged) == comparison.differences.num_rows
    assert len({finding.diagnosis for finding in findings}) == len(findings)


# ---- the watermark ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [timedelta(0), MICROSECOND, timedelta(days=1)])
def test_a_window_up_to_the_watermark_is_not_beyond_it(before: timedelta) -> None:
    assert beyond_watermark(Window(AT - timedelta(days=2), WATERMARK - before), WATERMARK) is None


def test_a_window_past_the_watermark_is_told_and_not_flagged() -> None:
    finding = beyond_watermark(Window(AT, WATERMARK + 5 * SECOND), WATERMARK)
    assert isinstance(finding, Finding)
    assert not finding.flagged
    assert "0:00:05 after the watermark" in finding.summary


# ---- late or lost ----------------------------------------------------------------------------------------------

COUNTS = st.integers(0, 20)


def test_a_mismatch_that_only_the_job_tells_of_names_its_sensors_and_counts() -> None:
    window = Window(WATERMARK - timedelta(days=1), WATERMARK)
    finding = job_mismatch([Part(window, (JobCount("a", 10, 8), JobCount("b", 1, 4)))])
    assert finding.flagged
    assert finding.rows == 5
    assert finding.sensors == ("a", "b")
    assert finding.days == (date(2026, 1, 23), date(2026, 1, 24))
    assert "a (Postgres 10, lake 8)" in finding.evidence


# ---- what is shown, and in which words -------------------------------------------------------------------------

HEAD = timedelta(hours=3)


def test_a_differing_row_is_shown_with_both_of_its_versions() -> None:
    postgres = [row(1.5, 3, AT), ("gone", AT, -0.0, None, None)]
    lake = [row(2.5, None, AT + SECOND), ("never", AT, None, 0, None)]
    triage = RowTriage(SHARDS, most_shown=200)
    triage.add(day_of(postgres, lake, files=NO_FILES))
    assert sorted(triage.shown, key=lambda shown: shown.sensor_id) == [
        RowDifference(
            kind="changed_value",
            diagnosis="changed in place",
            sensor_id=SENSOR,
            ts=AT,
            postgres=RowVersion("1.5", 3, "2026-01-24T12:00:00.000000+00:00"),
            lake=RowVersion("2.5", None, "2026-01-24T12:00:01.000000+00:00"),
        ),
        RowDifference(
            kind="missing",
            diagnosis="partition missing",
            sensor_id="gone",
            ts=AT,
            postgres=RowVersion("-0.0", None, None),
        ),
        RowDifference(
            kind="extra",
            diagnosis="deleted in Postgres",
            sensor_id="never",
            ts=AT,
            lake=RowVersion("None", 0, None),
        ),
    ]
    assert all(shown.ts.tzinfo is UTC for shown in triage.shown)
    assert triage.differing == 3


def test_of_many_rows_some_are_shown_and_all_are_counted() -> None:
    triage = RowTriage(SHARDS, most_shown=3)
    for day in (DAY, DAY + timedelta(days=1)):
        triage.add(day_of([row(sensor=f"s{n}") for n in range(2)], [], day=day, files=NO_FILES))
    assert (len(triage.shown), triage.differing) == (3, 4)
    assert [finding.rows for finding in triage.findings()] == [4]


def test_rows_of_a_pattern_are_told_by_it_and_by_the_files_where_those_know_better() -> None:
    rows = [(SENSOR, AT + n * HEAD, 1.0 + n, 0, AT) for n in range(4)]
    (lost,) = diagnose([day_of(rows, rows[2:])])
    assert (lost.diagnosis, lost.rows) == ("day head lost", 2)
    assert lost.summary == "2 rows of 1 sensor on 2026-01-24, nothing before 18:00:00"
    (torn,) = diagnose([day_of(rows, rows[2:], files=DayFiles({OWN: 1}, {OWN: "torn.parquet"}))])
    assert (torn.diagnosis, torn.rows) == ("unreadable file", 2)


def test_only_the_three_most_frequent_particulars_are_told() -> None:
    days = [DAY - timedelta(days=n) for n in range(1, 5)]
    comparisons = []
    for number, day in enumerate(days, start=1):
        rows = [(f"s{n}", AT, 1.0, 0, AT) for n in range(number)]
        file = LakeFile(Path("part-1-0.parquet"), day, OWN, "hot", 1)
        elsewhere = {(sensor, AT.replace(tzinfo=None)): file for sensor, *_ in rows}
        comparisons.append(replace(day_of(rows, []), elsewhere=elsewhere))
    (finding,) = diagnose(comparisons)
    told = ", ".join(f"in date={day}" for day in reversed(days[1:]))
    assert finding.summary == f"10 rows of 4 sensors on {DAY}, {told}"
    assert not finding.heals_by_backfill


def test_a_finding_names_fifty_sensors_and_counts_them_all() -> None:
    rows = [row(sensor=f"s{n:02d}") for n in range(60)]
    (finding,) = diagnose([day_of(rows, [], files=NO_FILES)])
    assert finding.sensors == tuple(f"s{n:02d}" for n in range(50))
    assert finding.summary == f"60 rows of 60 sensors on {DAY}"
    (late,) = explain_counts(CountRow(f"s{n:02d}", DAY, 1, 1, 1, 0, matches=True) for n in range(60))
    assert (late.sensors, late.rows) == (finding.sensors, 60)
    window = Window(AT, WATERMARK)
    counts = [JobCount(f"s{n:02d}", 2, 1) for n in range(60)]
    job = job_mismatch([Part(window, tuple(counts))])
    assert (job.sensors, job.rows) == (finding.sensors, 60)
    assert "s49 (" in job.evidence
    assert "s50 (" not in job.evidence
    narrowed = narrowed_mismatch("a", [(window, count) for count in counts])
    assert narrowed.evidence.count("Postgres 2, lake 1") == 50


def test_rows_inserted_after_the_watermark_are_told_in_these_words() -> None:
    yesterday = DAY - timedelta(days=1)
    found = explain_counts(
        [
            CountRow("a", DAY, 9, 9, 1_503, 3, matches=True),
            CountRow("b", yesterday, 9, 9, 2, 0, matches=True),
            CountRow("total", None, 9, 9, 99, 9, matches=True),
            CountRow("none", DAY, 9, 9, 0, 0, matches=True),
        ]
    )
    assert "not by ts: these are not due in the lake yet" in found[0].evidence
    assert found == [
        Finding(
            diagnosis="late arrival pending",
            flagged=False,
            summary="rows that were inserted after the watermark: 1,502",
            evidence=found[0].evidence,
            sensors=("a", "b"),
            days=(yesterday, DAY),
            rows=1_502,
            next_step=NOTHING_TO_DO,
        ),
        Finding(
            diagnosis="upsert pending",
            flagged=False,
            summary="rows of which Postgres has a newer version, inserted after the watermark: 3",
            evidence="the lake holds the version that was there at the watermark",
            sensors=("a",),
            days=(DAY,),
            rows=3,
            next_step=NOTHING_TO_DO,
        ),
    ]


def test_a_window_past_the_watermark_is_told_in_these_words() -> None:
    assert beyond_watermark(Window(AT, AT + 5 * SECOND), AT) == Finding(
        diagnosis="beyond the watermark",
        flagged=False,
        summary="the window asked for ends 0:00:05 after the watermark",
        evidence="checked up to 2026-01-24T12:00:00.000000+00:00 only; what lies behind is not promised yet",
        next_step="Ask for a window that ends before computed_through_ts, or run again later.",
    )


def test_a_mismatch_of_the_job_is_told_in_these_words() -> None:
    window = Window(AT, AT + SECOND)
    span = "2026-01-24T12:00:00.000000+00:00 → 2026-01-24T12:00:01.000000+00:00"
    assert job_mismatch([Part(window, (JobCount("a", 10, 8), JobCount("b", 1, 4)))]) == Finding(
        diagnosis="counts differ",
        flagged=True,
        summary=f"2 sensors differing within {span}",
        evidence="counted by the controller, and still so once its watermark had passed the first count: "
        "a (Postgres 10, lake 8), b (Postgres 1, lake 4)",
        sensors=("a", "b"),
        days=(DAY,),
        rows=5,
        next_step=REPEAT_BACKFILL,
        heals_by_backfill=True,
    )
    yesterday = Window(AT - timedelta(days=1), AT - timedelta(days=1))
    hours = [(window, JobCount("a", 10, 8)), (yesterday, JobCount("a", 1, 4)), (window, JobCount("a", 2, 1))]
    before = "2026-01-23T12:00:00.000000+00:00 → 2026-01-23T12:00:00.000000+00:00"
    assert narrowed_mismatch("a", hours) == Finding(
        diagnosis="counts differ",
        flagged=True,
        summary="a differs within 3 windows",
        evidence=f"narrowed down by the controller's counts: {span}: Postgres 10, lake 8; "
        f"{before}: Postgres 1, lake 4; {span}: Postgres 2, lake 1; which rows differ, counts cannot tell",
        sensors=("a",),
        days=(DAY - timedelta(days=1), DAY),
        rows=6,
        next_step=REPEAT_BACKFILL,
        heals_by_backfill=True,
    )


def test_a_heal_check_tells_what_still_differs_or_that_nothing_does() -> None:
    again = "the backfill was run again with replace_existing, and the range compared again"
    assert healed(1_234, 1) == Finding(
        diagnosis="repeatable: replication bug",
        flagged=True,
        summary="1 of 1,234 sensor-days still differ",
        evidence=again,
        next_step="Track it as a new task, with this report; do not mark TSSE-6 Done.",
    )
    assert healed(1, 0) == Finding(
        diagnosis="healed by a backfill",
        flagged=False,
        summary="1 sensor-day differed, none does after a backfill",
        evidence=again,
        next_step="Find out what had damaged the lake, then run the whole validation again.",
        heals_by_backfill=True,
    )


@pytest.mark.parametrize(("number", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1_000, "1,000 rows")])
def test_a_number_stands_with_its_noun(number: int, words: str) -> None:
    assert count_of(number, "row") == words


def test_days_are_told_by_their_number_and_ends() -> None:
    assert days_in_words([DAY]) == "2026-01-24"
    days = [DAY - timedelta(days=2), DAY - timedelta(days=1), DAY]
    assert days_in_words(days) == "3 days from 2026-01-22 to 2026-01-24"
