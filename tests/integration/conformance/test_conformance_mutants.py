"""A controller that breaks one promise is told by the case that tries it, with the section that promises it."""

from collections.abc import Callable

import pytest

from tsse_validation.conformance.exchanges import EXCHANGES
from tsse_validation.conformance.job_cases import JOB_CASES, end_rule
from tsse_validation.conformance.rules import judge
from tsse_validation.conformance.scenarios import SCENARIOS, posts_are_limited
from tsse_validation.conformance.subject import Subject
from tsse_validation.domain.errors import PromiseBrokenError

Case = tuple[str, str, str]

EXCHANGED: tuple[Case, ...] = (
    ("answers", "healthz", "contract 1: /healthz says {'status': 'up'}"),
    ("answers", "token-none", "contract 2: GET .*was answered 401 “Go away” instead of 401 “Missing or invalid"),
    ("answers", "token-revoked", "contract 2: GET .*token: revoked.* was answered 410"),
    ("answers", "create-view-only", "contract 2: POST .*was answered 200 .* instead of 403 “Missing capabilities"),
    ("answers", "status-unknown", "contract 3: GET .*was answered 410 “Gone” instead of 404 “Job not found”"),
    ("answers", "create-plain-text", "contract 3: POST .*was answered 200 .*instead of 415"),
    ("answers", "create-number-as-type", "contract 3: POST .*was answered 400 “bad request” instead of 422"),
    ("answers", "result-of-failed", "contract 3: GET .*was answered 200 .*instead of 400 “Job is not completed”"),
    ("history", "status", "contract 3: JOB has job_key as null: absent optional keys are omitted"),
    ("answers", "events", "contract preamble: created_at is '.*Z', not RFC 3339 with"),
    ("history", "events", "contract 3: The ids of events do not ascend"),
)
BEHAVED: tuple[Case, ...] = (
    ("history", "events-one-by-one", "contract 3: The ids of events do not ascend"),
    ("pages", "events-one-by-one", "contract 3: A page of events that ends with none has the next_after"),
    ("pages", "event-pages-are-clamped", "contract 3: A page of events with limit=100000 has 6.. instead of 500"),
    ("pages", "terminal-is-left-unchanged", "contract 3: The cancellation of a completed job changed updated_at"),
    ("pages", "dedupe-returns-the-same-job", "contract 3: With dedupe and the same job_key a second job"),
    ("workers", "pending-is-canceled-at-once", "contract 3: A pending job is pending after its cancellation"),
    ("workers", "running-is-canceled-cooperatively", "contract 3: A running job that was canceled ended c"),
    ("order", "oldest-is-claimed-first", "contract 3: .*while a younger one may have started"),
)
WORKED: tuple[Case, ...] = (
    ("work", "backfill-days-400", "contract 3: 400 days were backfilled instead of 365"),
    ("work", "backfill-days-negative", "contract 3: 30 days were backfilled instead of 90"),
    ("workers", "parity-starts-past-the-watermark", "contract 3: .*failed invalid_params.*instead of failed with"),
    ("workers", "parity-mismatch-fails", "contract 3: .*the error's details lack mismatches"),
    ("work", "parity-sample", "contract 3: The sample is"),
    ("work", "parity-named-sensors", "contract 3: An id that no sensor has is counted as"),
    ("work", "parity-past-the-watermark", "contract 3: The window is not clamped to the watermark"),
    ("work", "unknown-type", "contract 3: .*ended completed instead of failed with unsupported_job_type"),
)
LIMITED: tuple[tuple[str, str], ...] = (
    ("history", "contract 3: 429 has no header x-ratelimit-after"),
    ("pages", "contract 3: POSTs were refused after 30: the burst is 60"),
)
SubjectOf = Callable[[str], Subject]


@pytest.mark.parametrize(("group", "name", "told"), EXCHANGED)
def test_a_wrong_answer_is_told(group: str, name: str, told: str, subject_of: SubjectOf) -> None:
    subject = subject_of(group)
    (case,) = (case for case in EXCHANGES if case.name == name)
    answer = subject.send(case.request)
    with pytest.raises(PromiseBrokenError, match=told):
        judge(case.section, str(case.request), case.expected, answer)


@pytest.mark.parametrize(("group", "name", "told"), BEHAVED)
def test_a_wrong_behaviour_is_told(group: str, name: str, told: str, subject_of: SubjectOf) -> None:
    subject = subject_of(group)
    with pytest.raises(PromiseBrokenError, match=told):
        SCENARIOS[name](subject)


@pytest.mark.parametrize(("group", "name", "told"), WORKED)
def test_a_wrong_end_of_a_job_is_told(group: str, name: str, told: str, subject_of: SubjectOf) -> None:
    subject = subject_of(group)
    (case,) = (case for case in JOB_CASES if case.name == name)
    bench = subject.require_owned()
    around = bench.look_around()
    with bench.broken(case.fault, around):
        job = subject.end_of(str(subject.create(case.job_type, case.params(around))["id"]))

    def hold() -> None:
        end_rule(case, job)
        case.result(subject.result(str(job["id"])), around)

    with pytest.raises(PromiseBrokenError, match=told):
        hold()


@pytest.mark.parametrize(("group", "told"), LIMITED)
def test_a_wrong_limit_is_told(group: str, told: str, subject_of: SubjectOf) -> None:
    subject = subject_of(group)
    # An address that no other test has posted from.
    for number in range(20 if group == "history" else 40):
        subject._lanes[f"skipped-{number}"] = subject.lane("exchanges")
    with pytest.raises(PromiseBrokenError, match=told):
        posts_are_limited(subject)
