"""What may be sent to a controller: the runbook's calls and no others (contract section 3).

The table below is complete. Every request is held against it at the last point before the network
(`http.GuardedTransport`): a call that is not in it raises, and is not sent.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tsse_validation.domain.contract import BACKFILL_JOB, INSPECT_JOB, PARITY_JOB, TICK_JOB
from tsse_validation.domain.errors import NotAllowedError

JOBS_PATH = "/api/analysis/jobs"
REPORT_IT = "This is a fault of the suite, and nothing was sent: please report it."
_ID = r"(?P<id>[\w-]+)"


class _Exactly(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _NoParams(_Exactly):
    pass


class _BackfillParams(_Exactly):
    # the controller takes what is no number, or below 1, for 90 days without a word
    days: Annotated[int, Field(ge=1, le=365)]
    replace_existing: bool


class _ParityParams(_Exactly):
    start: str
    end: str
    sensor_ids: list[str]
    sample: int
    fail_on_mismatch: bool


class _JobRequest(_Exactly):
    job_type: str
    params: dict[str, Any]
    job_key: None
    dedupe: Literal[False]


JOBS_TO_START: Mapping[str, type[BaseModel]] = {
    INSPECT_JOB: _NoParams,  # looks; a view-only token's refusal is tried with it too: let in, it only looks
    BACKFILL_JOB: _BackfillParams,  # writes the lake: step 4, and --heal-check's repetition
    TICK_JOB: _NoParams,  # writes the lake, as replication does by itself every minute
    PARITY_JOB: _ParityParams,  # counts
}
"""The jobs that may be started, each with exactly the parameters that the contract names."""


def _no_body(content: bytes) -> bool:
    return not content


def _starts_a_runbook_job(content: bytes) -> bool:
    """Whether a body asks for one of `JOBS_TO_START`, with the contract's parameters and no others."""
    try:
        request = _JobRequest.model_validate(json.loads(content))
        JOBS_TO_START[request.job_type].model_validate(request.params)
    except (ValueError, KeyError, RecursionError):  # a ValidationError is a ValueError
        return False
    return True


@dataclass(frozen=True)
class Call:
    """One kind of call: `target` is a pattern of path and query, `body` says whether the content is right."""

    method: str
    target: str
    body: Callable[[bytes], bool] = _no_body
    own_job: bool = False


CORE_CALLS: Sequence[Call] = (
    Call("GET", "/healthz"),
    Call("GET", rf"{JOBS_PATH}/{_ID}"),
    Call("GET", rf"{JOBS_PATH}/{_ID}/result"),
    Call("GET", rf"{JOBS_PATH}/{_ID}/events\?after=\d+&limit=\d+"),
    Call("POST", JOBS_PATH, body=_starts_a_runbook_job),
    Call("POST", rf"{JOBS_PATH}/{_ID}/cancel", own_job=True),
)
QDRANT_CALLS: Sequence[Call] = (Call("GET", "/healthz"), Call("GET", "/"))


MOST_OWN_JOBS = 10_000
"""Jobs of ours that may be canceled: a soak of weeks starts more, and each ends before long."""


class CallGuard:
    """Holds requests against a table of calls, and knows which jobs this run has started."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls
        self._own_jobs: deque[str] = deque(maxlen=MOST_OWN_JOBS)

    def started(self, job_id: str) -> None:
        """Take note of a job that was created on our request: it may be canceled by us."""
        self._own_jobs.append(job_id)

    def hold(self, method: str, target: str, content: bytes = b"") -> None:
        """Let a request pass, or raise; `target` is its path with the query.

        Raises NotAllowedError when it is not in the table, or would cancel a job of somebody else.
        """
        for call in self._calls:
            match = re.fullmatch(call.target, target, re.ASCII)
            if call.method != method or match is None or not call.body(content):
                continue
            if call.own_job and match["id"] not in self._own_jobs:
                msg = f"The suite cancels only jobs of its own, and {match['id']} is not."
                raise NotAllowedError(msg, REPORT_IT)
            return
        what = f"{method} {target[:200]!r}{_asking_for(content)}"
        msg = f"The suite does not send {what}: the runbook has no such call."
        raise NotAllowedError(msg, REPORT_IT)


def _asking_for(content: bytes) -> str:
    """Name the job that a refused body asks for; its parameters may be confidential."""
    try:
        job_type = json.loads(content)["job_type"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return " with this body" if content else ""
    return f" for a job {str(job_type)[:60]!r} with these parameters"
