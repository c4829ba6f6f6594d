"""Which days were proven, and how: nothing that was not compared may look as if it were."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import START, WATERMARK, count_row, counts_taken, job_coverage, rows_compared
from tests.support.report_builders import BAD_DAY, DAYS, crashed, empty, go, job_counts, live_api_only, no_go
from tests.unit.report.test_report_html import page
from tsse_validation.domain.windows import Window
from tsse_validation.report.html.strip import WIDE, day_strip
from tsse_validation.report.model.covered_days import LONGEST_CALENDAR, CoveredDays, DayState, covered_days
from tsse_validation.runlog.beyond_record import BeyondCompared, BeyondDate
from tsse_validation.runlog.records import ExtentSeen, FarmSeen
from tsse_validation.runlog.result import RunResult

DAY = timedelta(days=1)
FIRST, LAST = DAYS[0], DAYS[-1]


def states(covered: CoveredDays) -> Mapping[DayState, int]:
    return {line.state: line.days for line in covered.lines}


def extent(first: date, last: date) -> ExtentSeen:
    window = Window(datetime(2025, 10, 26, tzinfo=UTC), WATERMARK)
    return ExtentSeen(
        covered=window, postgres_rows=400_000, postgres_first=first, lake_first=FIRST, lake_last=last
    )


def beyond(*dates: BeyondDate) -> BeyondCompared:
    seen = {
        "level": "digest",
        "cover": "promised",
        "since": START,
        "watermark": WATERMARK,
        "rows": 5,
        "sensors": 1,
    }
    return BeyondCompared.model_validate(seen | {"dates": dates, "differing": 0, "not_due": 0, "pending": 0})


def test_days_that_were_compared_are_told_with_rows_and_sensors() -> None:
    (line,) = covered_days(go()).lines
    assert (line.state, line.days, line.first, line.last) == (DayState.COMPARED, 91, FIRST, LAST)
    assert (line.rows, line.sensors) == (290_017, 3)


def test_a_day_that_differs_is_not_among_those_that_are_proven() -> None:
    covered = covered_days(no_go())
    assert states(covered) == {DayState.DIFFERS: 1, DayState.COMPARED: 90}
    assert covered.lines[0].first == BAD_DAY


def test_counts_are_no_comparison() -> None:
    own = go().model_copy(update={"rows_compared": ()})
    assert states(covered_days(own)) == {DayState.COUNTED: 91}
    by_job = covered_days(live_api_only())
    assert states(by_job) == {DayState.COUNTED: 91}
    assert by_job.lines[0].rows is None
    assert states(covered_days(live_api_only().model_copy(update={"counts": (job_counts(lost=7),)}))) == {
        DayState.DIFFERS: 91
    }


def test_what_either_side_holds_and_nobody_compared_is_said() -> None:
    covered = covered_days(go().model_copy(update={"extent": extent(FIRST - 30 * DAY, LAST + 2 * DAY)}))
    assert states(covered) == {DayState.NOT_COMPARED: 32, DayState.COMPARED: 91}
    assert covered.lines[0].rows is None
    assert covered.phrase == "91 of 123 days, 3 sensors"


def test_rows_beyond_the_range_have_days_of_their_own() -> None:
    dates = (
        BeyondDate(LAST, 3, 3, matches=False),  # the edge of the covered range
        BeyondDate(LAST + DAY, 5, 5, matches=True),
        BeyondDate(LAST + 2 * DAY, 5, 4, matches=False),
        BeyondDate(LAST + 3 * DAY, 0, 0, matches=True),
    )
    covered = covered_days(go().model_copy(update={"beyond_compared": beyond(*dates)}))
    assert states(covered) == {DayState.DIFFERS: 2, DayState.BEYOND: 1, DayState.COMPARED: 90}


def test_sensors_that_postgres_has_are_the_measure() -> None:
    assert covered_days(go().model_copy(update={"farm": FarmSeen(sensors=1_024)})).phrase.endswith(
        "3 of 1,024 sensors"
    )


def test_a_forecast_of_a_century_is_no_picture_of_empty_days() -> None:
    far = FIRST + LONGEST_CALENDAR * DAY
    covered = covered_days(
        go().model_copy(update={"beyond_compared": beyond(BeyondDate(far, 5, 5, matches=True))})
    )
    assert states(covered) == {DayState.BEYOND: 1, DayState.COMPARED: 91}


def test_where_nothing_is_known_there_is_no_picture_and_that_is_said() -> None:
    for of in (empty(), crashed()):
        assert day_strip(covered_days(of)) is None
        assert "No day was compared, and what the two sides hold is not known." in page(of).text


def test_the_page_tells_the_picture_in_words() -> None:
    text = page(no_go()).text
    assert "differs 1 2026-01-05 2026-01-05" in text
    assert "compared by digest or row by row 90" in text
    assert "91 of 91 days, 3 sensors" in text


def test_rows_that_are_not_due_are_marked_on_their_day() -> None:
    rows = [count_row("a", 5, 5, day=FIRST), count_row("a", 5, 5, day=LAST, not_due=2)]
    strip = day_strip(covered_days(RunResult.from_records([go().started, counts_taken(*rows), rows_compared(10)])))
    assert strip is not None
    places = [float(left) for left in re.findall(r"M([\d.]+) 0h", strip.marks)]
    assert places == [pytest.approx(WIDE * 90 / 91, abs=0.1)]


def bars(path: str) -> Iterator[tuple[float, float]]:
    """Yield where each bar begins and how wide it is, once a day however many bars its shape has."""
    seen = {(float(left), float(wide)) for left, wide in re.findall(r"M([\d.]+) \d+h([\d.]+)", path)}
    yield from sorted(seen)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_every_day_stands_once_in_the_picture(alike: list[bool]) -> None:
    rows = [count_row("a", 5, 5 if same else 4, day=FIRST + n * DAY) for n, same in enumerate(alike)]
    result = RunResult.from_records([go().started, counts_taken(*rows), rows_compared(10), job_coverage()])
    covered = covered_days(result)
    strip = day_strip(covered)
    assert strip is not None
    assert sum(line.days for line in covered.lines) == len(covered.days) == len(alike)
    drawn = sorted(bar for path in strip.paths for bar in bars(path.path))
    assert sum(wide for _, wide in drawn) == pytest.approx(WIDE, abs=len(alike))
    assert all(left + wide <= WIDE + 1 for left, wide in drawn)


def test_no_two_states_look_alike_without_colour() -> None:
    dates = (BeyondDate(LAST + DAY, 5, 5, matches=True),)
    update = {"beyond_compared": beyond(*dates), "extent": extent(FIRST - DAY, LAST)}
    strip = day_strip(covered_days(no_go().model_copy(update=update)))
    assert strip is not None
    assert len({path.sample for path in strip.paths}) == len(strip.paths) == 4
