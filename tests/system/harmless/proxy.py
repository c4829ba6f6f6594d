"""An HTTP proxy in front of a service that writes down every request before it passes it on."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_ANSWER_SECONDS = 60
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


@dataclass(frozen=True)
class Sent:
    """One request as it came over the wire, and the job's id that the answer to it named."""

    method: str
    target: str
    body: bytes
    status: int
    job_id: str | None

    @property
    def job(self) -> Any:
        """The body as JSON, or `None` when there is none or it is something else."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.method} {self.target} {self.body[:200]!r}"


class RecordingProxy(ThreadingHTTPServer):
    """Forwards to one service; `sent` is all that came, in order."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target)
        self.sent: list[Sent] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: RecordingProxy
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # whatever the method: what is foreign must be seen too
            return self._forward
        raise AttributeError(name)

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        target = self.server.target
        connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=_ANSWER_SECONDS)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        with self.server.lock:
            self.server.sent.append(Sent(self.command, self.path, body, answer.status, _job_id(content)))
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


def _job_id(content: bytes) -> str | None:
    try:
        return str(json.loads(content)["job"]["id"])
    except (ValueError, KeyError, TypeError):
        return None


@contextmanager
def recording_proxy(target: str) -> Iterator[RecordingProxy]:
    """Run a proxy to a service for a while."""
    with RecordingProxy(target) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
