"""The client of the core-server's API (contract sections 1 to 3)."""

import json
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from tsse_validation.clients.acquaintance import Acquaintance
from tsse_validation.clients.allowed import JOBS_PATH
from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.http import Answer, HttpClient
from tsse_validation.domain.contract import (
    INSPECT_JOB,
    MISSING_CAPABILITY_TEXT,
    POST_BURST,
    RUN_CAPABILITY,
    VIEW_CAPABILITY,
    Job,
    JobEvent,
    JobEvents,
    is_healthy,
)
from tsse_validation.domain.errors import (
    AccessError,
    BudgetError,
    ElsewhereError,
    NotAllowedError,
    PromiseBrokenError,
    SuiteError,
    UnreachableError,
)
from tsse_validation.domain.polling import Told, unheard

EVENTS_PAGE = 500
MOST_EVENTS = 100_000
_WORTH_TELLING_SECONDS = 1.0

_UNAVAILABLE = (502, 503, 504)
"""What a server answers while something that it needs is away, or a proxy while the server is."""

_NO_SUCH_PLACE = (404, 405)
_WHICH_ADDRESS = "Are host, port and path of --base-url the core-server's?"

_Model = TypeVar("_Model", bound=BaseModel)
_Taken = TypeVar("_Taken")


@dataclass(frozen=True)
class Health:
    """What `/healthz` said, the seconds it took, and the `Date` header: the controller's clock."""

    status: int
    body: Any
    seconds: float
    date: str | None


