"""JUnit XML and CTRF for CI systems: one test for each check of the runbook, and one for the verdict.

The verdict's own test fails unless the verdict is GO. Without it a run whose checks all pass, but whose gate is
not reached, would be green in CI. CTRF has no status for what is unproven: it is `other` there, and `rawStatus`
holds its true status.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from io import BytesIO

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from tsse_validation.domain.catalogue import step_label
from tsse_validation.domain.outcome import Outcome
from tsse_validation.report.model import text, words
from tsse_validation.report.model.checks import CheckLine
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import figures
from tsse_validation.report.model.view import ReportView, view_of
from tsse_validation.runlog.records import CheckStatus

JUNIT_XML = "junit.xml"
CTRF_JSON = "ctrf.json"
SUITE = "tsse-lake-validation"
VERDICT_SUITE = "verdict"
_SPEC_VERSION = "0.0.0"
_STATUSES: Mapping[CheckStatus, str] = {
    CheckStatus.PASSED: "passed",
    CheckStatus.WARNED: "passed",
    CheckStatus.FAILED: "failed",
    CheckStatus.UNPROVEN: "other",
    CheckStatus.BLOCKED: "skipped",
    CheckStatus.NOT_CHECKED: "skipped",
}


def render_junit(document: ReportDocument) -> bytes:
    """Return the run as JUnit XML in UTF-8."""
    view = view_of(document)
    xml = JUnitXml(SUITE)
    xml.add_testsuite(_suite(SUITE, view, map(_case, view.checks)))
    xml.add_testsuite(_suite(VERDICT_SUITE, view, [_verdict_case(view)]))
    xml.update_statistics()  # type: ignore[no-untyped-call]  # junitparser types most of itself, not this
    stream = BytesIO()
    xml.write(stream, pretty=True)
    return stream.getvalue()


def _verdict_case(view: ReportView) -> TestCase:
    verdict = view.document.verdict
    case = TestCase(verdict.label, "verdict", 0.0)
    case.system_out = text.visible("\n".join(_verdict_lines(view)))
    if verdict.outcome is not Outcome.GO:
        kind = Failure if verdict.outcome is Outcome.NO_GO else Error
        result = kind(view.meaning, verdict.outcome.value)
        result.text = "\n".join(map(text.block, verdict.reasons))
        case.result = [result]
    return case


def _verdict_lines(view: ReportView) -> Iterator[str]:
    """Yield what the verdict means, which grade was reached, and how much was compared."""
    verdict = view.document.verdict
    yield text.block(view.meaning)
    yield f"Assurance: {text.one_line(words.assurance(verdict))}"
    yield f"{words.share_name(verdict)}: {text.one_line(words.share(verdict))}"
    yield from (f"Seal: {text.one_line(seal.in_short)}" for seal in view.seals)
    yield from (f"Note: {text.one_line(warning)}" for warning in verdict.warnings)


def _suite(name: str, view: ReportView, cases: Iterable[TestCase]) -> TestSuite:
    suite = TestSuite(name)
    suite.timestamp = words.instant(view.document.result.started.at)
    for figure in figures(view).values():
        suite.add_property(figure.key, words.NOT_MEASURED if figure.value is None else str(figure.value))
    suite.add_testcases(list(cases))
    return suite


def _case(check: CheckLine) -> TestCase:
    case = TestCase(text.one_line(check.check_id), step_label(check.step), round(check.seconds or 0.0, 3))
    if not check.status.proven:
        case.result = [_shortcoming(check)]
    case.system_out = _details(check)
    return case


def _shortcoming(check: CheckLine) -> Failure | Error | Skipped:
    kind = words.status(check.status)
    reason = text.one_line(check.message) or kind
    if check.status not in {CheckStatus.FAILED, CheckStatus.UNPROVEN}:
        return Skipped(f"{kind}: {reason}", kind)
    result = (Failure if check.status is CheckStatus.FAILED else Error)(reason, kind)
    result.text = text.block("\n".join(filter(None, (check.title, check.message, check.advice))))
    return result


def _details(check: CheckLine) -> str:
    lines = [check.title]
    lines += [f"warning: {text.block(warning)}" for warning in check.warnings]
    lines += [f"{text.one_line(name)}: {text.one_line(value)}" for name, value in check.facts.items()]
    return "\n".join(map(text.visible, lines))


def render_ctrf(document: ReportDocument) -> bytes:
    """Return the run as CTRF in UTF-8, with durations and instants in milliseconds."""
    view = view_of(document)
    tests = [*map(_test, view.checks), _verdict(view)]
    started, finished = document.result.started, document.result.finished
    last = max((check.at for check in document.result.checks), default=started.at)
    by_status = Counter(str(test["status"]) for test in tests)
    report = {
        "reportFormat": "CTRF",
        "specVersion": _SPEC_VERSION,
        "results": {
            "tool": {"name": SUITE, "version": text.one_line(started.suite_version)},
            "summary": {
                "tests": len(tests),
                **{status: by_status[status] for status in ("passed", "failed", "pending", "skipped", "other")},
                "start": _epoch_ms(started.at),
                "stop": _epoch_ms(finished.at if finished else last),
            },
            "tests": tests,
            "environment": {
                "reportName": "TSSE lake validation",
                "testEnvironment": text.one_line(words.services(document.result.stack)),
            },
            "extra": {key: figure.value for key, figure in figures(view).items()},
        },
    }
    return json.dumps(report, ensure_ascii=False, indent=1).encode("utf-8", errors="replace") + b"\n"


def _test(check: CheckLine) -> dict[str, object]:
    message = text.block("\n".join(filter(None, (check.message, check.advice, *check.warnings))))
    return {
        "name": text.one_line(check.check_id),
        "status": _STATUSES[check.status],
        "duration": round(1_000 * (check.seconds or 0.0)),
        "rawStatus": check.status.value,
        "tags": [step_label(check.step)],
        **({"message": message} if message else {}),
    }


def _verdict(view: ReportView) -> dict[str, object]:
    verdict = view.document.verdict
    return {
        "name": VERDICT_SUITE,
        "status": "passed" if verdict.outcome is Outcome.GO else "failed",
        "duration": 0,
        "rawStatus": verdict.label,
        "tags": [VERDICT_SUITE],
        "message": text.block("\n".join((*_verdict_lines(view), *verdict.reasons))),
    }


def _epoch_ms(at: datetime) -> int:
    return round(1_000 * at.timestamp())
