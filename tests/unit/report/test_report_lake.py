"""The same numbers in every report; the lake's files and replication as measured, or said to be not measured."""

import json
import re
from datetime import date, timedelta
from io import StringIO
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.support.builders import START, run_started
from tests.support.report_builders import (
    ALL,
    DAYS,
    EXPECTED_ROWS,
    empty,
    go,
    hostile,
    no_go,
    partitions,
    replication,
    result,
)
from tests.unit.report.test_report_html import Page
from tsse_validation.domain.phrasing import number
from tsse_validation.report.ci_reports import render_ctrf, render_junit
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.html.plots import files_plot, fullest_plot, lag_plots
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.markdown.step_summary import render_step_summary
from tsse_validation.report.model.document import ReportDocument, to_json
from tsse_validation.report.model.figures import Figure, figures
from tsse_validation.report.model.lake_history import lake_history
from tsse_validation.report.model.view import view_of
from tsse_validation.report.model.words import services
from tsse_validation.report.terminal import print_summary
from tsse_validation.runlog.records import PartitionFiles, PartitionsSeen, Record
from tsse_validation.runlog.result import RunResult


def in_every_format(of: RunResult) -> dict[str, str]:
    document = ReportDocument.of(of)
    stream = StringIO()
    print_summary(Console(file=stream, width=10_000), document, details=True)
    return {
        "html": Page(render_page(document)).text,
        "markdown": render_markdown(document),
        "terminal": stream.getvalue(),
        "step summary": render_step_summary(document),
    }


def measured(of: RunResult) -> dict[str, Figure]:
    return figures(view_of(ReportDocument.of(of)))


@ALL
def test_every_format_says_the_same_verdict_sensors_and_rows(of: RunResult) -> None:
    verdict = ReportDocument.of(of).verdict
    root = ET.fromstring(render_junit(ReportDocument.of(of)))  # noqa: S314 - our own output
    found = {prop.get("name"): prop.get("value") for prop in root.iter("property")}
    read = json.loads(to_json(ReportDocument.of(of)))["verdict"]
    assert found["rows_compared"] == str(read["rows_compared"]) == str(verdict.rows_compared)
    assert found["sensors_compared"] == str(read["sensors_compared"]) == str(verdict.sensors_compared)
    for said in in_every_format(of).values():
        assert verdict.outcome.value in said
        assert number(verdict.rows_compared) in said
        assert number(verdict.sensors_compared) in said


@ALL
def test_every_format_says_what_was_not_checked_and_what_it_rests_on(of: RunResult) -> None:
    view = view_of(ReportDocument.of(of))
    for said in in_every_format(of).values():
        assert view.document.verdict.basis.split(":")[0] in said.replace("&#39;", "'")
        assert view.meaning in said
        assert services(view.document.result.stack) in said
        if view.missing:
            assert f"{view.blocking} check" in said
            assert f"{view.tolerated} that this stack excuses" in said


@ALL
def test_junit_and_ctrf_carry_the_same_figures(of: RunResult) -> None:
    document = ReportDocument.of(of)
    root = ET.fromstring(render_junit(document))  # noqa: S314 - our own output
    for suite in root.iter("testsuite"):
        found = {prop.get("name"): prop.get("value") for prop in suite.iter("property")}
        assert found == {
            key: "not measured" if figure.value is None else str(figure.value)
            for key, figure in measured(of).items()
        }
    extra = json.loads(render_ctrf(document))["results"]["extra"]
    assert extra == {key: figure.value for key, figure in measured(of).items()}


@ALL
def test_people_read_the_same_numbers_of_lake_and_replication_in_every_format(of: RunResult) -> None:
    lake = view_of(ReportDocument.of(of)).lake
    formats = in_every_format(of)
    for name in ("terminal", "step summary"):
        assert lake.lag_phrase in formats[name]
        assert lake.files_phrase in formats[name]
    for key in ("lake_files", "most_files_in_a_shard_day", "watermark_age_seconds", "backlog_seconds"):
        figure = measured(of)[key]
        for name, said in formats.items():
            assert figure.text in said.replace("Not measured", "not measured"), (key, name)


def test_the_figures_are_those_of_the_run() -> None:
    values = {key: figure.value for key, figure in measured(no_go()).items()}
    assert values["differing_rows"] == 3
    assert values["mismatching_sensors"] == 1
    assert (values["windows"], values["windows_failing"]) == (13, 1)
    assert (values["backfill_rows"], values["backfill_rows_per_second"]) == (EXPECTED_ROWS, 3486)
    assert (values["lake_files"], values["lake_dates"], values["lake_dates_cold"]) == (1457, 91, 7)
    assert (values["watermark_age_seconds"], values["highest_watermark_age_seconds"]) == (7.25, 118.0)
    assert (values["backlog_seconds"], values["posts_spent"]) == (60.0, 14)


def test_a_figure_that_was_not_measured_is_not_zero() -> None:
    unknown = {key for key, figure in measured(empty()).items() if figure.value is None}
    assert {"lake_files", "watermark_age_seconds", "backfill_rows", "differing_rows", "posts_spent"} <= unknown


def test_numbers_that_no_count_can_be_break_no_report() -> None:
    document = ReportDocument.of(hostile("x"))
    assert "more than" in in_every_format(hostile("x"))["step summary"]
    json.loads(render_ctrf(document))
    ET.fromstring(render_junit(document))  # noqa: S314 - our own output


def test_html_and_markdown_show_the_same_evidence() -> None:
    formats = in_every_format(no_go())
    for shown in (
        number(EXPECTED_ROWS),
        number(EXPECTED_ROWS - 7),
        "3,486 rows/s",
        "1 min 23 s",
        "2,801",
        "94 events",
        "21.500000000000004",
        "failed: counts_agree_for_every_sensor",
    ):
        assert shown in formats["html"], shown
        assert shown in formats["markdown"], shown


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
    assert lake.files_phrase == "1,457 files, 4.1 MB, on 91 dates (84 hot, 7 cold), at most 2 in a shard-day"


def test_a_date_without_files_and_one_without_a_place_are_named() -> None:
    lake = lake_history(seen(files(3, 0, 12, location=None)))
    assert lake.files is not None
    assert (lake.files.bare, lake.files.fullest) == ((DAYS[1],), DAYS[2])
    assert "3 not said where" in lake.files_phrase
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
    assert "watermark 61.5 s old (limit 420.0 s)" in one.lag_phrase


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
    assert lake.lag_phrase == "watermark not measured; backlog not measured"


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
    for gate in whole["verdict"]["gates"]:
        gate["rests_on"] = []
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
