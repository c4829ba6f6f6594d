"""Servers that are no core-server: each answers everything in its own wrong way."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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


class RunningServer:
    """A server on a port of its own."""

    def __init__(self, server: _Server) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def connections(self) -> int:
        """How often it was spoken to."""
        return self._server.connections


@contextmanager
def serve(answer: bytes | None) -> Iterator[RunningServer]:
    """Answer every request with the same bytes, or never, when there are none."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.answer = answer
        server.stopping = threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield RunningServer(server)
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()
