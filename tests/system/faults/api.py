"""Faults of the API: a proxy that passes everything on but what it gets wrong."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.support.controller import Controller
from tests.system.faults.model import IN_FULL, LOOK_ONLY, Fault, Front, Place
from tsse_validation.verdict import Outcome

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
_DRIP_SECONDS = 0.2
_DRIPS = 40
JOBS = "/api/analysis/jobs"
IMPATIENT = (*LOOK_ONLY, "--request-timeout=2", "--job-timeout=3")


@dataclass(frozen=True)
class Exchanged:
    """A request and the answer to it, which a lie may replace; with `slow` it drips."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes
    slow: bool = False

    def saying(self, status: int, text: str, kind: str = "text/plain") -> "Exchanged":
        """Return another answer in its place."""
        return replace(self, status=status, body=text.encode(), headers={"Content-Type": kind})

    @property
    def document(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


Lie = Callable[[Exchanged], Exchanged]


@dataclass
class _Lies:
    """`token` is put in the place of whatever a request has, or of `instead_of` alone."""

    answer: Lie
    token: str | None = None
    instead_of: str | None = None
    posts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, target: str, lies: _Lies) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target)
        self.lies = lies

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: _Proxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        lies = self.server.lies
        lent = lies.instead_of is None or headers.get("Authorization") == f"Bearer {lies.instead_of}"
        if lies.token is not None and lent and self.path.startswith(JOBS):
            headers["Authorization"] = f"Bearer {lies.token}"
        target = self.server.target
        connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
        connection.request(self.command, self.path, body or None, {**headers, "Accept-Encoding": "identity"})
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        told = self.server.lies.answer(Exchanged(self.command, self.path, answer.status, kept, answer.read()))
        connection.close()
        self._tell(told)

    def _tell(self, told: Exchanged) -> None:
        self.send_response_only(told.status)
        for name, value in {**told.headers, "Content-Length": str(len(told.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if told.slow:
            for at in range(min(_DRIPS, len(told.body))):
                self.wfile.write(told.body[at : at + 1])
                self.wfile.flush()
                time.sleep(_DRIP_SECONDS)
        else:
            self.wfile.write(told.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


def lying(lie: Lie, *, lends_token: bool = False, to_viewers: bool = False) -> Front:
    """Return a front that answers by a lie; with `lends_token` everybody is taken for who may do everything.

    With `to_viewers` only who may look is.
    """

    @contextmanager
    def front(controller: Controller) -> Iterator[str]:
        stack = controller.running.stack
        token = stack.token.get_secret_value() if lends_token or to_viewers else None
        viewer = stack.view_token.get_secret_value() if to_viewers and stack.view_token else None
        with _Proxy(controller.url, _Lies(lie, token, viewer)) as proxy:
            thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{proxy.server_address[1]}"
            finally:
                proxy.shutdown()
                thread.join()

    return front


def _truth(exchanged: Exchanged) -> Exchanged:
    return exchanged


def _on(path: str, change: Lie, method: str = "") -> Lie:
    def lie(exchanged: Exchanged) -> Exchanged:
        asked = exchanged.path.startswith(path) and method in {"", exchanged.method}
        return change(exchanged) if asked else exchanged

    return lie


def _document(change: Callable[[Any], None], ending: str = "") -> Lie:
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
    ahead = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    kept = {name: value for name, value in exchanged.headers.items() if name.lower() != "date"}
    return replace(exchanged, headers={**kept, "Date": ahead})


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
        lying(lambda told: told.saying(401, "Go away") if told.status == 401 else told),
        says={REFUSED[0]: "Go away"},
    ),
    _fault(
        "a missing capability is told wrongly",
        "a gateway in between",
        (VIEW,),
        lying(lambda told: told.saying(403, "Forbidden") if told.status == 403 else told),
        says={VIEW: "instead of 403"},
    ),
    _fault(
        "health is something else",
        "another server on the port",
        (HEALTH,),
        lying(_on("/healthz", lambda told: told.saying(200, '{"status":"up"}', "application/json"))),
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
                    told.saying(429, "Too Many Requests! Wait for 900s"), headers={"Retry-After": "900"}
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
        lying(_on(JOBS, lambda told: told.saying(500, "Oops") if told.status == 200 else told)),
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
        lying(_on(JOBS, lambda told: replace(told.saying(302, ""), headers={"Location": "/elsewhere"}))),
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
