"""One HTTP exchange in bounded time; every failure becomes a sentence."""

import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeAlias

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from tsse_validation.clients.allowed import CORE_CALLS, REPORT_IT, Call, CallGuard
from tsse_validation.domain.errors import (
    DeadlineError,
    NotAllowedError,
    PromiseBrokenError,
    RefusedError,
    SettingsError,
    UnreachableError,
)
from tsse_validation.runlog.redaction import Redactor
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.trying import hold_ca_file

Exchange: TypeAlias = tuple[httpx.Response, bytes]
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""More than this is refused: 1,000 sensors × 366 days of partitions stay far below."""


TRIES_OF_A_GET = 3
"""How often a GET is sent whose connection breaks."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read whole. `seconds` is the time from the request to the last byte."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes
    seconds: float
    redactor: Redactor = field(default_factory=Redactor, repr=False)

    @property
    def text(self) -> str:
        """The body as text, undecodable bytes replaced."""
        return self.body.decode("utf-8", "replace")

    def excerpt(self) -> str:
        """Return the body's beginning on one line, for messages; a token that the server echoes is masked."""
        text = self.redactor.redact(self.text[:500])
        printable = "".join(char if char.isprintable() else " " for char in text)
        return " ".join(printable.split())[:120]

    def json(self) -> Any:
        """Return the body as JSON; raises PromiseBrokenError when it is not JSON."""
        kind = self.headers.get("content-type", "no content type").split(";")[0]
        if not kind.startswith("application/json"):
            msg = f"{self.url} answered {self.status}, {kind} where JSON is promised: “{self.excerpt()}”."
            raise PromiseBrokenError(msg, "Is this the core-server's address and port?")
        try:
            return httpx.Response(200, content=self.body).json()
        except (ValueError, RecursionError):  # the latter: nested without end
            msg = f"{self.url} answered broken JSON ({len(self.body)} bytes)."
            raise PromiseBrokenError(msg, "Look at the controller's log.") from None


