"""The page compares a run with the last one of its controller, if it lies beside it, never at its price."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.builders import run_started
from tests.support.report_builders import LIVE, go, no_go
from tests.unit.report.test_report_html import Page
from tsse_validation.cli.app import app
from tsse_validation.report import earlier, writer
from tsse_validation.report.earlier import last_run_of
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.model.document import REPORT_HTML
from tsse_validation.report.writer import Written, write_reports
from tsse_validation.runlog.result import RunResult

FIRST, SECOND = "20260123T000000Z-live-aaaa", "20260124T000000Z-live-bbbb"
STACK = LIVE.model_copy(update={"absent": {}})


def live(of: RunResult, name: str) -> RunResult:
    return of.model_copy(update={"started": run_started(run_id=name), "stack": STACK})


def ended(directory: Path, of: RunResult) -> Written:
    """Write the second run as its end does: the last one is found, written down, and compared with."""
    last = last_run_of(STACK.base_url, directory, SECOND)
    assert last is not None
    return write_reports(directory / SECOND, live(of, SECOND).model_copy(update={"earlier_run": last}))


def text(written: Written) -> str:
    return Page(written.html.read_text(encoding="utf-8")).text


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return write_reports(tmp_path / FIRST, live(no_go(), FIRST)).result_json


@pytest.mark.usefixtures("first")
def test_what_has_healed_is_told_and_stands_in_the_navigation(tmp_path: Path) -> None:
    written = ended(tmp_path, go())
    said = text(written)
    assert "Compared with the last run of this controller" in said
    assert FIRST in said
    assert "healed 2 cells" in said
    assert '<a href="#tsse-compare">Last run</a>' in written.html.read_text(encoding="utf-8")


@pytest.mark.usefixtures("first")
def test_a_page_made_again_of_the_same_files_is_the_same(tmp_path: Path) -> None:
    written = ended(tmp_path, go())
    at_its_end = written.html.read_bytes()
    written.html.unlink()
    assert CliRunner().invoke(app, ["report", str(written.result_json)]).exit_code == 0
    assert written.html.read_bytes() == at_its_end


def test_a_first_run_is_compared_with_nothing(tmp_path: Path) -> None:
    written = write_reports(tmp_path / FIRST, live(go(), FIRST))
    assert "tsse-compare" not in written.html.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("gone", "its result cannot be read: No such file or directory"),
        ("torn", "its result is none that this version reads"),
        ("changed", "its records do not bear out its verdict"),
        ("large", "its result cannot be read: it is larger than"),
    ],
)
def test_why_there_is_no_comparison_is_said(
    first: Path, damage: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = last_run_of(STACK.base_url, tmp_path, SECOND)
    if damage == "gone":
        first.unlink()
    elif damage == "torn":
        first.write_bytes(first.read_bytes()[:1_000])
    elif damage == "changed":
        document = json.loads(first.read_bytes())
        document["verdict"]["outcome"] = "GO"
        first.write_text(json.dumps(document))
    else:
        monkeypatch.setattr(earlier, "MOST_BYTES", 1_000)
    result = live(go(), SECOND).model_copy(update={"earlier_run": last})
    said = text(write_reports(tmp_path / SECOND, result))
    assert f"(NO-GO) was not compared with: {why}" in said
    assert "Sensors' days that do not match" not in said


@pytest.mark.parametrize("name", ["../elsewhere", "..", "/etc"])
@pytest.mark.usefixtures("first")
def test_a_name_leads_to_no_other_place(name: str, tmp_path: Path) -> None:
    last = last_run_of(STACK.base_url, tmp_path, SECOND)
    assert last is not None
    result = live(go(), SECOND).model_copy(update={"earlier_run": last.model_copy(update={"run_id": name})})
    assert "its name is not that of a folder" in text(write_reports(tmp_path / SECOND, result))


@pytest.mark.usefixtures("first")
def test_whatever_comparing_meets_the_run_has_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render = render_page

    def broken(*arguments: object) -> str:
        if arguments[3] is not None:
            raise OverflowError("date value out of range")
        return render(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "render_page", broken)
    written = ended(tmp_path, go())
    assert "was not compared with: comparing met OverflowError" in text(written)
    assert written.html.name == REPORT_HTML


def test_results_that_are_large_do_not_hold_up_a_runs_end(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert first.stat().st_size > 1_000
    monkeypatch.setattr(earlier, "MOST_BYTES", 1_000)
    assert last_run_of(STACK.base_url, tmp_path, SECOND) is None
