import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from tests.integration.clients.hostile import HostileServer, Reply
from tests.support.builders import FakeClock
from tsse_validation.clients.allowed import CORE_CALLS, QDRANT_CALLS, Call
from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.http import HttpClient
from tsse_validation.domain.errors import SuiteError
from tsse_validation.domain.polling import wait_in_words

TOKEN = "t0ken-wZx3_9kQ-never-to-be-seen"
TIMEOUT_SECONDS = 0.3

Serve = Callable[..., HostileServer]
Connect = Callable[..., HttpClient]
Told = Callable[..., AbstractContextManager[pytest.ExceptionInfo[SuiteError]]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def _retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda _seconds: None))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers with replies; all are closed at the end."""
    servers: list[HostileServer] = []

    def start(*replies: Reply, tls: bool = False, silent: bool = False) -> HostileServer:
        servers.append(HostileServer(*replies, tls=tls, silent=silent))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients of a URL; all are closed at the end."""
    clients: list[HttpClient] = []

    def make(
        url: str,
        *,
        timeout: float = 5.0,
        ca_file: Path | None = None,
        service: str = "core-server",
        calls: Sequence[Call] = (*CORE_CALLS, *QDRANT_CALLS),
    ) -> HttpClient:
        client = HttpClient(
            url, service=service, connect_timeout=timeout, request_timeout=timeout, ca_file=ca_file, calls=calls
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


class Bench:
    """A core client of one server, whose time passes only when it sleeps."""

    def __init__(self, server: HostileServer, http: HttpClient, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.budget = PostBudget(clock)
        self.waits: list[str] = []
        self.core = CoreClient(
            http,
            SecretStr(TOKEN),
            self.budget,
            sleep=clock.sleep,
            longest_wait=180.0,
            told=lambda what, seconds: self.waits.append(wait_in_words(what, seconds)),
        )


@pytest.fixture
def bench(serve: Serve, connect: Connect, clock: FakeClock) -> Callable[..., Bench]:

    def make(*replies: Reply, timeout: float = 5.0) -> Bench:
        server = serve(*replies)
        return Bench(server, connect(server.url, timeout=timeout), clock)

    return make


@pytest.fixture
def told() -> Told:
    """Expect an error of the suite that is told in one or two sentences of text, without the token."""

    @contextmanager
    def expect(kind: type[SuiteError], *says: str) -> Iterator[pytest.ExceptionInfo[SuiteError]]:
        with pytest.raises(kind) as caught:
            yield caught
        error = caught.value
        assert type(error) is kind
        for part in says:
            assert part in error.message
        for sentences in (error.message, error.advice):
            assert TOKEN not in sentences
            assert "\n" not in sentences
            assert len(sentences) < 400
            assert len(re.findall(r"[.?!](?= [A-Z]|$)", sentences)) <= 2
        assert error.message.endswith(".")
        assert TOKEN not in repr(error)
        assert error.__cause__ is None or TOKEN not in str(error.__cause__)

    return expect
