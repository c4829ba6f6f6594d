"""A run is measured against the last one of its controller, and a result of an earlier version is decided anew."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.builders import run_started
from tests.support.report_builders import LIVE, crashed, empty, go, live_api_only
from tests.unit.report.test_report_html import Page
from tsse_validation.cli.app import app
from tsse_validation.domain.assurance import Assurance
from tsse_validation.report.earlier import MOST_READ, last_run_of
from tsse_validation.report.model.document import RESULT_JSON, as_decided_today, read_result_json
from tsse_validation.report.run_index import write_index
from tsse_validation.report.writer import write_reports
from tsse_validation.runlog.result import RunResult

URL = LIVE.base_url
NOW = "20260124T163505Z-live-1f9c"


def kept(directory: Path, at: str, of: RunResult | None = None, **stack: object) -> Path:
    """Write the result of a live run that began at that second."""
    name = f"{at}-live-0001"
    result = of or live_api_only()
    started = run_started(run_id=name, required=Assurance.COUNTS)
    update: dict[str, object] = {"started": started}
    if stack and result.stack is not None:
        update["stack"] = result.stack.model_copy(update=stack)
    return write_reports(directory / name, result.model_copy(update=update)).result_json


def test_it_is_the_last_one_before_that_compared_rows_of_this_controller(tmp_path: Path) -> None:
    kept(tmp_path, "20260122T000000Z")
    kept(tmp_path, "20260123T000000Z")
    kept(tmp_path, "20260123T010000Z", base_url="http://another:8000")
    kept(tmp_path, "20260123T020000Z", crashed())
    kept(tmp_path, "20260123T030000Z", empty())
    kept(tmp_path, "20260123T040000Z", live_api_only().model_copy(update={"finished": None}))
    kept(tmp_path, "20260123T050000Z", owned=True)
    kept(tmp_path, "20260125T000000Z")
    shutil.copytree(tmp_path / "20260123T000000Z-live-0001", tmp_path / "20260124T000000Z-embedded-0001")
    (tmp_path / "20260124T000001Z-live-torn").mkdir()
    (tmp_path / "20260124T000001Z-live-torn" / RESULT_JSON).write_text("{")
    (tmp_path / "20260124T000002Z-live-none").mkdir()
    found = last_run_of(URL, tmp_path, NOW)
    assert found is not None
    assert found.run_id == "20260123T000000Z-live-0001"
    assert (found.outcome, found.assurance, found.rows, found.days) == ("GO", "counts", 290_017, 91)


def test_where_there_is_none_nothing_is_found(tmp_path: Path) -> None:
    assert last_run_of(URL, tmp_path / "nowhere", NOW) is None
    kept(tmp_path, "20260125T000000Z")
    assert last_run_of(URL, tmp_path, NOW) is None


def test_no_more_than_so_many_are_read(tmp_path: Path) -> None:
    kept(tmp_path, "20260101T000000Z")
    for number in range(MOST_READ):
        (tmp_path / f"20260102T0000{number:02}Z-live-0001").mkdir()
    assert last_run_of(URL, tmp_path, NOW) is None
    (tmp_path / "20260102T000000Z-live-0001").rmdir()
    assert last_run_of(URL, tmp_path, NOW) is not None


# ---- results of versions that knew no grades -------------------------------------------------------------------

NEW_KEYS: Mapping[str, set[str]] = {
    "verdict": {
        "faults",
        "explained",
        "required",
        "assurance",
        "grade",
        "accepted_by",
        "proven",
        "warnings",
        "baseline",
    },
    "result": {"job_coverage", "extent", "earlier_run", "seals"},
    "started": {"required", "release_label"},
    "checks": {"for_want_of_posts", "left_to_seal", "triaged", "diagnoses"},
    "counts": {"covered"},
    "rows_compared": {"covered"},
}


def of_earlier_version(path: Path, **verdict: object) -> Path:
    """Take out of a result what earlier versions did not write."""
    document = json.loads(path.read_bytes())
    document["verdict"] |= verdict
    places: dict[str, list[dict[str, Any]]] = {"verdict": [document["verdict"]], "result": [document["result"]]}
    places |= {key: document["result"][key] for key in ("checks", "counts", "rows_compared")}
    places["started"] = [document["result"]["started"]]
    for place, keys in NEW_KEYS.items():
        for of in places[place]:
            for key in keys:
                del of[key]
    path.write_text(json.dumps(document))
    return path


def report(*arguments: object) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["report", *map(str, arguments)])
    return ended.exit_code, f"{ended.output}{ended.exception or ''}"


def test_a_proof_of_an_earlier_version_is_a_proof(tmp_path: Path) -> None:
    path = of_earlier_version(write_reports(tmp_path / "run", go()).result_json)
    document = as_decided_today(read_result_json(path))
    assert (document.verdict.label, document.verdict.assurance) == ("GO", Assurance.PROOF)
    assert report(path) == (0, f"GO: {path.with_name('report.html')}\n")
    assert "GO by proof: every due row" in Page(path.with_name("report.html").read_text(encoding="utf-8")).text
    assert "by today's rules" not in Page(write_index(tmp_path).read_text(encoding="utf-8")).text


def test_a_go_of_an_earlier_version_by_the_api_alone_is_shown_as_incomplete_and_both_are_said(
    tmp_path: Path,
) -> None:
    path = of_earlier_version(write_reports(tmp_path / "run", live_api_only()).result_json)
    document = as_decided_today(read_result_json(path))
    assert (document.verdict.outcome, document.verdict.assurance) == ("INCOMPLETE", Assurance.SAMPLE)
    code, said = report(path)
    assert code == 0
    assert "INCOMPLETE today. Version 0.1.0, which knew no grades of assurance, said GO." in said
    page = Page(path.with_name("report.html").read_text(encoding="utf-8")).text
    assert "proof was required and a sample was reached" in page
    index = Page(write_index(tmp_path).read_text(encoding="utf-8")).text
    assert "by today's rules; its own version, which knew no grades, said GO" in index
    assert "not borne out" not in index


def test_a_verdict_of_a_version_that_did_not_say_what_five_minutes_rest_on_is_borne_out(tmp_path: Path) -> None:
    path = write_reports(tmp_path / "run", go()).result_json
    whole = json.loads(path.read_text(encoding="utf-8"))
    for gate in whole["verdict"]["gates"]:
        del gate["rests_on"]
    path.write_text(json.dumps(whole), encoding="utf-8")
    assert report(path) == (0, f"GO: {path.with_name('report.html')}\n")
    assert "there was no soak" in Page(path.with_name("report.html").read_text(encoding="utf-8")).text


def test_a_verdict_that_lost_its_grade_is_never_believed(tmp_path: Path) -> None:
    path = of_earlier_version(write_reports(tmp_path / "run", crashed()).result_json, outcome="GO")
    assert as_decided_today(read_result_json(path)).verdict.outcome == "INCOMPLETE"


def test_a_verdict_whose_grade_was_changed_is_not_borne_out(tmp_path: Path) -> None:
    path = write_reports(tmp_path / "run", live_api_only()).result_json
    forged = json.loads(path.read_bytes())
    forged["verdict"]["assurance"] = "proof"
    path.write_text(json.dumps(forged))
    code, said = report(path)
    assert code != 0
    assert "do not bear out" in said
    assert "not borne out" in Page(write_index(tmp_path).read_text(encoding="utf-8")).text


@pytest.mark.parametrize("required", Assurance)
def test_the_index_shows_the_grade_of_each_run(required: Assurance, tmp_path: Path) -> None:
    write_reports(tmp_path / "run", live_api_only(required))
    text = Page(write_index(tmp_path).read_text(encoding="utf-8")).text
    label = "INCOMPLETE" if required is Assurance.PROOF else "GO by counts"
    assert label in text
    assert "290,017 of an unknown number of rows" in text
