"""Reads what the runbook's helpers print (contract section 6; real ones in `tests/data/helpers`). Pure.

What cannot be read is a NotCheckedError: an older or foreign helper proves nothing, and breaks no promise.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tsse_validation.domain.contract import BackfillResult, InspectResult
from tsse_validation.domain.errors import (
    AccessError,
    BudgetError,
    DeadlineError,
    NotCheckedError,
    SuiteError,
    UnreachableError,
)

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_CREATED = re.compile(rf"^Backfill job created: ({_UUID})$", re.MULTILINE | re.ASCII)
_STATUS = re.compile(r"^status=(\w{1,40}) progress=.*\((\d{1,9})(?:/(\d{1,9}))?\)$", re.MULTILINE | re.ASCII)
_RESULT = re.compile(r"^result: (?=\{)", re.MULTILINE)
_WROTE = re.compile(
    rf"^tsse_lake_parity_check: wrote report to (.+) \(mismatches=(\d{{1,9}}), job_id=({_UUID})\)$",
    re.MULTILINE | re.ASCII,
)
_JOB_FAILED = re.compile(rf"^Error: .{{0,80}}job failed \(job_id=({_UUID})\)", re.MULTILINE | re.ASCII)
_COUNTED = re.compile(r"^\| `(.*)` \| (\d{1,18}) \| (\d{1,18}) \| (\S+) \|$", re.MULTILINE | re.ASCII)
_MATCH = "✅"
_EXCERPT = 160
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class HelperEnd:
    """How a helper has ended: its exit code (`None`: it was ended by us), its output, and the seconds it took."""

    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True)
class InspectorSaid:
    """What the inspector has printed: the result of its own job."""

    job_id: str
    result: InspectResult


@dataclass(frozen=True)
class BackfillSaid:
    """What the backfill helper has printed: the jobs that it names, the last status line, and a result, if any."""

    jobs: tuple[str, ...]
    status: str
    completed: int
    total: int | None
    result: BackfillResult | None


@dataclass(frozen=True)
class ParitySaid:
    """What the parity helper has printed: the file that it wrote, the mismatches, and its job."""

    report: str
    mismatches: int
    job_id: str


@dataclass(frozen=True)
class ReportedCount:
    """One sensor's line in a parity report."""

    sensor_id: str
    postgres: int
    lake: int
    matches: bool


def inspector_said(stdout: str) -> InspectorSaid:
    """Read the inspector's JSON: ``{"job_id", "result"}``."""
    document = _json(stdout, "tsse_lake_inspector")
    job_id = document.get("job_id")
    if not isinstance(job_id, str) or not re.fullmatch(_UUID, job_id, re.ASCII):
        raise _foreign("tsse_lake_inspector", "its JSON names no job_id", stdout)
    problem = "its JSON holds no inspection"
    result = _model(document.get("result"), InspectResult, "tsse_lake_inspector", problem)
    return InspectorSaid(job_id, result)


def job_created(stdout: str) -> str | None:
    """Return the job that the backfill helper has named so far, or `None`."""
    match = _CREATED.search(stdout[: stdout.rfind("\n") + 1])
    return match[1] if match else None


def backfill_said(stdout: str) -> BackfillSaid:
    """Read the backfill helper's lines, and the result behind them where it prints one."""
    jobs = tuple(_CREATED.findall(stdout))
    lines = list(_STATUS.finditer(stdout))
    if not jobs or not lines:
        raise _foreign("tsse_lake_backfill", "no job and status was read in what it printed", stdout)
    status, completed, total = lines[-1].groups()
    result = None
    if printed := _RESULT.search(stdout):
        document = _json(stdout[printed.end() :], "tsse_lake_backfill")
        result = _model(document, BackfillResult, "tsse_lake_backfill", "its result is no backfill's")
    return BackfillSaid(jobs, status, int(completed), int(total) if total else None, result)


def parity_said(stdout: str) -> ParitySaid:
    """Read the parity helper's line."""
    match = _WROTE.search(stdout)
    if match is None:
        raise _foreign("tsse_lake_parity_check", "no report, mismatches and job were read", stdout)
    return ParitySaid(match[1], int(match[2]), match[3])


def counts_in(report: str) -> list[ReportedCount]:
    """Return each sensor's line of a parity report in Markdown."""
    return [
        ReportedCount(sensor, int(postgres), int(lake), mark == _MATCH)
        for sensor, postgres, lake, mark in _COUNTED.findall(report)
    ]


def failed_job(stderr: str) -> str | None:
    """Return the job that a helper says has failed, or `None`."""
    match = _JOB_FAILED.search(stderr)
    return match[1] if match else None


def why_it_failed(helper: str, end: HelperEnd) -> SuiteError:
    """Return what the exit of a helper means that has not done its work: it speaks not against the release."""
    said = f"{helper} ended with exit code {end.exit_code}: {_last_words(end.stderr or end.stdout)}"
    if end.exit_code is None:
        return DeadlineError(f"{helper} did not end within {end.seconds:.0f} s, and was ended.", "Run it by hand.")
    if "401 Unauthorized" in end.stderr or "403 Forbidden" in end.stderr:
        advice = "The controller refuses what it read from the token file: is the token alone in it, on one line?"
        return AccessError(said, advice)
    if "429 Too Many Requests" in end.stderr:
        return BudgetError(said, "The POST budget of this address is used up: run again later.")
    if "error sending request" in end.stderr:
        return UnreachableError(said, "It could not reach the controller at --base-url, which answers us.")
    return NotCheckedError(said, "Run it by hand, or build it anew: is it of this controller's version?")


def tail_of(end: HelperEnd, lines: int) -> tuple[str, ...]:
    """Return the last lines of what a helper has printed, those of standard error at the end."""
    printed = [line[:400] for text in (end.stdout, end.stderr) for line in text.splitlines() if line.strip()]
    return tuple(printed[-lines:])


def _json(text: str, helper: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):  # the latter: nested without end
        raise _foreign(helper, "it printed no JSON", text) from None
    if not isinstance(document, dict):
        raise _foreign(helper, "it printed no JSON object", text)
    return document


def _model(document: object, model: type[_Model], helper: str, problem: str) -> _Model:
    try:
        return model.model_validate(document)
    except (ValidationError, RecursionError) as error:
        where = ""
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            where = f" ({'.'.join(map(str, first['loc']))}: {first['msg']})"
        raise _foreign(helper, f"{problem}{where}", "") from None


def _foreign(helper: str, problem: str, text: str) -> NotCheckedError:
    printed = f": “{_last_words(text)}”" if text.strip() else ""
    msg = f"What {helper} says cannot be read: {problem}{printed}."
    return NotCheckedError(msg, "Is --helpers of this controller's version? Build it anew.")


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("Error:", "error:"))]
    said = (errors or lines[-1:] or ["it printed nothing"])[0]
    return "".join(char if char.isprintable() else " " for char in said)[:_EXCERPT]
