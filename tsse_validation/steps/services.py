"""Step 1: whether the controller's services answer as the contract has it (section 1)."""

from tsse_validation.clients.core import Health
from tsse_validation.clients.qdrant import QdrantHealth
from tsse_validation.domain.contract import HEALTHZ_BODY, is_healthy
from tsse_validation.domain.holding import hold


def hold_core_health(health: Health) -> None:
    """Hold the core-server's answer to `/healthz`.

    Raises:
        PromiseBrokenError: it is not that of a healthy core-server.
    """
    hold(
        health.status == 200 and is_healthy(health.body),
        f"/healthz answered {health.status} {health.body} instead of 200 {HEALTHZ_BODY}.",
        "Is this the core-server, and is it up? (contract section 1)",
    )


def hold_qdrant_health(health: QdrantHealth) -> None:
    """Hold Qdrant's answer to `/healthz`.

    Raises:
        PromiseBrokenError: it is not that of a healthy Qdrant.
    """
    hold(
        health.healthy,
        f"Qdrant's /healthz answered {health.status} “{health.text[:80]}”.",
        "Is this Qdrant, and is it up? (contract section 1)",
    )
