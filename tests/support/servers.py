"""Servers that are no core-server: each answers everything in its own wrong way."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_HEAD = "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"


def _answer(status: str, kind: str, body: str) -> bytes:
    return (_HEAD.format(status=status, kind=kind, length=len(body)) + body).encode()


HTML = _answer("200 OK", "text/html", "<html><body>Hi</body></html>")
BROKEN = _answer("500 Internal Server Error", "text/plain", "Oops")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    connections = 0
    answer: bytes | None = None
    stopping = threading.Event()


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.connections += 1
        self.request.recv(65_536)
        if self.server.answer is None:
            self.server.stopping.wait()
        else:
            self.request.sendall(self.server.answer)


@dataclass(frozen=True)
class RunningServer:
    """A server on a port of its own."""

    _server: _Server
    url: str

    @property
    def connections(self) -> int:
        """How often it was spoken to."""
        return self._server.connections


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    """Let a server answer in a thread for a while; lend its port."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serve(answer: bytes | None) -> Iterator[RunningServer]:
    """Answer every request with the same bytes, or never, when there are none."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.answer = answer
    server.stopping = threading.Event()
    with serving(server) as port:
        try:
            yield RunningServer(server, f"http://127.0.0.1:{port}")
        finally:
            server.stopping.set()
