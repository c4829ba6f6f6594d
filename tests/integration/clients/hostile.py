"""A server that answers as a test wants, byte by byte: dead, hung, slow, torn, or right."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TLS = Path(__file__).parent / "tls"
CERTIFICATE = TLS / "localhost.pem"
TLS_KEY = TLS / "localhost.key"
JSON_TYPE = {"Content-Type": "application/json"}
PATIENCE_SECONDS = 10.0
_ACCEPT_SECONDS = 0.01


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        return json.loads(self.body)


@dataclass(frozen=True)
class Exchange:
    """One connection with its request; what a reply may do."""

    connection: socket.socket
    request: Request
    over: threading.Event

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)

    def hang(self) -> None:
        """Keep the connection open and silent until the server is closed."""
        self.over.wait(PATIENCE_SECONDS)

    def drip(self, content: bytes, pause: float = 0.05) -> None:
        """Send byte by byte for as long as the client listens; the last byte is sent for ever."""
        position = 0
        while not self.over.wait(pause):
            self.send(content[position : position + 1])
            position = min(position + 1, len(content) - 1)


Reply = Callable[[Exchange], None]


def answer(status: int, body: bytes | str = b"", headers: Mapping[str, str] | None = None) -> Reply:
    content = body.encode() if isinstance(body, str) else body
    lines = {"Content-Length": str(len(content)), "Connection": "close", **(headers or {})}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return lambda exchange: exchange.send(head.encode() + b"\r\n" + content)


def document(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return answer(status, json.dumps(content), JSON_TYPE | dict(headers or {}))


def text(status: int, body: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Answer with plain text, as the controller does when it refuses."""
    return answer(status, body, {"Content-Type": "text/plain; charset=utf-8", **(headers or {})})


def raw(content: bytes) -> Reply:
    return lambda exchange: exchange.send(content)


def drop(_exchange: Exchange) -> None:
    """Drop the connection without a word."""


def hang(exchange: Exchange) -> None:
    """Take the request and never answer."""
    exchange.hang()


class HostileServer:
    """Listens on a port of its own and answers each request with the next of some replies, the last for ever."""

    def __init__(self, *replies: Reply, tls: bool = False, silent: bool = False) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []
        self._tls = _server_context() if tls else None
        self._silent = silent
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_ACCEPT_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def https_url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        self._listener.close()

    def _start(self, work: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                connection, _address = self._listener.accept()
                connection.settimeout(PATIENCE_SECONDS)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self._silent:
                self._over.wait(PATIENCE_SECONDS)
            elif self._tls is not None:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self._exchange(secured)
            else:
                self._exchange(connection)

    def _exchange(self, connection: socket.socket) -> None:
        request = _read_request(connection)
        if request is None:
            return
        with self._lock:
            self.requests.append(request)
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        reply(Exchange(connection, request, self._over))


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, TLS_KEY)
    return context


def _read_request(connection: socket.socket) -> Request | None:
    received = connection.recv(65_536)
    if not received[:1].isalpha():  # a TLS hello, or nothing: a plain server says so and hangs up
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        return None
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65_536)
        if not chunk:
            return None
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65_536)
    method, path, _version = first.split(" ")
    return Request(method, path, headers, body)


def dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
