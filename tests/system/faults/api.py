"""Faults of the API: a proxy that passes everything on but what it gets wrong."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from tests.support.controller import Controller
from tests.support.proxy import Answer, Exchanged, proxied
from tests.system.faults.model import IN_FULL, LOOK_ONLY, Fault, Front, Place
from tsse_validation.verdict import Outcome

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


def _document(change: Callable[[Any], None], ending: str = "") -> Answer:
    """Change the JSON of what jobs answer."""

    def lie(exchanged: Exchanged) -> Exchanged:
        if not exchanged.path.endswith(ending) or exchanged.status != 200:
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
    found: dict[str, Any] = (
        document.get("result", {})
        .get("inspection", {})
        .get("datasets", {})
        .get("metrics/v1", {})
        .get("partitions")
        or {}
    )
    return found


def _unreplicated(document: Any) -> None:
    state = document.get("result", {}).get("inspection", {}).get("replication")
    if state:
        state["last_run_backlog_seconds"] = 4000


def _hours_ahead(exchanged: Exchanged) -> Exchanged:
    headers = {name.title(): value for name, value in exchanged.headers.items()}
    ahead = parsedate_to_datetime(headers["Date"]) + timedelta(hours=2)
    return replace(exchanged, headers=headers | {"Date": format_datetime(ahead, usegmt=True)})


def _fault(
    name: str,
    models: str,
    red: tuple[str, ...],
    front: Front,
    *,
    says: dict[str, str],
    verdict: Outcome = Outcome.NO_GO,
    arguments: tuple[str, ...] = IMPATIENT,
) -> Fault:
    return Fault(name, Place.API, models, red, says=says, verdict=verdict, arguments=arguments, front=front)


HEALTH, ACCEPTED, RUNS = "core_server_answers_healthz", "valid_token_is_accepted", "valid_token_runs_a_job"
VIEW = "view_only_token_cannot_create_a_job"
REFUSED = tuple(f"bad_token_is_refused[{case}]" for case in ("no-token", "malformed", "wrong-scheme", "unknown"))
PARTITIONS = "direct_inspection_agrees_with_the_api[partitions]"

FAULTS = (
    _fault(
        "strangers are let in",
        "authentication switched off",
        (*REFUSED, VIEW),
        lying(_truth, lends_token=True),
        says={REFUSED[0]: "instead of 401"},
    ),
    _fault(
        "who may look may run",
        "capabilities are not looked at",
        (VIEW,),
        lying(_truth, to_viewers=True),
        says={VIEW: "instead of 403"},
    ),
    _fault(
        "a refusal has another text",
        "a gateway in between",
        REFUSED,
        lying(lambda told: _saying(told, 401, "Go away") if told.status == 401 else told),
        says={REFUSED[0]: "Go away"},
    ),
    _fault(
        "a missing capability is told wrongly",
        "a gateway in between",
        (VIEW,),
        lying(lambda told: _saying(told, 403, "Forbidden") if told.status == 403 else told),
        says={VIEW: "instead of 403"},
    ),
    _fault(
        "health is something else",
        "another server on the port",
        (HEALTH,),
        lying(_on("/healthz", lambda told: _saying(told, 200, '{"status":"up"}', "application/json"))),
        says={HEALTH: "instead of 200"},
    ),
    _fault(
        "a job never ends",
        "a dead worker",
        (RUNS,),
        lying(_document(_never_ends)),
        says={RUNS: "it was left running"},
        verdict=Outcome.INCOMPLETE,
    ),
    _fault(
        "every POST is one too many",
        "somebody else uses up the budget",
        (VIEW, RUNS),
        lying(
            _on(
                JOBS,
                lambda told: replace(
                    _saying(told, 429, "Too Many Requests! Wait for 900s"), headers={"Retry-After": "900"}
                ),
                "POST",
            )
        ),
        says={RUNS: "budget"},
        verdict=Outcome.INCOMPLETE,
    ),
    _fault(
        "an answer drips",
        "a stuck connection",
        (RUNS,),
        lying(_on(JOBS, lambda told: replace(told, slow=told.status == 200), "GET")),
        says={RUNS: "was still answering after"},
        verdict=Outcome.INCOMPLETE,
    ),
    _fault(
        "jobs are answered 500",
        "a broken deployment",
        (RUNS,),
        lying(_on(JOBS, lambda told: _saying(told, 500, "Oops") if told.status == 200 else told)),
        says={RUNS: "answered 500 “Oops” where 200 is promised"},
    ),
    _fault(
        "JSON is cut off",
        "a proxy's buffer",
        (RUNS, ACCEPTED, VIEW, *REFUSED),
        lying(_on(JOBS, lambda told: replace(told, body=told.body[: len(told.body) // 2]))),
        says={RUNS: "JSON"},
    ),
    _fault(
        "jobs are elsewhere",
        "a moved API",
        (ACCEPTED, RUNS, VIEW, *REFUSED),
        lying(_on(JOBS, lambda told: replace(_saying(told, 302, ""), headers={"Location": "/elsewhere"}))),
        says={RUNS: "redirect"},
    ),
    _fault(
        "JSON is called a web page",
        "a gateway in between",
        (RUNS,),
        lying(_on(JOBS, lambda told: replace(told, headers={"Content-Type": "text/html"}))),
        says={RUNS: "text/html where JSON is promised"},
    ),
    _fault(
        "a job has no status",
        "another version",
        (RUNS,),
        lying(_document(_no_status)),
        says={RUNS: "job.status: Field required"},
    ),
    _fault(
        "timestamps have no zone",
        "another version",
        (RUNS,),
        lying(_document(_naive)),
        says={RUNS: "not an RFC 3339 timestamp"},
    ),
    _fault(
        "events come newest first",
        "an index the wrong way round",
        (RUNS,),
        lying(_document(_backwards)),
        says={RUNS: "do not ascend"},
    ),
    _fault(
        "the inspection counts a file too many",
        "a walk that takes temporary files along",
        (PARTITIONS,),
        lying(_document(_negative)),
        says={PARTITIONS: "The API and the files differ"},
        arguments=LOOK_ONLY,
    ),
    _fault(
        "the inspection leaves a date out",
        "a page that ends too early",
        (PARTITIONS,),
        lying(_document(_fewer_dates)),
        says={PARTITIONS: "not there by the API"},
        arguments=LOOK_ONLY,
    ),
    _fault(
        "replication is an hour behind",
        "an overloaded controller",
        ("replication_is_healthy[backlog]", "direct_inspection_agrees_with_the_api[replication]"),
        lying(_document(_unreplicated)),
        says={"replication_is_healthy[backlog]": "the gate is 300 s"},
        arguments=LOOK_ONLY,
    ),
    _fault(
        "the controller's clock is two hours ahead",
        "no NTP",
        (),
        lying(_hours_ahead),
        says={"watermark_is_recent": "how far the lake is behind Postgres cannot be told"},
        verdict=Outcome.INCOMPLETE,
        arguments=IN_FULL,
    ),
)
