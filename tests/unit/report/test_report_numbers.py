"""The same numbers in every report."""

import json
from io import StringIO
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.support.report_builders import EXPECTED_ROWS, SCENARIOS, empty, hostile, no_go
from tests.unit.report.test_report_html import Page
from tsse_validation.domain.phrasing import number
from tsse_validation.report.ctrf import render_ctrf
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.junit import render_junit
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.markdown.step_summary import render_step_summary
from tsse_validation.report.model.document import ReportDocument, to_json
from tsse_validation.report.model.figures import Figure, figures_by_key
from tsse_validation.report.model.view import view_of
from tsse_validation.report.model.words import services
from tsse_validation.report.terminal import print_summary
from tsse_validation.runlog.result import RunResult

ALL = pytest.mark.parametrize("of", [of for _, of in SCENARIOS], ids=[name for name, _ in SCENARIOS])


def in_every_format(of: RunResult) -> dict[str, str]:
    document = ReportDocument.of(of)
    stream = StringIO()
    print_summary(Console(file=stream, width=10_000), document)
    return {
        "html": Page(render_page(document)).text,
        "markdown": render_markdown(document),
        "terminal": stream.getvalue(),
        "step summary": render_step_summary(document),
    }


def measured(of: RunResult) -> dict[str, Figure]:
    return figures_by_key(view_of(ReportDocument.of(of)))


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
        assert lake.lag_said in formats[name]
        assert lake.files_said in formats[name]
    for key in ("lake_files", "most_files_in_a_shard_day", "watermark_age_seconds", "backlog_seconds"):
        figure = measured(of)[key]
        for name, said in formats.items():
            assert figure.said in said.replace("Not measured", "not measured"), (key, name)


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
