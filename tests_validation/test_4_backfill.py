"""Step 4, backfill: one command backfills 90 days as promised (runbook, section 2; contract section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsse_validation import steps
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.holding import require
from tsse_validation.steps.promises import BACKFILL_PROMISES, BackfillEvidence

if TYPE_CHECKING:
    from tsse_validation.clients.jobs import JobRunner
    from tsse_validation.settings.definitions import Settings
    from tsse_validation.steps.backfilling import Performing
    from tsse_validation.steps.lake_recorder import LakeRecorder
    from tsse_validation.steps.progress import ProgressReporter
    from tsse_validation.steps.run import Check, Facts, ValidationRun

pytestmark = [pytest.mark.tier_a, pytest.mark.step(4)]


def test_backfill_job_completes(
    run: ValidationRun,
    jobs: JobRunner,
    settings: Settings,
    backfill_performer: Performing,
    facts: Facts,
    lake_recorder: LakeRecorder,
    progress: ProgressReporter,
    check: Check,
) -> None:
    if settings.skip_backfill:
        raise NotCheckedError("left out by --skip-backfill: the lake is checked as earlier backfills left it")
    try:
        facts.backfill = steps.backfilling.run_backfill(run, jobs, progress, perform=backfill_performer)
    except steps.loss_guard.WouldLoseError as error:
        check.record(error.finding())
        raise
    lake_recorder.inspection(require(facts.inspection_after, "the inspection after it"), "after the backfill")
    check.fact("job", facts.backfill.job.id)
    check.fact("duration", f"{facts.backfill.seconds:.1f} s")


@pytest.mark.parametrize("promise", BACKFILL_PROMISES)
def test_backfill_keeps_its_promises(promise: str, run: ValidationRun, facts: Facts, check: Check) -> None:
    evidence = BackfillEvidence(
        run.settings.backfill_days,
        steps.backfilling.completed_backfill(run),
        require(facts.inspection_after, "the lake's inspection after the backfill"),
        require(facts.taken_away, "a look at what the backfill took away"),
    )
    check.fact(promise, BACKFILL_PROMISES[promise](evidence))


def test_backfill_helper_says_what_its_job_did(run: ValidationRun, check: Check) -> None:
    steps.helped_backfill.check_backfill_helper(run, check)
