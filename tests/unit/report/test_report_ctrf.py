"""CTRF says what `junit.xml` says."""

import json
from collections import Counter
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.support.report_builders import SCENARIOS, crashed, go, hostile, no_go
from tsse_validation.report.ctrf import render_ctrf
from tsse_validation.report.junit import VERDICT_SUITE, render_junit
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.runlog.result import RunResult

ALL = pytest.mark.parametrize("of", [of for _, of in SCENARIOS], ids=[name for name, _ in SCENARIOS])
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
    del expected[document.verdict.outcome.value]
    tests = {test["name"]: test["status"] for test in ctrf(of)["tests"] if test["name"] != VERDICT_SUITE}
    assert tests == expected


@pytest.mark.parametrize(("of", "status"), [(go(), "passed"), (no_go(), "failed"), (crashed(), "failed")])
def test_only_a_go_is_green(of: RunResult, status: str) -> None:
    (verdict,) = (test for test in ctrf(of)["tests"] if test["name"] == VERDICT_SUITE)
    assert verdict["status"] == status
    assert verdict["rawStatus"] == ReportDocument.of(of).verdict.outcome.value == ctrf(of)["extra"]["verdict"]


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    written = render_ctrf(ReportDocument.of(hostile("\ud800\x1b[31m\u202e"))).decode()
    assert "\x1b" not in written
    assert "\u202e" not in written
