"""A soak in the reports: few points with all extremes, marks for breaches and gaps, what happened."""

import re
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import run_started
from tests.support.report_builders import breached, go, result, soaked
from tests.support.soaked import BEGAN, at, due_slice, soak_began, soak_sample, soak_seen
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.html.soak_plots import soak_plots
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.markdown.step_summary import render_step_summary
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.soak import MAX_HAPPENINGS, MAX_POINTS, SoakReport, soak_report
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.soak_records import SoakBreach, SoakEvent, SoakGap

WEEK = 7 * 86_400


def report_of(*records: Record) -> SoakReport:
    found = soak_report(result(run_started(), *records))
    assert found is not None
    return found


def html(of: RunResult) -> str:
    return render_page(ReportDocument.of(of))


def test_without_a_soak_there_is_no_section() -> None:
    assert soak_report(go()) is None
    assert 'id="tsse-soak"' not in html(go())
    assert "## Soak" not in render_markdown(ReportDocument.of(go()))
    assert "Soak:" not in render_step_summary(ReportDocument.of(go()))


def test_every_format_says_the_same_of_a_soak() -> None:
    document = ReportDocument.of(breached())
    page, markdown = html(breached()), render_markdown(document)
    for said in ("proven for 2 h 16 min", "1 gap, 25 min 00 s in sum", "It was started anew, as version 3.2.1."):
        assert said in page
        assert said in markdown
    assert "Soak: proven for 10 minutes of 10 min 00 s" in render_step_summary(ReportDocument.of(soaked()))


@given(st.lists(st.one_of(st.none(), st.floats(-10, 10**6)), min_size=1, max_size=2_000))
def test_a_course_has_few_points_and_every_extreme(ages: list[float | None]) -> None:
    course = report_of(soak_began(WEEK), *(soak_sample(9.0 * n, age) for n, age in enumerate(ages))).age
    known = [age for age in ages if age is not None]
    if course is None:
        assert not known
        return
    assert len(course.points) <= MAX_POINTS
    assert (course.least, course.most) == (min(known), max(known))
    assert all(one.end < after.start for one, after in zip(course.points, course.points[1:], strict=False))


def test_a_weeks_soak_does_not_blow_up_the_page() -> None:
    samples = [soak_sample(WEEK * number / 4_000, 60.0 + number % 60) for number in range(4_000)]
    gaps = [
        SoakGap(start=at(300.0 * n), end=at(300.0 * n + 9), why="unanswered", age_at_most_seconds=None)
        for n in range(2_000)
    ]
    slices = [due_slice(WEEK * number / 2_000) for number in range(2_000)]
    of = result(run_started(), soak_began(WEEK), *samples, *gaps, *slices, soak_seen(WEEK, WEEK, 60_480))
    assert len(html(of)) - len(html(result(run_started()))) < 250_000


def test_rows_in_sum_come_to_all_rows_that_were_compared() -> None:
    report = report_of(soak_began(WEEK), *(due_slice(60.0 * number, 7) for number in range(1, 1_777)))
    assert len(report.rows) <= MAX_POINTS
    assert report.rows[-1] == (at(60.0 * 1_776), 7 * 1_776)
    counts = [count for _, count in report.rows]
    assert counts == sorted(counts)


def test_of_very_much_that_happened_breaches_and_long_gaps_are_shown() -> None:
    events = [SoakEvent(at=at(n), kind="job_running", text="a job") for n in range(900)]
    gap = SoakGap(start=at(100), end=at(900), why="asleep", age_at_most_seconds=860.0)
    breach = SoakBreach(start=at(5_000), end=None, worst_seconds=900.0, worst_at=at(5_100))
    shown = report_of(soak_began(WEEK), *events, gap, breach).happenings
    assert (len(shown.items), shown.total) == (MAX_HAPPENINGS, 902)
    assert {one.kind for one in shown.items} == {"breach", "gap", "event"}
    assert [one.start for one in shown.items] == sorted(one.start for one in shown.items)
    assert next(one for one in shown.items if one.kind == "breach").lasted == "not ended"


def test_breaches_and_gaps_are_marked_where_they_were_and_told_apart_by_shape() -> None:
    plots = soak_plots(soak_report(breached()))
    assert plots is not None
    age = plots.courses[0]
    whole = (plots.end - plots.start).total_seconds()
    (left,) = re.findall(r"M([\d.]+) 0h", age.breaches)
    assert abs(float(left) - 1_000 * 8_300 / whole) < 1
    (left,) = re.findall(r"M([\d.]+) 1h", age.gaps)
    assert abs(float(left) - 1_000 * 3_900 / whole) < 1
    assert age.breaches != age.gaps
    assert 0 < age.limit < 100


def test_the_limit_is_above_what_is_young_and_below_what_is_too_old() -> None:
    for age, limit, is_over in ((60.0, 420.0, False), (900.0, 420.0, True)):
        plots = soak_plots(
            report_of(soak_began(60, limit_seconds=limit), soak_sample(0, age), soak_sample(9, age))
        )
        assert plots is not None
        (top,) = set(re.findall(r"M[\d.]+ ([\d.]+)h", plots.courses[0].path))
        assert (float(top) < plots.courses[0].limit) == is_over


def test_a_soak_without_a_sample_is_shown_as_one() -> None:
    report = report_of(soak_began(600))
    assert (report.age, report.in_short) == (None, "nothing is proven of it")
    assert "nothing is proven of it" in html(result(run_started(), soak_began(600)))


def test_the_pictures_have_their_numbers_as_text() -> None:
    page = html(breached())
    assert (
        "Age of the watermark: from 60.0 s to 1,255.0 s; limit 420.0 s; 1 breaches and 1 gaps are marked" in page
    )
    assert report_of(soak_began(600)).end == BEGAN
    assert report_of(soak_began(600), soak_sample(60, 5.0)).end == BEGAN + timedelta(seconds=60)
