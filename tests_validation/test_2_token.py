"""Step 2, token: who has the capabilities is let in, and nobody else (runbook, prereqs; contract section 2)."""

import secrets
import uuid
from collections.abc import Callable

import pytest

from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.domain.contract import (
    INSPECT_JOB,
    JOB_NOT_FOUND_TEXT,
    MISSING_CAPABILITY_TEXT,
    RUN_CAPABILITY,
    UNAUTHORIZED_TEXT,
    InspectResult,
)
from tsse_validation.domain.errors import AccessError
from tsse_validation.domain.holding import require
from tsse_validation.settings.credentials import others_can_read
from tsse_validation.settings.model import Settings
from tsse_validation.steps.check import Check
from tsse_validation.steps.validated_stack import Stack

pytestmark = [pytest.mark.tier_a, pytest.mark.step(2, needs=[1])]

BAD_AUTHORIZATIONS: dict[str, Callable[[], str | None]] = {
    "no-token": lambda: None,
    "malformed": lambda: "Bearer",
    "wrong-scheme": lambda: f"Basic {secrets.token_urlsafe(32)}",
    "unknown": lambda: f"Bearer {secrets.token_urlsafe(32)}",
}


def test_valid_token_is_accepted(core: CoreClient, check: Check) -> None:
    answer = core.probe(str(uuid.uuid4()), core.authorization())
    if answer.status in {401, 403}:
        msg = f"The controller refuses the token: {answer.status} “{answer.excerpt()}”."
        raise AccessError(msg, "Is it unknown, revoked or expired? Give another by --auth-token-file.")
    check.that(
        answer.status == 404 and answer.text.strip() == JOB_NOT_FOUND_TEXT,
        f"An unknown job was answered {answer.status} “{answer.excerpt()}” instead of 404 “{JOB_NOT_FOUND_TEXT}”.",
        "See contract section 3.",
    )


def test_valid_token_runs_a_job(jobs: JobRunner, settings: Settings, check: Check) -> None:
    job = jobs.run(INSPECT_JOB, {}, InspectResult, purpose="token", timeout=settings.job_timeout)
    check.fact("job", f"{job.job.id}, {job.seconds:.1f} s")


@pytest.mark.parametrize("case", BAD_AUTHORIZATIONS)
def test_bad_token_is_refused(case: str, core: CoreClient, check: Check) -> None:
    answer = core.probe(str(uuid.uuid4()), BAD_AUTHORIZATIONS[case]())
    check.that(
        answer.status == 401 and answer.text.strip() == UNAUTHORIZED_TEXT,
        f"It was answered {answer.status} “{answer.excerpt()}” instead of 401 “{UNAUTHORIZED_TEXT}”.",
        "The controller lets strangers in, or answers them wrongly: see contract section 2.",
    )


def test_view_only_token_cannot_create_a_job(core: CoreClient, stack: Stack, check: Check) -> None:
    viewer = core.with_token(require(stack.view_token, "the view-only token"))
    answer = viewer.try_to_create(INSPECT_JOB, purpose="view-only token")
    wanted = MISSING_CAPABILITY_TEXT.format(capability=RUN_CAPABILITY)
    check.that(
        answer.status == 403 and answer.text.strip() == wanted,
        f"It was answered {answer.status} “{answer.excerpt()}” instead of 403 “{wanted}”.",
        "Does the token have analysis.view only? If so, capabilities are not enforced: see contract section 2.",
    )


def test_token_file_is_private(stack: Stack, check: Check) -> None:
    path = require(stack.token_file, "the token file")
    if mode := others_can_read(path):
        check.warn(f"the token file {path} can be read by others (mode {mode}): chmod 600 it")
