"""Client of Qdrant's health endpoints (contract section 1)."""

from dataclasses import dataclass

from tsse_validation.clients.http import HttpClient

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

    @property
    def healthy(self) -> bool:
        """Whether the answer is one that Qdrant documents for a healthy node."""
        return self.status == 200 and self.text in HEALTHY_TEXTS


def qdrant_health(http: HttpClient) -> QdrantHealth:
    """Ask Qdrant how it is, and who.

    Raises:
        UnreachableError: it does not answer.
    """
    health = http.get("/healthz")
    title = http.get("/")
    document = title.json() if title.status == 200 else {}
    version = document.get("version") if isinstance(document, dict) else None
    return QdrantHealth(health.status, health.text.strip(), str(version or "not said"), health.seconds)
