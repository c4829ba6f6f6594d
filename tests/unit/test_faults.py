"""Each fault is told once: no failed check is lost, and none is told beside the finding that explains it."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import WINDOW, count_row, counts_taken, finished, good_run, rows_compared
from tsse_validation.diagnosis.tally import COUNTS_DIFFER, NAMED_SENSORS
from tsse_validation.domain.catalogue import CHECKS
from tsse_validation.domain.outcome import Outcome
from tsse_validation.faults import _PLACES, MOST_SUMMARIES, Faults, faults_of
from tsse_validation.runlog.records import CheckFinished, CheckStatus, CountsTaken, Finding, Record, WindowChecked
from tsse_validation.runlog.result import RunResult
from tsse_validation.verdict import decide

DAY, OTHER_DAY = date(2026, 1, 5), date(2026, 1, 6)
JOB, SENSORS, DAYS, ROWS = (
    "test_parity_job_finds_no_mismatch",
    "test_counts_agree_for_every_sensor",
    "test_counts_agree_for_every_sensor_and_day",
    "test_every_due_row_is_in_the_lake_unchanged",
)
RECENT = "test_watermark_is_recent"
LOST = "rows missing: 7 rows of 1 sensor on 2026-01-05"


def finding(diagnosis: str = "rows missing", *, flagged: bool = True, **more: object) -> Finding:
    fields: dict[str, object] = {"summary": "7 rows of 1 sensor on 2026-01-05", "sensors": ("a",), "days": (DAY,)}
    return Finding.model_validate({"diagnosis": diagnosis, "flagged": flagged, "rows": 7} | fields | more)


def failed(key: str, *, triaged: bool = True, diagnoses: Sequence[str] = ()) -> CheckFinished:
    told = {"triaged": triaged, "diagnoses": tuple(diagnoses)}
    return finished(key, CheckStatus.FAILED, f"as {key}", **told)


def short(sensor: str = "a", day: date | None = DAY, source: str = "direct") -> CountsTaken:
    return counts_taken(count_row(sensor, 21, 14, day=day), source=source)


def window(sensor: str, source: str) -> WindowChecked:
    at = WINDOW.start.replace(month=1, day=5, year=2026)
    fields = {"edge": "midnight", "source": source, "start": at, "end": at + timedelta(hours=1), "sensors": 1}
    return WindowChecked.model_validate(fields | {"postgres": 7, "lake": 0, "mismatching": (sensor,)})


def faults(*records: Record) -> Faults:
    return faults_of(RunResult.from_records([good_run()[0], *records]))


def test_a_lost_row_that_every_check_sees_is_one_fault() -> None:
    checks = [failed(key) for key in (JOB, SENSORS, DAYS)]
    found = faults(
        *checks,
        failed(ROWS, diagnoses=["rows missing"]),
        failed("test_random_windows_agree_by_direct_count"),
        failed("test_random_windows_agree_by_the_parity_job"),
        *(short(day=None), short(), short(day=None, source="job")),
        *(window("a", "direct"), window("a", "job")),
        finding(),
        finding(COUNTS_DIFFER, summary="1 sensor differing within an hour"),
    )
    assert found.lines == (LOST,)
    assert len(found.explained) == 6


@pytest.mark.parametrize(
    "records",
    {
        "of another kind": [failed(DAYS, triaged=False), short(), finding()],
        "of another sensor": [failed(DAYS), short("b"), finding()],
        "of another day": [failed(DAYS), short(day=OTHER_DAY), finding()],
        "of one sensor more": [failed(DAYS), short(), short("b"), finding()],
        "by a finding that is no fault": [failed(DAYS), short(), finding(flagged=False)],
        "of no finding": [failed(DAYS), short()],
        "of no record": [failed(DAYS), finding()],
        "of a diagnosis that nobody has found": [failed(DAYS, diagnoses=["shard missing"]), short(), finding()],
        "of one diagnosis more": [failed(DAYS, diagnoses=["rows missing", "shard missing"]), finding()],
        "of a check whose records nobody knows": [failed(RECENT), short(), finding()],
        "of the job alone": [failed(JOB), short("b", None, "job"), short(), finding()],
        "of a window alone": [
            failed("test_random_windows_agree_by_the_parity_job"),
            window("b", "job"),
            window("a", "direct"),
            finding(),
        ],
    }.values(),
    ids=str,
)
def test_a_failed_check_that_no_finding_explains_is_a_fault_of_its_own(records: list[Record]) -> None:
    found = faults(*records)
    assert found.explained == ()
    assert [line for line in found.lines if line.startswith("step ")]


def test_faults_stand_in_the_order_of_the_runbook() -> None:
    windows = "test_random_windows_agree_by_direct_count"
    found = faults(failed(windows, triaged=False), finding(), failed(RECENT, triaged=False))
    titles = [CHECKS[RECENT].title, LOST, CHECKS[windows].title]
    assert [title in line for title, line in zip(titles, found.lines, strict=True)] == [True] * 3


def test_a_diagnosis_is_one_fault_however_many_findings_it_has() -> None:
    many = [finding(summary=f"{number} rows") for number in range(MOST_SUMMARIES + 2)]
    found = faults(*many, many[0], finding("shard missing"))
    assert found.lines[0] == "rows missing: 0 rows; 1 rows; 2 rows; and 2 more"
    assert len(found.lines) == 2


def test_a_finding_that_names_the_most_sensors_stands_for_the_others_of_its_days() -> None:
    most = tuple(f"s{number}" for number in range(NAMED_SENSORS))
    assert faults(failed(DAYS), short("b"), finding(sensors=most)).explained
    assert not faults(failed(DAYS), short("b"), finding(sensors=most[1:])).explained
    assert not faults(failed(DAYS), short("b", OTHER_DAY), finding(sensors=most)).explained


def test_counts_that_differ_where_no_row_was_read_are_a_fault() -> None:
    counted = finding(COUNTS_DIFFER, summary="1 sensor differing")
    of_job = (failed(JOB), short(day=None, source="job"), counted)
    assert faults(*of_job).lines == ("counts differ: 1 sensor differing",)
    assert faults(*of_job).explained == ("parity_job_finds_no_mismatch",)
    assert len(faults(*of_job, finding(sensors=("b",))).lines) == 2


def test_late_rows_of_the_job_need_no_explanation() -> None:
    late = short(day=None, source="job").model_copy(update={"late": ("a",)})
    assert faults(failed(JOB), late, short("b", None, "job"), finding(sensors=("b",))).explained


def test_every_check_whose_records_are_looked_at_is_in_the_catalogue() -> None:
    assert _PLACES.keys() <= CHECKS.keys()


NAMES = st.sampled_from(["a", "b", "c"])
PLACES = st.lists(st.tuples(NAMES, st.sampled_from([DAY, OTHER_DAY])), max_size=4)
FAILED = st.builds(
    failed, st.sampled_from([JOB, SENSORS, DAYS, ROWS, RECENT]), triaged=st.booleans(), diagnoses=st.sets(NAMES)
)
FINDINGS = st.builds(finding, NAMES, flagged=st.booleans(), sensors=st.sets(NAMES).map(tuple))


@given(st.lists(FAILED, max_size=4), st.lists(FINDINGS, max_size=4), PLACES)
def test_no_fault_is_ever_lost(
    checks: list[CheckFinished], findings: list[Finding], places: list[tuple[str, date]]
) -> None:
    counted = [short(sensor, day) for sensor, day in places]
    result = RunResult.from_records([*good_run(), *checks, *findings, *counted, rows_compared(300)])
    found, flagged = faults_of(result), {one.diagnosis for one in findings if one.flagged}
    told = [line for line in found.lines if line.startswith("step ")]
    # each failed check is told or explained, and each flagged finding has its line
    assert len(told) + len(found.explained) == len(checks)
    assert {line.split(":")[0] for line in found.lines} - {line.split(":")[0] for line in told} == flagged
    assert not found.explained or flagged
    assert (decide(result).outcome is Outcome.NO_GO) == bool(checks or flagged)


@pytest.mark.parametrize("several", [False, True])
def test_the_verdict_counts_its_faults_and_the_rest_are_gaps(several: bool) -> None:
    records = [*good_run({RECENT: CheckStatus.UNPROVEN}), finding(), *([failed(JOB, triaged=False)] * several)]
    found = decide(RunResult.from_records(records))
    assert found.faults == 1 + several
    assert [CHECKS[RECENT].title in reason for reason in found.reasons] == [False] * found.faults + [True]
