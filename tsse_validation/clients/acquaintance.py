"""Whether what answers at an address is a core-server: only then is a strange answer a broken promise."""

from dataclasses import dataclass
from typing import Any

from tsse_validation.clients.allowed import JOBS_PATH
from tsse_validation.clients.http import Answer
from tsse_validation.domain.contract import (
    JOB_NOT_FOUND_TEXT,
    MISSING_CAPABILITY_TEXT,
    RUN_CAPABILITY,
    UNAUTHORIZED_TEXT,
    VIEW_CAPABILITY,
    is_healthy,
)
from tsse_validation.domain.errors import PromiseBrokenError


@dataclass
class Acquaintance:
    """Whether what answers at an address has once answered as a core-server does.

    Until then a strange answer is no broken promise: nobody there has promised anything.
    """

    made: bool = False
    with_jobs: bool = False
    """Whether it has answered a request for jobs as one: others too say that they are well."""

    def look_at(self, answer: Answer) -> None:
        """Take note of an answer that only a core-server gives."""
        if JOBS_PATH in answer.url:
            self.with_jobs = self.with_jobs or _speaks_of_jobs(answer)
        self.made = self.made or self.with_jobs or (answer.status == 200 and is_healthy(_json_of(answer)))


def _speaks_of_jobs(answer: Answer) -> bool:
    """Whether an answer on jobs is one of the contract's (sections 2 and 3)."""
    text = answer.text.strip()
    if answer.status == 200:
        document = _json_of(answer)
        return isinstance(document, dict) and bool({"job", "job_id", "events"} & document.keys())
    lacking = {MISSING_CAPABILITY_TEXT.format(capability=name) for name in (RUN_CAPABILITY, VIEW_CAPABILITY)}
    return text in {401: {UNAUTHORIZED_TEXT}, 403: lacking, 404: {JOB_NOT_FOUND_TEXT}}.get(answer.status, set())


def _json_of(answer: Answer) -> Any:
    try:
        return answer.json()
    except PromiseBrokenError:
        return None
