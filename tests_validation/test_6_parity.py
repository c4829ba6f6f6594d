"""Step 6, parity: by the controller's job, by our own count and row by row both sides agree (runbook, section 4).

What the job says, what we find, and whether the two agree are three different statements.
"""

from collections.abc import Callable

import pytest

from tsse_validation.diagnosis.tally import REPEAT_BACKFILL
from tsse_validation.domain.holding import require
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.windows import Coverage, Window
from tsse_validation.parity.by_job import SpotChecker
from tsse_validation.parity.comparing import disagreements_with_job
from tsse_validation.parity.direct import DirectProof
from tsse_validation.pytest_plugin.parity_fixtures import compare_every_row, record_spot_check
from tsse_validation.runlog.records import CountRow, Finding
from tsse_validation.steps.check import Check
from tsse_validation.steps.lake_recorder import LakeSeen
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import Facts, ValidationRun

pytestmark = [pytest.mark.tier_a, pytest.mark.step(6, needs=[4])]


def test_parity_job_finds_no_mismatch(
    run: ValidationRun,
    spot_checker: SpotChecker,
    spot_window: Window,
    facts: Facts,
    lake_seen: LakeSeen,
    check: Check,
) -> None:
    spot = record_spot_check(run, spot_checker, spot_window, lake_seen, check)
    facts.job_parity = spot.result
    check.fact("window", spot_window)
    check.fact("sensors", len(spot.result.rows))
    check.fact("rows in Postgres", f"{spot.rows:,}")


def test_parity_job_counts_as_we_do(proof: DirectProof, coverage: Coverage, facts: Facts, check: Check) -> None:
    job = require(facts.job_parity, "the parity job's result")
    ours = proof.count_window(job.window_checked, coverage)
    check.fact("window", job.window_checked)
    disagreements = disagreements_with_job(job, ours.rows)
    check.that(
        not disagreements,
        f"The job and we disagree: {'; '.join(disagreements[:3])}.",
        "The controller's own parity check cannot be trusted: treat it as a bug of the job.",
    )


def test_counts_agree_for_every_sensor(
    day_counts: list[CountRow], sensor_counts: list[CountRow], check: Check
) -> None:
    check.fact("sensors", len(sensor_counts))
    check.fact("rows", f"{sum(row.postgres for row in sensor_counts):,}")
    check.needs(day_counts, "No row was counted.", "There is nothing to prove.")
    differing = [row for row in sensor_counts if row.postgres != row.lake]
    check.that(
        not differing,
        f"{count_of(len(differing), 'sensor')} not alike: "
        + "; ".join(f"{row.sensor_id}: Postgres {row.postgres:,}, lake {row.lake:,}" for row in differing[:3]),
        REPEAT_BACKFILL,
    )


def test_counts_agree_for_every_sensor_and_day(
    proof: DirectProof, day_counts: list[CountRow], check: Check
) -> None:
    check.fact("sensor-days", f"{len(day_counts):,}")
    check.needs(day_counts, "No row was counted.", "There is nothing to prove.")
    differing = [row for row in day_counts if not row.matches]
    torn = "; what a torn file holds is not known" if proof.unreadable else ""
    check.that(
        not differing,
        f"{count_of(len(differing), 'sensor-day')} not alike: {'; '.join(map(_both_sides, differing[:3]))}{torn}",
        REPEAT_BACKFILL,
    )


def _both_sides(row: CountRow) -> str:
    if row.postgres == row.lake:
        return f"{row.sensor_id} on {row.day}: {row.postgres} rows on both sides, and their digests differ"
    return f"{row.sensor_id} on {row.day}: Postgres {row.postgres}, lake {row.lake}"


def test_every_due_row_is_in_the_lake_unchanged(
    run: ValidationRun,
    proof: DirectProof,
    coverage: Coverage,
    covered: Window,
    day_counts: list[CountRow],
    heal: Callable[[], Finding],
    progress: ProgressReporter,
    check: Check,
) -> None:
    outcome = compare_every_row(run, proof, coverage, covered, day_counts, heal, progress)
    check.fact("compared by", run.settings.level)
    check.fact("rows", f"{outcome.rows:,} on {outcome.days} days")
    check.fact("not due yet", f"{outcome.not_due:,}")
    check.fact("pending upserts", f"{outcome.pending:,}")
    # first: where no row is due any more, each that the lake still holds is one too many
    check.that(
        not outcome.differing and not outcome.unreadable_files,
        f"{count_of(outcome.differing, 'row')} not as in Postgres: {'; '.join(outcome.diagnoses)}.",
        REPEAT_BACKFILL,
    )
    check.needs(outcome.rows, "No row was compared.", "There is nothing to prove.")
