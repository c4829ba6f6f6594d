"""Steps 1 and 2: services answer, and no token without the capabilities is let in (contract sections 1 and 2)."""

import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tsse_validation.domain.contract import (
    HEALTHZ_BODY,
    INSPECT_JOB,
    JOB_NOT_FOUND_TEXT,
    MISSING_CAPABILITY_TEXT,
    RUN_CAPABILITY,
    UNAUTHORIZED_TEXT,
    is_healthy,
)
from tsse_validation.domain.errors import AccessError
from tsse_validation.domain.holding import hold

if TYPE_CHECKING:
    from tsse_validation.clients.core import CoreClient, Health
    from tsse_validation.clients.http import Answer
    from tsse_validation.clients.qdrant import QdrantHealth

_SHOWN = 120
"""Characters of a strange answer that a message quotes."""


def hold_core_health(health: "Health") -> None:
    """Hold the core-server's answer to `/healthz`."""
    hold(
        health.status == 200 and is_healthy(health.body),
        f"/healthz answered {health.status} {str(health.body)[:_SHOWN]} instead of 200 {HEALTHZ_BODY}.",
        "Is this the core-server, and is it up? (contract section 1)",
    )


def hold_qdrant_health(health: "QdrantHealth") -> None:
    """Hold Qdrant's answer to `/healthz`."""
    hold(
        health.healthy,
        f"Qdrant's /healthz answered {health.status} “{health.text[:80]}”.",
        "Is this Qdrant, and is it up? (contract section 1)",
    )


BAD_AUTHORIZATIONS: Mapping[str, Callable[[], str | None]] = {
    "no-token": lambda: None,
    "malformed": lambda: "Bearer",
    "wrong-scheme": lambda: f"Basic {secrets.token_urlsafe(32)}",
    "unknown": lambda: f"Bearer {secrets.token_urlsafe(32)}",
}
"""`Authorization` headers that must be refused, by what is wrong with each."""


def hold_token_accepted(core: "CoreClient") -> None:
    """Ask for a job that nobody has; raises AccessError when the token is refused."""
    from tsse_validation.clients.core import hold_authorized

    answer = _probe(core, core.authorization())
    hold_authorized(answer)
    _hold_answer(answer, 404, JOB_NOT_FOUND_TEXT, "See contract section 3.", asked="An unknown job")


def hold_refused(core: "CoreClient", case: str) -> None:
    """Ask under one of `BAD_AUTHORIZATIONS`."""
    answer = _probe(core, BAD_AUTHORIZATIONS[case]())
    advice = "The controller lets strangers in, or answers them wrongly: see contract section 2."
    _hold_answer(answer, 401, UNAUTHORIZED_TEXT, advice)


def hold_view_only(viewer: "CoreClient") -> None:
    """Try to create a job with a token that may only look; raises AccessError when it may not even do that."""
    looked = _probe(viewer, viewer.authorization())
    if looked.status in {401, 403}:
        msg = f"The controller refuses the view-only token: {looked.status} “{looked.excerpt()}”."
        raise AccessError(msg, "Is it unknown, revoked or expired? Give another by --view-token-file.")
    answer = viewer.try_to_create(INSPECT_JOB, purpose="view-only token")
    wanted = MISSING_CAPABILITY_TEXT.format(capability=RUN_CAPABILITY)
    advice = (
        "Does the token have analysis.view only? If so, capabilities are not enforced: see contract section 2."
    )
    _hold_answer(answer, 403, wanted, advice)


def _probe(core: "CoreClient", authorization: str | None) -> "Answer":
    return core.probe(str(uuid.uuid4()), authorization)


def _hold_answer(answer: "Answer", status: int, text: str, advice: str, asked: str = "It") -> None:
    hold(
        answer.status == status and answer.text.strip() == text,
        f"{asked} was answered {answer.status} “{answer.excerpt()}” instead of {status} “{text}”.",
        advice,
    )
