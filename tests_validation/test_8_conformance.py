"""Step 8, conformance: the endpoints answer as the contract has it, only when asked for (beyond the runbook)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsse_validation.conformance.exchanges import EXCHANGES
from tsse_validation.conformance.job_cases import JOB_CASES, end_rule
from tsse_validation.conformance.rules import history_rule, judge, stamps_rule
from tsse_validation.conformance.scenarios import READING_SCENARIOS, SCENARIOS, posts_are_limited

if TYPE_CHECKING:
    from tsse_validation.conformance.job_cases import Surroundings
    from tsse_validation.conformance.subject import Subject
    from tsse_validation.steps.run import Check

pytestmark = [pytest.mark.conformance, pytest.mark.step(8)]

CASES = {case.name: case for case in EXCHANGES}
JOBS = {case.name: case for case in JOB_CASES}


def _reading(names: list[str], reading: set[str]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.tier_a if name in reading else ()) for name in names]


@pytest.mark.parametrize("name", _reading(list(CASES), {case.name for case in EXCHANGES if case.request.reads}))
def test_endpoint_answers_as_promised(name: str, subject: Subject, check: Check) -> None:
    case = CASES[name]
    answer = subject.send(case.request)
    check.fact("request", case.request)
    check.fact("answer", f"{answer.status} {answer.excerpt()}")
    judge(case.section, str(case.request), case.expected, answer)


@pytest.mark.parametrize("name", _reading(list(SCENARIOS), set(READING_SCENARIOS)))
def test_jobs_behave_as_promised(name: str, subject: Subject) -> None:
    if name not in READING_SCENARIOS:
        subject.require_owned()
    SCENARIOS[name](subject)


@pytest.mark.parametrize("name", JOBS)
def test_job_ends_as_promised(name: str, subject: Subject, surroundings: Surroundings, check: Check) -> None:
    case = JOBS[name]
    with subject.require_owned().broken(case.fault, surroundings):
        job = subject.end_of(str(subject.create(case.job_type, case.params(surroundings))["id"]))
    check.fact("ended", f"{job['status']} {job.get('error', {}).get('code', '')}".strip())
    end_rule(case, job)
    history_rule(subject.kinds(str(job["id"])), str(job["status"]))
    if case.code is None:
        result = subject.result(str(job["id"]))
        stamps_rule(result)
        case.result(result, surroundings)


def test_posts_are_limited_per_client(subject: Subject) -> None:
    posts_are_limited(subject)
