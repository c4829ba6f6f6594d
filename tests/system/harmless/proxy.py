"""What a run has sent to a service, written down on the way."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.proxy import Exchanged, proxied


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


@dataclass
class Recorded:
    """All that came to an address, in order."""

    url: str = ""
    sent: list[Sent] = field(default_factory=list)

    def record(self, exchanged: Exchanged) -> Exchanged:
        """Write a request down."""
        method, path, body = exchanged.method, exchanged.path, exchanged.sent
        self.sent.append(Sent(method, path, body, exchanged.status, _job_id(exchanged.body)))
        return exchanged


def _job_id(content: bytes) -> str | None:
    try:
        return str(json.loads(content)["job"]["id"])
    except (ValueError, KeyError, TypeError):
        return None


@contextmanager
def recording_proxy(target: str) -> Iterator[Recorded]:
    """Run a proxy to a service for a while."""
    recorded = Recorded()
    with proxied(target, recorded.record) as recorded.url:
        yield recorded
