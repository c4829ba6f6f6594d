"""Faults of the API: a proxy that passes everything on but what it gets wrong."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, cast

from tests.support.controller import Controller
from tests.support.proxy import Answer, Exchanged, proxied
from tests.system.faults.model import IN_FULL, LOOK_ONLY, Fault, Front, Place
from tsse_validation.domain.outcome import Outcome

JOBS = "/api/analysis/jobs"
IMPATIENT = (*LOOK_ONLY, "--request-timeout=2", "--job-timeout=3")


def _saying(told: Exchanged, status: int, text: str, kind: str = "text/plain") -> Exchanged:
    return replace(told, status=status, body=text.encode(), headers={"Content-Type": kind})


def lying(lie: Answer, *, lends_token: bool = False, to_viewers: bool = False) -> Front:
    """Return a front that answers by a lie; with `lends_token` everybody is taken for who may do everything.

    With `to_viewers` only who may look is.
    """

    @contextmanager
    def front(controller: Controller) -> Iterator[str]:
        token, viewer, _password = controller.secrets

        def lend(path: str, headers: dict[str, str]) -> None:
            lent = lends_token or (to_viewers and headers.get("Authorization") == f"Bearer {viewer}")
            if lent and path.startswith(JOBS):
                headers["Authorization"] = f"Bearer {token}"

        with proxied(controller.url, lie, lend) as url:
            yield url

    return front


def _truth(exchanged: Exchanged) -> Exchanged:
    return exchanged


def _on(path: str, change: Answer, method: str = "") -> Answer:
    def lie(exchanged: Exchanged) -> Exchanged:
        asked = exchanged.path.startswith(path) and method in {"", exchanged.method}
        return change(exchanged) if asked else exchanged

    return lie


def _document(change: Callable[[Any], None]) -> Answer:
    """Change the JSON of what jobs answer."""

    def lie(exchanged: Exchanged) -> Exchanged:
        if exchanged.status != 200:
            return exchanged
        document = exchanged.document
        change(document)
        return replace(exchanged, body=json.dumps(document).encode())

    return _on(JOBS, lie)


def _never_ends(document: Any) -> None:
    if "job" in document:
        document["job"]["status"] = "running"


def _backwards(document: Any) -> None:
    document.get("events", []).reverse()


def _no_status(document: Any) -> None:
    document.get("job", {}).pop("status", None)


def _naive(document: Any) -> None:
    if "job" in document:
        document["job"]["created_at"] = document["job"]["created_at"].removesuffix("+00:00")


def _negative(document: Any) -> None:
    for partition in _partitions(document).values():
        for shard in partition["shards"].values():
            shard["parquet_files"] += 1


def _fewer_dates(document: Any) -> None:
    partitions = _partitions(document)
    if partitions:
        partitions.pop(sorted(partitions)[2])


def _partitions(document: Any) -> dict[str, Any]:
    found = document
    for key in ("result", "inspection", "datasets", "metrics/v1", "partitions"):
        found = found.get(key) or {}
    return cast("dict[str, Any]", found)


def _unreplicated(document: Any) -> None:
    state = document.get("result", {}).get("inspection", {}).get("replication")
    if state:
        state["last_run_backlog_seconds"] = 4000


def _refused(status: int, text: str, told_as: int = 0) -> Answer:
    """Answer by a text, of another status where one is given, whatever has a status."""
    return lambda told: _saying(told, told_as or status, text) if told.status == status else told


def _up(told: Exchanged) -> Exchanged:
    return _saying(told, 200, '{"status":"up"}', "application/json")


def _too_many(told: Exchanged) -> Exchanged:
    return replace(_saying(told, 429, "Too Many Requests! Wait for 900s"), headers={"Retry-After": "900"})


def _dripping(told: Exchanged) -> Exchanged:
    return replace(told, slow=told.status == 200)


def _cut_off(told: Exchanged) -> Exchanged:
    return replace(told, body=told.body[: len(told.body) // 2])


def _elsewhere(told: Exchanged) -> Exchanged:
    return replace(_saying(told, 302, ""), headers={"Location": "/elsewhere"})


def _as_a_page(told: Exchanged) -> Exchanged:
    return replace(told, headers={"Content-Type": "text/html"})


def _hours_ahead(exchanged: Exchanged) -> Exchanged:
    headers = {name.title(): value for name, value in exchanged.headers.items()}
    ahead = parsedate_to_datetime(headers["Date"]) + timedelta(hours=2)
    return replace(exchanged, headers=headers | {"Date": format_datetime(ahead, usegmt=True)})


HEALTH, ACCEPTED, RUNS = "core_server_answers_healthz", "valid_token_is_accepted", "valid_token_runs_a_job"
VIEW = "view_only_token_cannot_create_a_job"
REFUSED = tuple(f"bad_token_is_refused[{case}]" for case in ("no-token", "malformed", "wrong-scheme", "unknown"))
GATEWAY, ANOTHER = "a gateway in between", "another version"
PARTITIONS = "direct_inspection_agrees_with_the_api[partitions]"
BACKLOG = ("replication_is_healthy[backlog]", "direct_inspection_agrees_with_the_api[replication]")


def _fault(name: str, models: str, front: Front, *red: str) -> Fault:
    return Fault(name, Place.API, models, red, arguments=IMPATIENT, front=front)


def _of_jobs(name: str, models: str, change: Answer, *more: str, method: str = "") -> Fault:
    """Change what jobs answer; `more` is red beside the first job."""
    return _fault(name, models, lying(_on(JOBS, change, method)), RUNS, *more)


def _of_documents(name: str, models: str, change: Callable[[Any], None]) -> Fault:
    """Change the JSON of what jobs answer."""
    return _fault(name, models, lying(_document(change)), RUNS)


def _inspected(name: str, models: str, change: Callable[[Any], None], *red: str) -> Fault:
    """Change what the inspection finds, which takes its time."""
    return replace(_fault(name, models, lying(_document(change)), *red), arguments=LOOK_ONLY)


def _undecided(fault: Fault) -> Fault:
    return replace(fault, verdict=Outcome.INCOMPLETE)


_FOR_ALL, _FOR_VIEWERS = lying(_truth, lends_token=True), lying(_truth, to_viewers=True)


FAULTS = (
    _fault("strangers are let in", "authentication switched off", _FOR_ALL, *REFUSED, VIEW).told(
        says="instead of 401"
    ),
    _fault("who may look may run", "capabilities are not looked at", _FOR_VIEWERS, VIEW).told(
        says="instead of 403"
    ),
    _fault("a refusal has another text", GATEWAY, lying(_refused(401, "Go away")), *REFUSED).told(says="Go away"),
    _fault("a missing capability is told wrongly", GATEWAY, lying(_refused(403, "Forbidden")), VIEW).told(
        says="instead of 403"
    ),
    _fault("health is something else", "another server on the port", lying(_on("/healthz", _up)), HEALTH).told(
        says="instead of 200"
    ),
    _undecided(_of_documents("a job never ends", "a dead worker", _never_ends).told(says="it was left running")),
    _undecided(
        _of_jobs(
            "every POST is one too many", "somebody else uses up the budget", _too_many, VIEW, method="POST"
        ).told(says="budget")
    ),
    _undecided(
        _of_jobs("an answer drips", "a stuck connection", _dripping, method="GET").told(
            says="was still answering after"
        )
    ),
    _of_jobs("jobs are answered 500", "a broken deployment", _refused(200, "Oops", 500)).told(
        says="answered 500 “Oops” where 200 is promised"
    ),
    _of_jobs("JSON is cut off", "a proxy's buffer", _cut_off, ACCEPTED, VIEW, *REFUSED).told(says="JSON"),
    _of_jobs("jobs are elsewhere", "a moved API", _elsewhere, ACCEPTED, VIEW, *REFUSED).told(says="redirect"),
    _of_jobs("JSON is called a web page", GATEWAY, _as_a_page).told(says="text/html where JSON is promised"),
    _of_documents("a job has no status", ANOTHER, _no_status).told(says="job.status: Field required"),
    _of_documents("timestamps have no zone", ANOTHER, _naive).told(says="not an RFC 3339 timestamp"),
    _of_documents("events come newest first", "an index the wrong way round", _backwards).told(
        says="do not ascend"
    ),
    _inspected(
        "the inspection counts a file too many", "a walk that takes temporary files along", _negative, PARTITIONS
    ).told(says="The API and the files differ"),
    _inspected("the inspection leaves a date out", "a page that ends too early", _fewer_dates, PARTITIONS).told(
        says="not there by the API"
    ),
    _inspected("replication is an hour behind", "an overloaded controller", _unreplicated, *BACKLOG).told(
        says="the gate is 300 s"
    ),
    replace(
        _undecided(_fault("the controller's clock is two hours ahead", "no NTP", lying(_hours_ahead))),
        arguments=IN_FULL,
    ).told(says="how far the lake is behind Postgres cannot be told", by="watermark_is_recent"),
)
