"""Dates without files: which they are, which of them lack rows, and what they do not explain."""

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import parity_result
from tests.unit.test_spotcheck import Answer, Bench, partitions
from tsse_validation.diagnosis.count_triage import dates_left_empty
from tsse_validation.domain.contract import InspectedDataset
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, format_rfc3339
from tsse_validation.domain.windows import Window
from tsse_validation.parity.bare_dates import BareDates, bare_runs, count_bare_dates
from tsse_validation.parity.count_rules import JobCount
from tsse_validation.parity.job_counts import ParityJobs
from tsse_validation.parity.settling import Part
from tsse_validation.runlog.records import Finding

FIRST = date(2026, 1, 1)
FILES: Mapping[str, int] = {"00": 1}
NONE: Mapping[str, int] = {}


def on(number: int) -> date:
    return FIRST + number * DAY


def whole(first: int, last: int) -> Window:
    return Window(day_start(on(first)), day_start(on(last)) + DAY - MICROSECOND)


def lake(*dates: Mapping[str, int] | None) -> InspectedDataset:
    """Return an inspection of adjacent dates: the files of each, or `None` where the date is not listed."""
    return partitions({on(number): files for number, files in enumerate(dates) if files is not None})


def counted(*answers: Answer, bench: Bench | None = None, lost: tuple[Part, ...] = (), most: int = 4) -> BareDates:
    """Count five dates of which the second is named without files, and the fourth is not listed."""
    bench = bench or Bench(*answers)
    explaining = bench.checker.explaining
    counter = bench.checker.counter
    assert isinstance(counter, ParityJobs)
    dataset = lake(FILES, NONE, FILES, None, FILES)
    return count_bare_dates(dataset, whole(0, 4), ["a"], lost, counter, explaining, most_runs=most)


def test_a_date_that_is_named_without_files_comes_before_one_that_is_not_listed() -> None:
    assert bare_runs(lake(FILES, None, FILES, NONE, FILES), whole(0, 4)) == [whole(3, 3), whole(1, 1)]


def test_adjacent_dates_are_one_run_and_the_window_cuts_it() -> None:
    window = Window(day_start(on(1)) + DAY / 2, day_start(on(3)) + DAY / 4)
    assert bare_runs(lake(FILES, NONE, NONE, None, FILES), window) == [window]


@given(st.lists(st.sampled_from([None, NONE, FILES]), min_size=1, max_size=12))
def test_every_date_of_a_window_has_files_or_lies_in_one_run(dates: list[Mapping[str, int] | None]) -> None:
    runs = bare_runs(lake(*dates), whole(0, len(dates) - 1))
    in_runs = sorted(day for run in runs for day in run.days())
    assert in_runs == [on(number) for number, files in enumerate(dates) if not files]


def test_dates_without_rows_cost_one_job_each_and_say_nothing() -> None:
    bench = Bench(parity_result({"a": (0, 0)}), parity_result({"a": (0, 0)}))
    found = counted(bench=bench)
    assert found == BareDates(days=(on(1), on(3)))
    assert [asked["end"] for asked in bench.jobs.asked] == [
        format_rfc3339(whole(number, number).end - MICROSECOND) for number in (1, 3)
    ]
    assert not bench.looks


def test_what_the_range_has_shown_to_be_lost_is_named_by_its_date_without_another_wait() -> None:
    bench = Bench(
        parity_result({"a": (9, 0)}),
        *[parity_result({"a": (9, 0)}), parity_result({"a": (10, 1)})],  # a row at the next midnight is not of it
        parity_result({"a": (0, 0)}),
    )
    range_lost = (Part(whole(0, 4), (JobCount("a", 100, 90),)),)
    found = counted(bench=bench, lost=range_lost)
    assert found.lost == (Part(whole(1, 1), (JobCount("a", 10, 0),)),)
    assert found.beside(range_lost) == ()
    assert not bench.looks


def test_a_hole_that_copies_elsewhere_make_up_for_is_found_all_the_same() -> None:
    hole, none = parity_result({"a": (10, 0)}), parity_result({"a": (0, 0)})
    found = counted(hole, hole, hole, none, *[hole] * 6)
    assert found.lost == (Part(whole(1, 1), (JobCount("a", 10, 0),)),)


def test_a_late_row_on_a_date_without_files_is_no_hole() -> None:
    late, none = parity_result({"a": (1, 0)}), parity_result({"a": (0, 0)})
    arrived = parity_result({"a": (1, 1)})
    found = counted(late, late, late, none, arrived, arrived)
    assert (found.lost, found.unsettled) == ((), ())
    found.hold_settled()


def test_a_late_row_that_a_pass_has_brought_before_the_second_count_is_no_hole() -> None:
    late, arrived, none = (parity_result({"a": counts}) for counts in ((1, 0), (1, 1), (0, 0)))
    found = counted(late, arrived, arrived, none)
    assert found == BareDates(days=(on(1), on(3)))


def test_of_a_sparse_farm_the_dates_beyond_a_few_runs_are_named_as_not_counted() -> None:
    found = counted(parity_result({"a": (0, 0)}), most=1)
    assert (found.days, found.uncounted) == ((on(1), on(3)), (on(3),))


@pytest.mark.parametrize(
    ("elsewhere", "left"),
    [
        (JobCount("a", 100, 90), False),
        (JobCount("a", 100, 89), True),
        (JobCount("a", 100, 101), True),
        (JobCount("b", 5, 4), True),
    ],
)
def test_a_sensor_that_lacks_more_than_the_date_is_told_beside_it(elsewhere: JobCount, left: bool) -> None:
    bare = BareDates(lost=(Part(whole(1, 1), (JobCount("a", 10, 0),)),))
    part = Part(whole(0, 4), (elsewhere,))
    assert bare.beside([part]) == ((part,) if left else ())


def test_the_finding_names_the_date_its_cause_and_what_to_do() -> None:
    finding = dates_left_empty([Part(whole(1, 1), (JobCount("a", 10, 0), JobCount("b", 2, 0)))])
    assert isinstance(finding, Finding)
    assert (finding.diagnosis, finding.summary) == ("partition missing", "12 rows of 2 sensors on 2026-01-02")
    assert (finding.flagged, finding.heals_by_backfill, finding.days) == (True, True, (on(1),))
    assert "a backfill that is killed or canceled between a date's removal and its writing" in finding.evidence
    assert finding.next_step.startswith("Look into the controller's log for a restart or a canceled backfill")
    assert "replace_existing=true" in finding.next_step
