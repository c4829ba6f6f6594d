"""The lake's files and replication in the reports: as they were measured, or said to be not measured."""

import json
import re
from datetime import date, timedelta

import pytest

from tests.support.report_builders import DAYS, START, empty, go, partitions, replication, result, run_started
from tests.unit.report.test_report_html import Page
from tests.unit.report.test_report_numbers import in_every_format
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.html.lake_plots import files_plot, fullest_plot, lag_plots
from tsse_validation.report.model.document import ReportDocument, to_json
from tsse_validation.report.model.lake_history import lake_history
from tsse_validation.runlog.records import PartitionFiles, PartitionsSeen, Record
from tsse_validation.runlog.result import RunResult

NEW_KEYS = ("partitions", "replication")


def seen(*records: Record) -> RunResult:
    return result(run_started(), *records)


def files(*counts: int, location: str | None = "hot", first: date = DAYS[0]) -> PartitionsSeen:
    dates = (
        PartitionFiles(first + timedelta(days=place), location, count, 1_000 * count, 16, count, None, None)
        for place, count in enumerate(counts)
    )
    return PartitionsSeen(at=START, source="inspection", moment="now", dates=tuple(dates))


def test_the_last_inspection_is_the_one_that_is_shown_and_every_one_is_added_up() -> None:
    lake = lake_history(seen(*partitions()))
    assert [(look.dates, look.hot, look.cold, look.files) for look in lake.looks] == [
        (20, 20, 0, 321),
        (91, 84, 7, 1457),
    ]
    assert lake.dates.total == 91
    assert lake.parity_dates is not None
    assert [of_date.manifest_files for of_date in lake.parity_dates.items] == [16, 156]
    assert lake.files_said == "1,457 files, 4.1 MB, on 91 dates (84 hot, 7 cold), at most 2 in a shard-day"


def test_a_date_without_files_and_one_without_a_place_are_named() -> None:
    lake = lake_history(seen(files(3, 0, 12, location=None)))
    assert lake.files is not None
    assert (lake.files.bare, lake.files.fullest) == ((DAYS[1],), DAYS[2])
    assert "3 not said where" in lake.files_said
    assert f"Without files: {DAYS[1]}" in Page(render_page(ReportDocument.of(seen(files(3, 0, 12))))).text


def test_lag_is_told_with_its_limit_and_a_picture_takes_more_than_one_sample() -> None:
    several = lake_history(seen(*replication(61.5, 118.0, 7.25, backlog=60)))
    assert several.age is not None
    assert (several.age.last, several.age.highest, several.age.lowest, several.age.limit) == (7.25, 118, 7.25, 420)
    assert [plot.measured.name for plot in lag_plots(several)] == [
        "Age of the watermark",
        "Backlog of the last pass",
    ]
    one = lake_history(seen(*replication(61.5)))
    assert lag_plots(one) == ()
    assert "watermark 61.5 s old (limit 420.0 s)" in one.lag_said


def test_a_pass_that_was_looked_at_twice_is_one_sample_of_the_backlog() -> None:
    looks = [look.model_copy(update={"source": source}) for look in replication(5.0) for source in ("parity",) * 3]
    lake = lake_history(seen(*looks))
    assert lake.backlog is not None
    assert len(lake.backlog.samples) == 1


def test_the_summary_is_the_parity_jobs_or_else_the_latest() -> None:
    inspected, counted = list(replication(61.5, 118.0)), list(replication(7.25, source="parity"))
    assert lake_history(seen(*inspected)).summary == inspected[-1]
    assert lake_history(seen(*inspected, *counted, *inspected)).summary == counted[0]


def test_a_watermark_that_is_not_set_has_no_age() -> None:
    lake = lake_history(seen(*replication(None, backlog=None)))
    assert lake.age is None
    assert lake.lag_said == "watermark not measured; backlog not measured"


def test_what_was_not_measured_is_said_to_be_in_every_report() -> None:
    for said in in_every_format(empty()).values():
        assert len(re.findall("not measured", said, re.IGNORECASE)) >= 2


def test_a_result_of_an_earlier_version_is_shown_without_its_new_parts() -> None:
    whole = json.loads(to_json(ReportDocument.of(go())))
    for key in NEW_KEYS:
        del whole["result"][key]
    for counts in whole["result"]["counts"]:
        del counts["requested"], counts["late"]
    for window in whole["result"]["windows"]:
        del window["late"]
    earlier = ReportDocument.model_validate(whole)
    assert ReportDocument.of(earlier.result) == earlier
    text = Page(render_page(earlier)).text
    assert text.count("or its record is of an earlier version") == 2
    assert "Numbers that are not the same" in Page(render_page(ReportDocument.of(go()), earlier=earlier)).text


# ---- pictures --------------------------------------------------------------------------------------------------


def corners(path: str) -> list[float]:
    """Return the tops of a picture's bars, from 0 at its bottom to 100."""
    return [100 - float(top) for top in re.findall(r"V([\d.-]+)h", path)]


def test_bars_are_as_high_as_their_dates_have_files_and_a_missing_date_is_a_gap() -> None:
    plot = files_plot((*files(10, 5).dates, *files(20, first=DAYS[3]).dates))
    assert plot is not None
    assert corners(plot.hot) == [45.0, 22.5, 90.0]
    assert re.findall(r"M([\d.]+) ", plot.hot) == ["0.0", "250.0", "750.0"]
    assert (plot.cold, plot.most, plot.least, plot.limit) == ("", 20, 5, None)


def test_cold_dates_are_drawn_apart_and_the_limit_lies_where_it_is() -> None:
    plot = fullest_plot((*files(20).dates, *files(10, location="cold", first=DAYS[1]).dates))
    assert plot is not None
    assert (corners(plot.hot), corners(plot.cold), plot.limit) == ([90.0], [45.0], 45.0)


@pytest.mark.parametrize("dates", [(), files(3).dates])
def test_one_date_is_no_picture(dates: tuple[PartitionFiles, ...]) -> None:
    assert files_plot(dates) is None


def test_dates_that_no_calendar_can_hold_are_drawn_side_by_side() -> None:
    plot = files_plot((*files(1, first=date.min).dates, *files(1, first=date.max).dates))
    assert plot is not None
    assert re.findall(r"M([\d.]+) ", plot.hot) == ["0.0", "500.0"]


def test_every_picture_of_the_lake_has_a_label_with_its_numbers() -> None:
    whole = render_page(ReportDocument.of(go()))
    labels = re.findall(r'class="tsse-plot"[^>]* role="img" aria-label="([^"]*)"', whole)
    assert [label.split(":")[0] for label in labels] == [
        "Rows of Postgres per day",
        "Age of the watermark",
        "Backlog of the last pass",
        "Files per date",
        "Files of each date&#39;s fullest shard",
    ]
    assert all("below" in label for label in labels)
