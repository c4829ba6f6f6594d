"""The contract's promises about answers, jobs, events and results, as rules over an answer's content.

A broken promise names the contract's section: ``contract 3: …``.
"""

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from tsse_validation.domain.contract import TERMINAL, Job, JobEvents, is_healthy
from tsse_validation.domain.errors import PromiseBrokenError
from tsse_validation.domain.holding import hold

if TYPE_CHECKING:
    from tsse_validation.clients.http import Answer

ADVICE = "The controller and the contract differ: one of the two is to be put right before the release."
EVENT_KINDS = TERMINAL | {"created", "started", "progress", "runner_summary", "phase_timing", "cancel_requested"}

_OPTIONAL_OF_A_JOB = ("job_key", "created_by", "started_at", "completed_at", "canceled_at", "error")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(\d{3}|\d{6}|\d{9}))?\+00:00", re.ASCII)
_INSTANT_KEY = re.compile(r"\w+_(at|ts)|last_export_(start|end)", re.ASCII)
_LIMIT_TEXT = re.compile(r"Too Many Requests! Wait for \d+s", re.ASCII)
LIMIT_HEADERS: Mapping[str, re.Pattern[str]] = {
    "retry-after": re.compile(r"\d+", re.ASCII),
    "x-ratelimit-after": re.compile(r"\d+", re.ASCII),
    "x-ratelimit-limit": re.compile("60"),
    "x-ratelimit-remaining": re.compile("0"),
}
"""The headers of a 429 (section 3)."""

Rule = Callable[[Any], None]
"""Checks a JSON document, and raises `PromiseBrokenError`."""


def promised(section: int | str, holds: object, found: str) -> None:
    """Check a promise of one section of the contract.

    Raises:
        PromiseBrokenError: it does not hold; the message names the section, then says what was `found`.

    """
    hold(holds, f"contract {section}: {found}", ADVICE)


@dataclass(frozen=True)
class Expected:
    """The answer to a request: exactly this `text`, or any text for `reason`, or JSON that follows `rule`."""

    status: int
    text: str | None = None
    reason: bool = False
    rule: Rule | None = None


def judge(section: int | str, asked: str, expected: Expected, answer: "Answer") -> None:
    """Check an answer; `asked` names the request in the message.

    Raises:
        PromiseBrokenError: the status, the text, the content type or the document is not as expected.

    """
    answered = f"{answer.status} “{answer.excerpt()}”"
    wanted = f"{expected.status}" + (f" “{expected.text}”" if expected.text is not None else "")
    right = answer.status == expected.status and expected.text in {None, answer.text.strip()}
    promised(section, right, f"{asked} was answered {answered} instead of {wanted}.")
    if expected.text is not None or expected.reason:
        kind = answer.headers.get("content-type", "none")
        problem = f"{asked} was answered {answered} as {kind}, not as plain text."
        promised(section, kind.startswith("text/plain"), problem)
    if expected.reason:
        promised(section, answer.text.strip(), f"{asked} was answered {answer.status} without a reason.")
    if expected.rule is not None:
        expected.rule(document_of(section, asked, answer))


def document_of(section: int | str, asked: str, answer: "Answer") -> Any:
    """Return an answer's JSON.

    Raises:
        PromiseBrokenError: the answer is not JSON.

    """
    try:
        return answer.json()
    except PromiseBrokenError as error:
        msg = f"contract {section}: {asked} was not answered with JSON: {error.message}"
        raise PromiseBrokenError(msg, ADVICE) from None


def health_rule(document: Any) -> None:
    """Check the document of `/healthz` (section 1)."""
    promised(1, is_healthy(document), f"/healthz says {str(document)[:80]}.")


def job_rule(document: Any) -> None:
    """Check ``{"job": JOB}``: its keys, its timestamps, and that unknown keys are omitted (section 3)."""
    keys_rule(document, ["job"], "The answer")
    job = document["job"]
    model_rule(job, Job, "JOB")
    null = [key for key in _OPTIONAL_OF_A_JOB if key in job and job[key] is None]
    promised(3, not null, f"JOB has {', '.join(null)} as null: absent optional keys are omitted.")
    message = job["progress"].get("message", "")
    promised(3, message is not None, "JOB has progress.message as null: absent optional keys are omitted.")
    promised(3, _is_uuid(job["id"]), f"JOB's id {str(job['id'])[:60]!r} is no UUID.")
    promised(3, job["status"] != "failed" or "error" in job, "A failed job has no error.")
    promised(3, job["status"] != "completed" or "error" not in job, "A completed job has an error.")
    stamps_rule(job)


def events_rule(document: Any) -> None:
    """Check a page of events: its keys, its kinds, that ids ascend, and where the next page begins (section 3)."""
    model_rule(document, JobEvents, "A page of events")
    events = document["events"]
    for event in events:
        missing = {"id", "created_at", "kind", "payload"} - set(event)
        promised(3, not missing, f"An event lacks {', '.join(sorted(missing))}.")
        promised(3, event["kind"] in EVENT_KINDS, f"An event is of the unknown kind {event['kind']!r}.")
    ids = [event["id"] for event in events]
    promised(3, all(one < two for one, two in pairwise(ids)), f"The ids of events do not ascend: {ids[:10]}.")
    last, after = ids[-1] if ids else None, document.get("next_after")
    promised(3, after == last, f"A page of events that ends with {last or 'none'} has the next_after {after}.")
    stamps_rule(document)


def history_rule(kinds: Sequence[str], status: str) -> None:
    """Check the kinds of an ended job's events, the oldest first: one creation, and one end by its status."""
    history = ", ".join(kinds) or "none"
    promised(3, kinds[:1] == ["created"], f"The events of a job do not begin with “created”: {history}.")
    ends = [kind for kind in kinds if kind in TERMINAL]
    problem = f"The events of a {status} job end it as {', '.join(ends) or 'nothing'}: {history}."
    promised(3, ends == [status], problem)
    if status in {"completed", "failed"}:
        ran = "started" in kinds and kinds.index("started") < kinds.index(status)
        promised(3, ran, f"A {status} job was not started before its end: {history}.")


def keys_rule(document: Any, keys: Sequence[str], what: str) -> None:
    """Check that an object has its keys (section 3)."""
    promised(3, isinstance(document, dict), f"{what} is no object.")
    missing = [key for key in keys if key not in document]
    promised(3, not missing, f"{what} lacks {', '.join(missing)}.")


def model_rule(document: Any, model: type[BaseModel], what: str) -> None:
    """Check a document by a model of the contract (section 3)."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "its content"
        promised(3, False, f"{what} is not as promised: {where}: {problem['msg']}.")


def stamps_rule(document: Any) -> None:
    """Check the format of every timestamp in a document (preamble)."""
    for key, value in _texts(document):
        if _INSTANT_KEY.fullmatch(key):
            promised("preamble", _STAMP.fullmatch(value), f"{key} is {value[:60]!r}, not RFC 3339 with +00:00.")


def limit_rule(answer: "Answer") -> None:
    """Check the text and the headers of a 429 (section 3)."""
    promised(3, _LIMIT_TEXT.fullmatch(answer.text.strip()), f"429 says “{answer.excerpt()}”.")
    for name, pattern in LIMIT_HEADERS.items():
        value = answer.headers.get(name)
        found = f"429 has {name}: {value}." if value is not None else f"429 has no header {name}."
        promised(3, value is not None and pattern.fullmatch(value), found)


def _texts(document: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _texts(value, str(name))
    elif isinstance(document, list):
        for value in document:
            yield from _texts(value, key)
    elif isinstance(document, str):
        yield key, document


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
