from io import BytesIO
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite

from tests.support.report_builders import SCENARIOS, crashed, empty, go, hostile, live_api_only, no_go
from tsse_validation.report.junit import SUITE, VERDICT_SUITE, render_junit
from tsse_validation.report.model.checks import check_lines
from tsse_validation.report.model.document import ReportDocument
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


@pytest.mark.parametrize("of", [of for _, of in SCENARIOS], ids=[name for name, _ in SCENARIOS])
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
    assert found["verdict"] == "GO"
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
        "tests": "30",
        "failures": "3",
        "errors": "0",
        "skipped": "1",
    }


@given(ANY_TEXT)
def test_the_xml_is_well_formed_for_any_text(text: str) -> None:
    ET.fromstring(render_junit(ReportDocument.of(hostile(text))))  # noqa: S314 - our own output
