"""Qdrant's health: all that a run asks of it (contract section 1)."""

from dataclasses import dataclass

from tsse_validation.clients.http import HttpClient
from tsse_validation.domain.errors import ElsewhereError, PromiseBrokenError

HEALTHY_TEXTS = frozenset(
    {"healthz check passed", "livez check passed", "readyz check passed", "all shards are ready"}
)
"""What Qdrant's versions document for a node that is well: which text /healthz gives differs between them."""


@dataclass(frozen=True)
class QdrantHealth:
    """What Qdrant said: `version` as it names itself, `seconds` the health check took."""

    status: int
    text: str
    version: str
    seconds: float
    title: str = ""

    @property
    def known(self) -> bool:
        """Whether what answers is a Qdrant, well or not."""
        return "qdrant" in self.title.lower() or self.text in HEALTHY_TEXTS

    @property
    def healthy(self) -> bool:
        """Whether the answer is one that Qdrant documents for a healthy node."""
        return self.status == 200 and self.text in HEALTHY_TEXTS


def qdrant_health(http: HttpClient) -> QdrantHealth:
    """Ask Qdrant for its health and its version; raises ElsewhereError where something else answers."""
    text = ""
    try:
        health = http.get("/healthz")
        text = health.text.strip()
        title = http.get("/")
        document = title.json() if title.status == 200 else {}
    except PromiseBrokenError as error:
        if text in HEALTHY_TEXTS:
            raise
        raise _no_qdrant(error.message) from None
    of = document if isinstance(document, dict) else {}
    version, name = str(of.get("version") or "not said"), str(of.get("title") or "")
    found = QdrantHealth(health.status, text, version, health.seconds, name)
    if not found.known:
        said = f"{health.url} answered {health.status} “{health.excerpt()}”."
        raise _no_qdrant(said)
    return found


def _no_qdrant(strange: str) -> ElsewhereError:
    return ElsewhereError(
        f"What answers there is no Qdrant: {strange}", "Are host and port of --qdrant-url Qdrant's?"
    )
