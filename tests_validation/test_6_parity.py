"""Step 6, parity: by the controller's job, by our own count and row by row both sides agree (runbook, section 4).

What the job says, what we find, and whether the two agree are three different statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsse_validation import steps
from tsse_validation.domain.holding import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsse_validation.clients.jobs import JobRunner
    from tsse_validation.clients.postgres import PostgresClient
    from tsse_validation.domain.coverage import Scope
    from tsse_validation.domain.windows import Window
    from tsse_validation.parity.direct import DirectProof
    from tsse_validation.parity.job_counts import ParityJobs
    from tsse_validation.parity.settling import Explaining
    from tsse_validation.parity.whole_range import Census
    from tsse_validation.runlog.records import CountRow, Finding
    from tsse_validation.steps.lake_recorder import LakeRecorder
    from tsse_validation.steps.progress import ProgressReporter
    from tsse_validation.steps.run import Check, Facts, ValidationRun
    from tsse_validation.steps.spot_checking import OurReading

pytestmark = [pytest.mark.tier_a, pytest.mark.step(6)]


def test_parity_job_finds_no_mismatch(
    run: ValidationRun,
    parity_jobs: ParityJobs,
    explaining_range: Explaining,
    job_window: Window,
    census: Census,
    covered: Scope,
    facts: Facts,
    lake_recorder: LakeRecorder,
    progress: ProgressReporter,
    check: Check,
) -> None:
    counted = steps.spot_checking.count_by_the_job(
        run, parity_jobs, explaining_range, job_window, census, progress
    )
    facts.job_parity = counted
    steps.spot_checking.record_job_counts(run, counted, parity_jobs, covered.window, lake_recorder, check)


def test_parity_job_counts_as_we_do(our_range: OurReading, facts: Facts, check: Check) -> None:
    steps.spot_checking.check_job_against_ours(
        require(facts.job_parity, "the parity job's result"), our_range, check
    )


def test_counts_agree_for_every_sensor(
    day_counts: list[CountRow], sensor_counts: list[CountRow], check: Check
) -> None:
    steps.proving.check_sensor_counts(day_counts, sensor_counts, check)


def test_counts_agree_for_every_sensor_and_day(
    proof: DirectProof, day_counts: list[CountRow], check: Check
) -> None:
    steps.proving.check_day_counts(proof, day_counts, check)


def test_every_due_row_is_in_the_lake_unchanged(
    run: ValidationRun,
    proof: DirectProof,
    covered: Scope,
    day_counts: list[CountRow],
    heal: Callable[[], Finding],
    progress: ProgressReporter,
    check: Check,
) -> None:
    compared, found = steps.proving.compare_every_row(run, proof, covered, day_counts, heal, progress)
    steps.proving.check_rows(compared, found, check)


def test_due_rows_beyond_the_window_are_in_the_lake(
    run: ValidationRun,
    proof: DirectProof,
    database: PostgresClient,
    covered: Scope,
    day_counts: list[CountRow],
    progress: ProgressReporter,
    check: Check,
) -> None:
    seen = steps.proving_beyond.compare_beyond(run, proof, database, covered, day_counts, progress)
    steps.proving_beyond.check_beyond(seen, check)


def test_parity_helper_says_what_its_job_did(
    run: ValidationRun,
    jobs: JobRunner,
    helper_window: Window,
    helper_reading: OurReading | None,
    check: Check,
) -> None:
    steps.helping.check_told(steps.helping.check_parity_by_helper(run, jobs, helper_window, helper_reading), check)
