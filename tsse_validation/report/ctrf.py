"""CTRF, the common JSON of test reports: one test for each check of the runbook, and one for the verdict.

As in JUnit XML the verdict's own test fails on NO-GO and INCOMPLETE. What could not be found out has no status of
its own in CTRF: it is `other`, its true status is in `rawStatus`.
"""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from tsse_validation.domain.catalogue import step_label
from tsse_validation.report.junit import SUITE, VERDICT_SUITE
from tsse_validation.report.model import text, words
from tsse_validation.report.model.checks import CheckLine
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import figures
from tsse_validation.report.model.view import ReportView, view_of
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.verdict import Outcome

CTRF_JSON = "ctrf.json"
_SPEC_VERSION = "0.0.0"
_STATUSES: Mapping[CheckStatus, str] = {
    CheckStatus.PASSED: "passed",
    CheckStatus.WARNED: "passed",
    CheckStatus.FAILED: "failed",
    CheckStatus.UNPROVEN: "other",
    CheckStatus.BLOCKED: "skipped",
    CheckStatus.NOT_CHECKED: "skipped",
}


def render_ctrf(document: ReportDocument) -> bytes:
    """Return the run as CTRF in UTF-8; durations and instants are in milliseconds, as the format has them."""
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
            "extra": {figure.key: figure.value for figure in figures(view)},
        },
    }
    return json.dumps(report, ensure_ascii=False, indent=1).encode("utf-8", errors="replace") + b"\n"


def _test(check: CheckLine) -> dict[str, object]:
    told = text.block("\n".join(filter(None, (check.message, check.advice, *check.warnings))))
    return {
        "name": text.one_line(check.check_id),
        "status": _STATUSES[check.status],
        "duration": round(1_000 * (check.seconds or 0.0)),
        "rawStatus": check.status.value,
        "tags": [step_label(check.step)],
        **({"message": told} if told else {}),
    }


def _verdict(view: ReportView) -> dict[str, object]:
    verdict = view.document.verdict
    return {
        "name": VERDICT_SUITE,
        "status": "passed" if verdict.outcome is Outcome.GO else "failed",
        "duration": 0,
        "rawStatus": verdict.outcome.value,
        "tags": [VERDICT_SUITE],
        "message": text.block("\n".join((view.meaning, *verdict.reasons))),
    }


def _epoch_ms(at: datetime) -> int:
    return round(1_000 * at.timestamp())
