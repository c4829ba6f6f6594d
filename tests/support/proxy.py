"""A proxy in front of a service: it passes every request on, and may tell of it, or answer otherwise."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.support.servers import serving

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
_ANSWER_SECONDS = 60
_DRIP_SECONDS = 0.2
_DRIPS = 40


@dataclass(frozen=True)
class Exchanged:
    """A request with its body `sent`, and the answer to it; with `slow` it drips."""

    method: str
    path: str
    sent: bytes
    status: int
    headers: dict[str, str]
    body: bytes
    slow: bool = False

    @property
    def document(self) -> Any:
        """The answer's body as JSON."""
        return json.loads(self.body)

    @property
    def job(self) -> Any:
        """What was sent as JSON, or `None` when that was nothing or something else."""
        try:
            return json.loads(self.sent)
        except ValueError:
            return None

    @property
    def job_id(self) -> str | None:
        """The job's id that the answer named."""
        try:
            return str(self.document["job"]["id"])
        except (ValueError, KeyError, TypeError):
            return None

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.sent[:200]!r}"


Answer = Callable[[Exchanged], Exchanged]
Lend = Callable[[str, dict[str, str]], None]
"""Changes a request's headers, by its path."""


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, target: str, answer: Answer, lend: Lend) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target)
        self.answer = answer
        self.lend = lend

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: _Proxy
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # whatever the method: what is foreign must be seen too
            return self._forward
        raise AttributeError(name)

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = _end_to_end(self.headers) | {"Accept-Encoding": "identity"}
        self.server.lend(self.path, headers)
        target = self.server.target
        connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=_ANSWER_SECONDS)
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        kept = _end_to_end(answer.headers)
        exchanged = Exchanged(self.command, self.path, body, answer.status, kept, answer.read())
        connection.close()
        self._tell(self.server.answer(exchanged))

    def _tell(self, told: Exchanged) -> None:
        self.send_response_only(told.status)
        for name, value in {**told.headers, "Content-Length": str(len(told.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        drips = min(_DRIPS, len(told.body)) if told.slow else 0
        for at in range(drips):
            self.wfile.write(told.body[at : at + 1])
            self.wfile.flush()
            time.sleep(_DRIP_SECONDS)
        if not told.slow:
            self.wfile.write(told.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


def _end_to_end(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


@contextmanager
def proxied(target: str, answer: Answer, lend: Lend = lambda _path, _headers: None) -> Iterator[str]:
    """Run a proxy to a service for a while; lend its address."""
    with serving(_Proxy(target, answer, lend)) as port:
        yield f"http://127.0.0.1:{port}"


@dataclass(frozen=True)
class Recorded:
    """A proxy's address, and all that came to it, in order."""

    url: str
    sent: list[Exchanged]


@contextmanager
def recording_proxy(target: str) -> Iterator[Recorded]:
    """Run a proxy to a service that writes everything down."""
    sent: list[Exchanged] = []

    def record(exchanged: Exchanged) -> Exchanged:
        sent.append(exchanged)
        return exchanged

    with proxied(target, record) as url:
        yield Recorded(url, sent)