class GuardedTransport(httpx.HTTPTransport):
    """The only way to the network: it sends allowed calls to one address, and raises for any other."""

    def __init__(self, base_url: str, guard: CallGuard, verify: ssl.SSLContext | bool) -> None:
        super().__init__(verify=verify, trust_env=False)
        self._base = httpx.URL(base_url)
        self._guard = guard

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            NotAllowedError: it goes elsewhere, or is none of the calls that are allowed; it was not sent.
        """
        url, base = request.url, self._base
        prefix = base.raw_path.decode("ascii").rstrip("/")
        target = url.raw_path.decode("ascii")
        if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port) or not target.startswith(
            prefix
        ):
            msg = f"The suite does not send {request.method} to {url.host}: it speaks to {base} only."
            raise NotAllowedError(msg, REPORT_IT)
        self._guard.hold(request.method, target.removeprefix(prefix), request.read())
        return super().handle_request(request)


class HttpClient:
    """Sends requests to one service: only those in `calls`, by default the runbook's calls to a core-server.

    Other calls are for a stack of our own, never for an installed controller. No proxy of the environment is used,
    since the controller may be on loopback, and no redirect is followed, since it would pass the token on.
    """

    def __init__(
        self,
        base_url: str,
        *,
        service: str,
        connect_timeout: float,
        request_timeout: float,
        ca_file: Path | None = None,
        calls: Sequence[Call] = CORE_CALLS,
        tries: int = TRIES_OF_A_GET,
    ) -> None:
        self.base_url = base_url
        self.service = service
        self.guard = CallGuard(calls)
        self._tries = tries
        self._request_timeout = request_timeout
        self._deadline = connect_timeout + request_timeout
        self._client = httpx.Client(
            base_url=base_url,
            timeout=httpx.Timeout(request_timeout, connect=connect_timeout),
            transport=GuardedTransport(base_url, self.guard, _tls(ca_file)),
            trust_env=False,
            follow_redirects=False,
        )

    @classmethod
    def from_settings(
        cls,
        url: str,
        service: str,
        settings: Settings,
        *,
        calls: Sequence[Call] = CORE_CALLS,
        tries: int = TRIES_OF_A_GET,
    ) -> "HttpClient":
        """Open a client with the settings' timeouts; messages name it `service`, and it may send `calls`."""
        return cls(
            url,
            service=service,
            connect_timeout=settings.connect_timeout,
            request_timeout=settings.request_timeout,
            ca_file=settings.ca_file,
            calls=calls,
            tries=tries,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, *, headers: dict[str, str] | None = None) -> Answer:
        """GET a path, and try again when the connection breaks: a GET changes nothing; errors as in `send`."""
        attempts = Retrying(
            retry=retry_if_exception_type(UnreachableError),
            stop=stop_after_attempt(self._tries),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            reraise=True,
        )
        return attempts(self.send, "GET", path, headers=headers)

    def send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, json: object | None = None
    ) -> Answer:
        """Send one request and read its answer whole, once.

        Raises:
            UnreachableError: the service did not answer.
            DeadlineError: the answer did not end within the request timeout.
            PromiseBrokenError: the answer is a redirect, or larger than 64 MiB.
            NotAllowedError: it is not one of the calls that are allowed; it was not sent.
        """
        url = f"{self.base_url}{path}"
        began = time.monotonic()
        try:
            response, body = self._in_time(lambda: self._exchange(method, path, headers, json), url)
        except httpx.HTTPError as error:
            raise self._explain(error, method, url) from None
        token = (headers or {}).get("Authorization", "").rpartition(" ")[2]
        answer = Answer(
            url, response.status_code, response.headers, body, time.monotonic() - began, Redactor([token])
        )
        if 300 <= answer.status < 400:
            msg = f"{url} answered with a redirect ({answer.status}); the suite follows none, a token goes along."
            raise PromiseBrokenError(msg, "Give the final address.")
        return answer

    def _exchange(self, method: str, path: str, headers: dict[str, str] | None, json: object | None) -> Exchange:
        body = bytearray()
        with self._client.stream(method, path, headers=headers, json=json) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    msg = f"{response.url} answered more than {MAX_ANSWER_BYTES // 2**20} MiB."
                    raise PromiseBrokenError(msg, "Is this the core-server's address and port?")
        return response, bytes(body)

    def _in_time(self, exchange: Callable[[], Exchange], url: str) -> Exchange:
        """Run an exchange under one deadline for all of it.

        The timeouts of httpx begin anew with each read, and name resolution has none: headers that arrive byte by
        byte would hold us for ever. The abandoned thread ends with its connection, or with the process.
        """
        ended: SimpleQueue[Exchange | Exception] = SimpleQueue()

        def run() -> None:
            try:
                ended.put(exchange())
            except Exception as error:  # noqa: BLE001 - raised again, in the thread that waits
                ended.put(error)

        Thread(target=run, name=f"exchange with {self.service}", daemon=True).start()
        try:
            outcome = ended.get(timeout=self._deadline)
        except Empty:
            msg = f"{url} was still answering after {self._deadline:g} s."
            raise DeadlineError(msg, "Look at the controller's load, or raise --request-timeout.") from None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _explain(self, error: httpx.HTTPError, method: str, url: str) -> UnreachableError:
        what = f"{self.service} at {self.base_url}"
        if isinstance(error, httpx.ConnectTimeout):
            return UnreachableError(
                f"{what} did not take the connection in time.", "Is the host up and reachable?"
            )
        if isinstance(error, httpx.TimeoutException):
            return UnreachableError(
                f"{what} took {method} {url} and did not answer within {self._request_timeout:g} s.",
                "Look at its log and load, or raise --request-timeout.",
            )
        if isinstance(error, httpx.ConnectError):
            return _connect_error(error, what)
        return UnreachableError(
            f"{what} dropped the connection during {method} {url} ({type(error).__name__}).",
            "Did it restart or crash? Look at its log.",
        )


def _connect_error(error: httpx.ConnectError, what: str) -> UnreachableError:
    reason = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return UnreachableError(f"The TLS certificate of {what} is not trusted.", "Give its CA by --ca-file.")
    if "SSL" in reason.upper():
        return UnreachableError(f"{what} does not speak TLS there.", "Is it http:// rather than https://?")
    if "Name or service" in reason or "nodename" in reason or "name resolution" in reason:
        return UnreachableError(f"The host name of {what} is not known.", "Check the spelling.")
    return RefusedError(f"{what} refuses the connection.", "Is the service running, and is the port right?")


def _tls(ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    try:
        return hold_ca_file(ca_file)
    except ValueError as error:
        msg = f"--ca-file {ca_file} {error}"
        raise SettingsError(msg) from None
