"""Single requests, and the answer that the contract promises for each (sections 1 to 3)."""

import json
from dataclasses import dataclass
from enum import StrEnum

from tsse_validation.conformance.rules import Expected, events_rule, health_rule, job_rule, keys_rule, stamps_rule
from tsse_validation.domain.contract import (
    JOB_NOT_FOUND_TEXT,
    MISSING_CAPABILITY_TEXT,
    RUN_CAPABILITY,
    UNAUTHORIZED_TEXT,
    VIEW_CAPABILITY,
)

JOBS = "/api/analysis/jobs"
NOOP_JOB = "noop_v1"
NEVER_ENDING = {"steps": 10_000}
"""Params of a `noop_v1` job that goes on until it is canceled."""
JSON = "application/json"


class Bearer(StrEnum):
    """The `Authorization` of a request (section 2)."""

    VALID = "valid"
    NONE = "none"
    MALFORMED = "malformed"
    OTHER_SCHEME = "other scheme"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    VIEW_ONLY = "view only"
    RUN_ONLY = "run only"


_FREE = frozenset({Bearer.VALID, Bearer.NONE, Bearer.MALFORMED, Bearer.OTHER_SCHEME, Bearer.UNKNOWN})
"""Tokens that need no row of our own in the controller's database."""


class Known(StrEnum):
    """The job that ``{job}`` in a path stands for."""

    UNKNOWN = "unknown"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True)
class Request:
    """One request; ``{job}`` in `path` is the id of the `job`. Without a `body` no content type is sent either."""

    method: str
    path: str
    token: Bearer = Bearer.VALID
    job: Known = Known.UNKNOWN
    body: bytes | None = None
    content_type: str | None = JSON

    @property
    def reads(self) -> bool:
        """Whether it changes nothing, and needs nothing that a live controller lacks."""
        return self.method == "GET" and self.token in _FREE and self.job in {Known.UNKNOWN, Known.COMPLETED}

    def __str__(self) -> str:
        what = f"{self.method} {self.path.replace('{job}', f'<{self.job} job>')}"
        token = "" if self.token is Bearer.VALID else f" (token: {self.token})"
        return what + (f" with {self.body.decode()[:60]}" if self.body is not None else "") + token


@dataclass(frozen=True)
class ExchangeCase:
    """A request, and the answer that a section of the contract promises for it."""

    name: str
    section: int
    request: Request
    expected: Expected


def _get(name: str, section: int, path: str, expected: Expected, **request: object) -> ExchangeCase:
    return ExchangeCase(name, section, Request("GET", path, **request), expected)  # type: ignore[arg-type]


def _post(name: str, body: object, expected: Expected, section: int = 3, **request: object) -> ExchangeCase:
    content = json.dumps(body).encode()
    return ExchangeCase(name, section, Request("POST", JOBS, body=content, **request), expected)  # type: ignore[arg-type]


def new_job(job_type: str = NOOP_JOB, params: object = None, **more: object) -> dict[str, object]:
    """Return the body that creates a job."""
    return {"job_type": job_type, "params": params or {}, "job_key": None, "dedupe": False} | more


def _result_rule(document: object) -> None:
    keys_rule(document, ["job_id", "result"], "The answer")
    stamps_rule(document)


_STRANGER = Expected(401, UNAUTHORIZED_TEXT)
_NO_RUN = Expected(403, MISSING_CAPABILITY_TEXT.format(capability=RUN_CAPABILITY))
_NO_VIEW = Expected(403, MISSING_CAPABILITY_TEXT.format(capability=VIEW_CAPABILITY))
_NOT_FOUND = Expected(404, JOB_NOT_FOUND_TEXT)
_NOT_COMPLETED = Expected(400, "Job is not completed")
_MISFIT = Expected(422, reason=True)
_STATUS, _EVENTS, _RESULT, _CANCEL = (f"{JOBS}/{{job}}{tail}" for tail in ("", "/events", "/result", "/cancel"))
_A_PAGE = f"{_EVENTS}?after=0&limit=200"

EXCHANGES: tuple[ExchangeCase, ...] = (
    _get("healthz", 1, "/healthz", Expected(200, rule=health_rule), token=Bearer.NONE),
    *(
        _get(f"token-{token.replace(' ', '-')}", 2, _STATUS, _STRANGER, token=token)
        for token in Bearer
        if token not in {Bearer.VALID, Bearer.VIEW_ONLY, Bearer.RUN_ONLY}
    ),
    _get("events-none", 2, _A_PAGE, _STRANGER, token=Bearer.NONE),
    _get("result-none", 2, _RESULT, _STRANGER, token=Bearer.NONE),
    ExchangeCase("cancel-none", 2, Request("POST", _CANCEL, token=Bearer.NONE), _STRANGER),
    _post("create-none", new_job(), _STRANGER, 2, token=Bearer.NONE),
    _post("create-view-only", new_job(), _NO_RUN, 2, token=Bearer.VIEW_ONLY),
    ExchangeCase(
        "cancel-view-only", 2, Request("POST", _CANCEL, token=Bearer.VIEW_ONLY, job=Known.COMPLETED), _NO_RUN
    ),
    _get("status-run-only", 2, _STATUS, _NO_VIEW, token=Bearer.RUN_ONLY, job=Known.COMPLETED),
    _get("events-run-only", 2, _A_PAGE, _NO_VIEW, token=Bearer.RUN_ONLY, job=Known.COMPLETED),
    _get("result-run-only", 2, _RESULT, _NO_VIEW, token=Bearer.RUN_ONLY, job=Known.COMPLETED),
    _post("create", new_job(params={"steps": 1}), Expected(200, rule=job_rule)),
    _post("create-empty-type", new_job(""), Expected(400, "job_type is required")),
    _post("create-blank-type", new_job("  "), Expected(400, "job_type is required")),
    _post("create-no-content-type", new_job(), Expected(415), content_type=None),
    _post("create-plain-text", new_job(), Expected(415), content_type="text/plain"),
    _post("create-number-as-type", {"job_type": 7, "params": {}}, _MISFIT),
    _post("create-number-as-key", new_job(job_key=1), _MISFIT),
    _post("create-word-as-dedupe", new_job(dedupe="yes"), _MISFIT),
    _post("create-text-as-body", "noop_v1", _MISFIT),
    _get("status", 3, _STATUS, Expected(200, rule=job_rule), job=Known.COMPLETED),
    _get("status-of-failed", 3, _STATUS, Expected(200, rule=job_rule), job=Known.FAILED),
    _get("status-of-canceled", 3, _STATUS, Expected(200, rule=job_rule), job=Known.CANCELED),
    _get("status-not-a-uuid", 3, f"{JOBS}/not-a-uuid", Expected(400, "Invalid job id")),
    _get("status-unknown", 3, _STATUS, _NOT_FOUND),
    _get("events", 3, _A_PAGE, Expected(200, rule=events_rule), job=Known.COMPLETED),
    _get("result", 3, _RESULT, Expected(200, rule=_result_rule), job=Known.COMPLETED),
    _get("result-of-failed", 3, _RESULT, _NOT_COMPLETED, job=Known.FAILED),
    _get("result-of-canceled", 3, _RESULT, _NOT_COMPLETED, job=Known.CANCELED),
    _get("result-unknown", 3, _RESULT, Expected(404)),
)
"""Every promise that a single request can test."""
