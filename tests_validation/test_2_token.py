"""Step 2, token: only a token with the capabilities is let in (runbook, prereqs; contract section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsse_validation import steps
from tsse_validation.domain.contract import INSPECT_JOB, InspectResult
from tsse_validation.domain.holding import require
from tsse_validation.settings.credentials import others_can_read
from tsse_validation.steps.services import BAD_AUTHORIZATIONS

if TYPE_CHECKING:
    from tsse_validation.clients.core import CoreClient
    from tsse_validation.clients.jobs import JobRunner
    from tsse_validation.settings.definitions import Settings
    from tsse_validation.steps.run import Check, Facts
    from tsse_validation.steps.validated_stack import Stack

pytestmark = [pytest.mark.tier_a, pytest.mark.step(2)]


def test_valid_token_is_accepted(core: CoreClient) -> None:
    steps.services.hold_token_accepted(core)


def test_valid_token_runs_a_job(jobs: JobRunner, settings: Settings, facts: Facts, check: Check) -> None:
    job = jobs.run(INSPECT_JOB, {}, InspectResult, purpose="token", timeout=settings.job_timeout)
    facts.job_before = job.job
    check.fact("job", f"{job.job.id}, {job.seconds:.1f} s")


@pytest.mark.parametrize("case", BAD_AUTHORIZATIONS)
def test_bad_token_is_refused(case: str, core: CoreClient) -> None:
    steps.services.hold_refused(core, case)


def test_view_only_token_cannot_create_a_job(core: CoreClient, stack: Stack) -> None:
    steps.services.hold_view_only(core.with_token(require(stack.view_token, "the view-only token")))


def test_token_file_is_private(stack: Stack, check: Check) -> None:
    path = require(stack.token_file, "the token file")
    if mode := others_can_read(path):
        check.warn(f"the token file {path} can be read by others (mode {mode}): chmod 600 it")
