"""JUnit XML for CI systems: one test case for each check of the runbook, and one for the verdict.

The verdict's own case stands in a suite of its own. Without it a run whose checks all pass, but whose gate is
not reached, would be green in CI.
"""

from io import BytesIO

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from tsse_validation.domain.catalogue import step_label
from tsse_validation.report.model import text, words
from tsse_validation.report.model.checks import CheckLine
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import figures
from tsse_validation.report.model.view import ReportView, view_of
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.verdict import Outcome

JUNIT_XML = "junit.xml"
SUITE = "tsse-lake-validation"
VERDICT_SUITE = "verdict"

_Result = Failure | Error | Skipped


def render_junit(document: ReportDocument) -> bytes:
    """Return the run as JUnit XML in UTF-8."""
    view = view_of(document)
    xml = JUnitXml(SUITE)
    xml.add_testsuite(_checks_suite(view))
    xml.add_testsuite(_verdict_suite(view))
    xml.update_statistics()  # type: ignore[no-untyped-call]  # junitparser types most of itself, not this
    stream = BytesIO()
    xml.write(stream, pretty=True)
    return stream.getvalue()


def _checks_suite(view: ReportView) -> TestSuite:
    suite = _suite(SUITE, view)
    suite.add_testcases([_case(check) for check in view.checks])
    return suite


def _verdict_suite(view: ReportView) -> TestSuite:
    verdict = view.document.verdict
    case = TestCase(verdict.outcome.value, "verdict", 0.0)
    reasons = "\n".join(text.block(reason) for reason in verdict.reasons)
    if verdict.outcome is Outcome.NO_GO:
        case.result = [_told(Failure(view.meaning, "NO-GO"), reasons)]
    elif verdict.outcome is Outcome.INCOMPLETE:
        case.result = [_told(Error(view.meaning, "INCOMPLETE"), reasons)]
    suite = _suite(VERDICT_SUITE, view)
    suite.add_testcase(case)
    return suite


def _suite(name: str, view: ReportView) -> TestSuite:
    suite = TestSuite(name)
    suite.timestamp = words.instant(view.document.result.started.at)
    for figure in figures(view):
        suite.add_property(figure.key, words.NOT_MEASURED if figure.value is None else str(figure.value))
    return suite


def _case(check: CheckLine) -> TestCase:
    case = TestCase(text.one_line(check.check_id), step_label(check.step), round(check.seconds or 0.0, 3))
    outcome = _outcome(check)
    if outcome is not None:
        case.result = [outcome]
    case.system_out = _details(check)
    return case


def _outcome(check: CheckLine) -> _Result | None:
    reason = text.one_line(check.message) or words.status(check.status)
    kind = words.status(check.status)
    told = text.block("\n".join(filter(None, (check.title, check.message, check.advice))))
    if check.status is CheckStatus.FAILED:
        return _told(Failure(reason, kind), told)
    if check.status is CheckStatus.UNPROVEN:
        return _told(Error(reason, kind), told)
    if not check.status.proven:
        return Skipped(f"{kind}: {reason}", kind)
    return None


def _told(result: _Result, told: str) -> _Result:
    result.text = told
    return result


def _details(check: CheckLine) -> str:
    lines = [check.title]
    lines += [f"warning: {text.block(warning)}" for warning in check.warnings]
    lines += [f"{text.one_line(name)}: {text.one_line(value)}" for name, value in check.facts.items()]
    return "\n".join(map(text.visible, lines))
