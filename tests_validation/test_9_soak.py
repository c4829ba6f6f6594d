"""Step 9, soak: what steps 5 and 6 have found holds for hours, only with --soak (beyond the runbook)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsse_validation import steps
from tsse_validation.domain.instants import utc_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsse_validation.clients.jobs import JobRunner
    from tsse_validation.clients.watch import ControllerClock
    from tsse_validation.lake.reader import LakeReader
    from tsse_validation.settings.definitions import Settings
    from tsse_validation.steps.run import Check
    from tsse_validation.steps.soaking import SoakOutcome

pytestmark = [pytest.mark.tier_a, pytest.mark.step(9)]


def test_watermark_stays_recent_through_the_soak(
    soaked: SoakOutcome, postgres_ahead_now: Callable[[], float | None], check: Check
) -> None:
    steps.soak_checks.check_recent_throughout(soaked, postgres_ahead_now, check)


def test_watermark_never_retreats_in_the_soak(soaked: SoakOutcome, check: Check) -> None:
    steps.soak_checks.check_never_retreats_throughout(soaked, check)


def test_file_counts_stay_bounded_in_the_soak(
    soaked: SoakOutcome, jobs: JobRunner, settings: Settings, clock: ControllerClock, check: Check
) -> None:
    steps.soak_checks.check_files_throughout(
        soaked,
        lambda: steps.inspecting.inspect_when_compacted(jobs, settings, utc_day(clock.now())),
        lambda: utc_day(clock.now()),
        check,
    )


def test_no_temporary_file_stays_in_the_soak(soaked: SoakOutcome, lake: LakeReader, check: Check) -> None:
    steps.soak_checks.hold_none_stayed(soaked, check)
    steps.watermark.check_temporary_files(lake, check)


def test_rows_newly_due_are_in_the_lake(soaked: SoakOutcome, check: Check) -> None:
    steps.soak_checks.check_newly_due(soaked, check)


def test_old_days_stay_as_they_were(soaked: SoakOutcome, settings: Settings, check: Check) -> None:
    steps.soak_checks.check_old_days(soaked, settings, check)


def test_whole_range_is_the_same_after_the_soak(soaked: SoakOutcome, check: Check) -> None:
    steps.soak_checks.check_whole_range(soaked, check)
