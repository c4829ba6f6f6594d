"""What programs read: junit.xml, CTRF and result.json."""

import json
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite
from pydantic import ValidationError

from tests.support.report_builders import ALL, SCENARIOS, crashed, empty, go, hostile, live_api_only, no_go
from tsse_validation.domain.assurance import Assurance
from tsse_validation.report.ci_reports import SUITE, VERDICT_SUITE, render_ctrf, render_junit
from tsse_validation.report.model.checks import check_lines
from tsse_validation.report.model.document import ReportDocument, read_result_json, to_json, write_result_json
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.runlog.result import RunResult

ANY_TEXT = st.text(st.characters(codec=None))
EXPECTED = {
    CheckStatus.PASSED: None,
    CheckStatus.WARNED: None,
    CheckStatus.FAILED: Failure,
    CheckStatus.UNPROVEN: Error,
    CheckStatus.BLOCKED: Skipped,
    CheckStatus.NOT_CHECKED: Skipped,
}


def suites(of: RunResult) -> dict[str, TestSuite]:
    xml = JUnitXml.fromfile(BytesIO(render_junit(ReportDocument.of(of))))
    return {str(suite.name): suite for suite in xml}


@ALL
def test_there_is_one_case_for_each_check_and_it_ends_as_the_check_did(of: RunResult) -> None:
    cases = {case.name: case for case in suites(of)[SUITE]}
    lines = check_lines(ReportDocument.of(of))
    assert set(cases) == {line.check_id for line in lines}
    for line in lines:
        kinds = [type(outcome) for outcome in cases[line.check_id].result]
        expected = EXPECTED[line.status]
        assert kinds == ([] if expected is None else [expected])


def test_a_check_that_never_ran_is_skipped_with_its_reason() -> None:
    cases = {case.name: case for case in suites(crashed())[SUITE]}
    (skipped,) = cases["watermark_is_recent"].result
    assert skipped.message == "not checked: not run"


def test_the_suite_carries_the_verdict_the_run_and_the_basis() -> None:
    document = ReportDocument.of(live_api_only())
    root = ET.fromstring(render_junit(document))  # noqa: S314 - our own output
    found = {prop.get("name"): prop.get("value") for prop in root.iter("property")}
    assert found["verdict"] == "GO by counts"
    assert (found["assurance"], found["assurance_required"]) == ("counts", "counts")
    assert found["exit_code"] == "0"
    assert found["run_id"] == document.run_id
    assert found["basis"] == document.verdict.basis


@pytest.mark.parametrize(
    ("of", "kinds"), [(go(), []), (no_go(), [Failure]), (crashed(), [Error]), (empty(), [Error])]
)
def test_a_run_that_is_no_go_is_not_green_in_ci(of: RunResult, kinds: list[type]) -> None:
    (case,) = suites(of)[VERDICT_SUITE]
    assert [type(outcome) for outcome in case.result] == kinds


def test_the_totals_count_both_suites() -> None:
    root = ET.fromstring(render_junit(ReportDocument.of(no_go())))  # noqa: S314 - our own output
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "33",
        "failures": "3",
        "errors": "0",
        "skipped": "1",
    }


@given(ANY_TEXT)
def test_the_xml_is_well_formed_for_any_text(text: str) -> None:
    ET.fromstring(render_junit(ReportDocument.of(hostile(text))))  # noqa: S314 - our own output


STATUSES = ("passed", "failed", "pending", "skipped", "other")


def ctrf(of: RunResult) -> dict[str, Any]:
    written = json.loads(render_ctrf(ReportDocument.of(of)))
    assert (written["reportFormat"], written["specVersion"]) == ("CTRF", "0.0.0")
    results = written["results"]
    assert isinstance(results, dict)
    return results


@ALL
def test_the_summary_counts_the_tests(of: RunResult) -> None:
    results = ctrf(of)
    summary = results["summary"]
    counted = Counter(test["status"] for test in results["tests"])
    assert {status: summary[status] for status in STATUSES} == {status: counted[status] for status in STATUSES}
    assert summary["tests"] == sum(counted.values())
    assert summary["start"] <= summary["stop"]


@ALL
def test_it_tells_the_checks_of_junit_alike(of: RunResult) -> None:
    document = ReportDocument.of(of)
    root = ET.fromstring(render_junit(document))  # noqa: S314 - our own output
    of_junit = {"failure": "failed", "error": "other", "skipped": "skipped"}
    expected = {}
    for case in root.iter("testcase"):
        told = next((of_junit[child.tag] for child in case if child.tag in of_junit), "passed")
        expected[case.get("name")] = told
    del expected[document.verdict.label]
    tests = {test["name"]: test["status"] for test in ctrf(of)["tests"] if test["name"] != VERDICT_SUITE}
    assert tests == expected


GREEN = (go(), live_api_only(Assurance.COUNTS), live_api_only(Assurance.SAMPLE))
RED = (no_go(), crashed(), live_api_only(Assurance.PROOF))


@pytest.mark.parametrize(("of", "status"), [*((of, "passed") for of in GREEN), *((of, "failed") for of in RED)])
def test_only_a_go_is_green(of: RunResult, status: str) -> None:
    (verdict,) = (test for test in ctrf(of)["tests"] if test["name"] == VERDICT_SUITE)
    assert verdict["status"] == status
    assert verdict["rawStatus"] == ReportDocument.of(of).verdict.label == ctrf(of)["extra"]["verdict"]


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    written = render_ctrf(ReportDocument.of(hostile("\ud800\x1b[31m\u202e"))).decode()
    assert "\x1b" not in written
    assert "\u202e" not in written


@pytest.mark.parametrize("result", [result for _, result in SCENARIOS], ids=[name for name, _ in SCENARIOS])
def test_result_json_reads_back_as_it_was_written(result: RunResult, tmp_path: Path) -> None:
    document = ReportDocument.of(result)
    path = tmp_path / "result.json"
    write_result_json(path, document)
    assert read_result_json(path) == document


@given(st.text())
def test_result_json_carries_any_text_unchanged(text: str) -> None:
    document = ReportDocument.of(hostile(text))
    assert ReportDocument.model_validate_json(to_json(document)) == document


def test_result_json_survives_a_lone_surrogate() -> None:
    read = ReportDocument.model_validate_json(to_json(ReportDocument.of(hostile("a\ud800b"))))
    assert read.run_id == "a?b"


def test_result_json_is_one_line_of_utf_8_with_the_verdict_on_top() -> None:
    content = to_json(ReportDocument.of(go()))
    assert content.count(b"\n") == 1
    read = json.loads(content)
    assert list(read) == ["schema_version", "run_id", "verdict", "result"]
    assert read["schema_version"] == 1
    assert read["verdict"]["outcome"] == "GO"


def test_a_crashed_run_has_no_end_and_its_interrupted_check() -> None:
    read = json.loads(to_json(ReportDocument.of(crashed())))
    assert read["result"]["finished"] is None
    assert [check["check_id"] for check in read["result"]["interrupted"]] == ["backfill_job_completes"]


@pytest.mark.parametrize("change", [{"schema_version": 2}, {"surprise": 1}, {"verdict": None}])
def test_a_document_of_another_schema_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(json.loads(to_json(ReportDocument.of(go()))) | change))
    with pytest.raises(ValidationError):
        read_result_json(path)