@dataclass
class CoreClient:
    """Speaks to one core-server with one token.

    Only the runbook's calls leave it (`allowed.CORE_CALLS`): GETs of health, jobs, events and results; POSTs of
    the four lake jobs, and the cancel of a job of this run. Any other call raises NotAllowedError before it is
    sent or counted.
    """

    http: HttpClient
    token: SecretStr = field(repr=False)
    budget: PostBudget
    _: KW_ONLY
    sleep: Callable[[float], None] = time.sleep
    longest_wait: float = 180.0
    told: Told = unheard
    acquaintance: Acquaintance = field(default_factory=Acquaintance, repr=False)

    def with_token(self, token: SecretStr) -> "CoreClient":
        """Return a client of the same server and budget that speaks as another token."""
        return replace(self, token=token)

    def health(self) -> Health:
        """GET `/healthz`, without a token (section 1); raises ElsewhereError where no core-server answers."""
        try:
            answer = self._get("/healthz", authorization=None)
            body = answer.json()
        except PromiseBrokenError as error:
            self._hold_known(error.message)
            raise
        if answer.status != 200 or not is_healthy(body):
            self._hold_known(f"{answer.url} answered {answer.status} “{answer.excerpt()}”.")
        return Health(answer.status, body, answer.seconds, answer.headers.get("date"))

    def identify(self) -> None:
        """Hold that a core-server answers, before a token is sent there; errors as in `health`."""
        with suppress(PromiseBrokenError):
            self.health()

    def probe(self, job_id: str, authorization: str | None) -> Answer:
        """GET a job under any `Authorization` header, or none, and return the raw answer (section 2)."""
        return self._get(f"{JOBS_PATH}/{job_id}", authorization=authorization)

    def authorization(self) -> str:
        """Return the header's value of this client's token."""
        return f"Bearer {self.token.get_secret_value()}"

    def create_job(
        self,
        job_type: str,
        params: dict[str, object],
        *,
        purpose: str,
        note: Callable[[Job], object] = lambda _job: None,
        undisturbed: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> Job:
        """POST a job of the runbook and return it; waits for the POST budget, within reason (section 3).

        `note` gets the job at once. The request and `note` are within `undisturbed`, a wait for the budget is not.
        """

        def created(answer: Answer) -> Job:
            job = self._model(answer, Job, key="job", expect=200)
            self.http.guard.started(job.id)
            note(job)
            return job

        body = _job_body(job_type, params)
        return self._post(JOBS_PATH, body, created, purpose=purpose, undisturbed=undisturbed)

    def try_to_create(self, job_type: str, *, purpose: str) -> Answer:
        """POST an inspection job with a token that should be refused, and return the raw answer (section 2).

        A token that is let in starts nothing but an inspection: for any other job type this raises
        NotAllowedError.
        """
        if job_type != INSPECT_JOB:
            msg = f"a token's rights are tried with {INSPECT_JOB} only, not with {job_type!r}"
            raise NotAllowedError(msg)
        return self._post(JOBS_PATH, _job_body(job_type, {}), lambda answer: answer, purpose=purpose)

    def let_another_post(self, purpose: str) -> None:
        """Wait for the POST budget, and count a POST that a program which we start is about to send."""
        self._await_budget(purpose)
        self.budget.spend(purpose)

    def adopt(self, job: Job) -> None:
        """Take note of a job that such a program has created for this run: it may be canceled by us."""
        self.http.guard.started(job.id)

    def cancel(self, job_id: str) -> Job:
        """Ask for the cancellation of a job that this run has created (section 3)."""

        def canceled(answer: Answer) -> Job:
            return self._model(answer, Job, key="job", expect=200)

        return self._post(f"{JOBS_PATH}/{job_id}/cancel", None, canceled, purpose="cancel")

    def job(self, job_id: str) -> Job:
        """GET a job (section 3)."""
        return self._model(self._get(f"{JOBS_PATH}/{job_id}"), Job, key="job", expect=200)

    def events(self, job_id: str) -> list[JobEvent]:
        """GET all events of a job, page by page, oldest first (section 3)."""
        events: list[JobEvent] = []
        while True:
            after = events[-1].id if events else 0
            answer = self._get(f"{JOBS_PATH}/{job_id}/events?after={after}&limit={EVENTS_PAGE}")
            page = self._model(answer, JobEvents, key=None, expect=200).events
            if any(later <= earlier for earlier, later in pairwise([after, *(event.id for event in page)])):
                msg = f"The events of job {job_id} do not ascend after id {after} (contract section 3)."
                raise PromiseBrokenError(msg)
            events += page
            if len(page) < EVENTS_PAGE:
                return events
            if len(events) >= MOST_EVENTS:
                msg = f"Job {job_id} has more than {MOST_EVENTS:,} events."
                raise PromiseBrokenError(msg, "Look at the controller's log: something repeats without end.")

    def result(self, job_id: str, model: type[_Model]) -> _Model:
        """GET the result of a completed job as one of the contract's models (section 3)."""
        return self._model(self._get(f"{JOBS_PATH}/{job_id}/result"), model, key="result", expect=200)

    def _get(self, path: str, *, authorization: str | None = "own") -> Answer:
        self.http.guard.hold("GET", path)
        value = self.authorization() if authorization == "own" else authorization
        return self._seen(self.http.get(path, headers={"Authorization": value} if value is not None else None))

    def _seen(self, answer: Answer) -> Answer:
        """Take note of an answer; raises ElsewhereError where the API itself is not there."""
        self.acquaintance.look_at(answer)
        if JOBS_PATH in answer.url and answer.status in _NO_SUCH_PLACE and not self.acquaintance.with_jobs:
            said = f"{answer.url} answered {answer.status} “{answer.excerpt()}”"
            msg = f"There is no core-server's API at {self.http.base_url}: {said}."
            raise ElsewhereError(msg, _WHICH_ADDRESS)
        return answer

    def _hold_known(self, strange: str) -> None:
        """Raise ElsewhereError unless the other side is, or now proves to be, a core-server with a flaw."""
        if not self.acquaintance.made:
            with suppress(SuiteError):
                self.probe(str(uuid.uuid4()), None)
        if not self.acquaintance.made:
            msg = f"What answers there is no core-server: {strange}"
            raise ElsewhereError(msg, _WHICH_ADDRESS)

    def _post(
        self,
        path: str,
        body: object | None,
        take: Callable[[Answer], _Taken],
        *,
        purpose: str,
        undisturbed: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> _Taken:
        """POST within the budget; a request refused by 429 was not executed, so it may be sent again."""
        self.http.guard.hold("POST", path, b"" if body is None else json.dumps(body).encode())
        waited = 0.0
        while True:
            waited += self._await_budget(purpose, waited)
            with undisturbed():
                self.budget.spend(purpose)
                headers = {"Authorization": self.authorization()}
                answer = self._seen(self.http.send("POST", path, headers=headers, json=body))
                if answer.status != 429:
                    return take(answer)
            self.budget.was_refused(_retry_after(answer))

    def _await_budget(self, purpose: str, waited: float = 0.0) -> float:
        """Wait until a POST may be sent, and return for how many seconds; `waited` were waited before."""
        delay = self.budget.delay()
        if waited + delay > self.longest_wait:
            msg = f"The POST budget of the controller is used up: a {purpose} job would wait {delay:.0f} s more."
            raise BudgetError(msg, "Run again later, or with fewer windows (--max-job-windows).")
        if delay >= _WORTH_TELLING_SECONDS:
            self.told(f"the controller's POST budget ({self.budget.available()} of {POST_BURST} left)", delay)
        if delay:
            self.sleep(delay)
            self.budget.waited(delay)
        return delay

    def _model(self, answer: Answer, model: type[_Model], *, key: str | None, expect: int) -> _Model:
        _refuse_errors(answer, expect)
        document = answer.json()
        content = document.get(key) if key is not None and isinstance(document, dict) else document
        try:
            return model.model_validate(content)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in ((key,) if key else ()) + problem["loc"])
            msg = f"{answer.url} answered JSON that the contract does not promise: {where}: {problem['msg']}."
            raise PromiseBrokenError(msg, "See contract section 3.") from None


def _job_body(job_type: str, params: dict[str, object]) -> dict[str, object]:
    return {"job_type": job_type, "params": params, "job_key": None, "dedupe": False}


def _retry_after(answer: Answer) -> float:
    """Return the seconds a 429 asks for, plus one: its own numbers are whole seconds, rounded down."""
    for header in ("retry-after", "x-ratelimit-after"):
        value = answer.headers.get(header, "")
        if value.isdecimal():
            return float(value) + 1.0
    return 20.0


def hold_authorized(answer: Answer) -> None:
    """Raise AccessError where the token was refused, or may not do what was asked for (section 2)."""
    if answer.status == 401:
        msg = f"The controller refuses the token (401 “{answer.excerpt()}”): it is unknown, revoked or expired."
        raise AccessError(msg, "Get a new token and give it by --auth-token-file.")
    if answer.status == 403:
        missing = next(
            (
                name
                for name in (RUN_CAPABILITY, VIEW_CAPABILITY)
                if MISSING_CAPABILITY_TEXT.format(capability=name) in answer.text
            ),
            None,
        )
        lacks = f"it lacks {missing}" if missing else f"“{answer.excerpt()}”"
        msg = f"The token may not do this (403): {lacks}."
        raise AccessError(msg, "Use a token with analysis.run and analysis.view.")


def _refuse_errors(answer: Answer, expect: int) -> None:
    if answer.status == expect:
        return
    hold_authorized(answer)
    if answer.status in _UNAVAILABLE:
        msg = (
            f"{answer.url} answers {answer.status} “{answer.excerpt()}”: the controller, or its database, is away."
        )
        raise UnreachableError(msg, "Look at the controller's log and at its connection to Postgres.")
    msg = f"{answer.url} answered {answer.status} “{answer.excerpt()}” where {expect} is promised."
    raise PromiseBrokenError(msg, "Look at the controller's log.")
