"""Step 5, watermark and partitions: both are as they should be after the backfill (runbook, section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsse_validation import steps
from tsse_validation.domain.aspects import FILE_ASPECTS
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import utc_day

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tsse_validation.clients.jobs import JobRunner
    from tsse_validation.clients.postgres import PostgresClient
    from tsse_validation.clients.snapshot import ActiveJob
    from tsse_validation.clients.watch import ControllerClock, ReplicationWatch
    from tsse_validation.domain.coverage import Scope
    from tsse_validation.lake.file_checks import FileFindings
    from tsse_validation.lake.reader import LakeReader
    from tsse_validation.settings.definitions import Settings
    from tsse_validation.steps.lake_recorder import LakeRecorder
    from tsse_validation.steps.run import Check, Facts, ValidationRun
    from tsse_validation.steps.undisturbed import Undisturbed

pytestmark = [pytest.mark.tier_a, pytest.mark.step(5)]


def test_watermark_is_set_and_not_in_the_future(
    watch: ReplicationWatch, clock: ControllerClock, check: Check
) -> None:
    steps.watermark.check_not_in_the_future(watch, clock, check)


def test_watermark_is_recent(
    watch: ReplicationWatch,
    clock: ControllerClock,
    postgres_ahead: float | None,
    active_lake_jobs: Callable[[], Sequence[ActiveJob] | None],
    settings: Settings,
    check: Check,
) -> None:
    steps.watermark.check_recent(watch, clock, postgres_ahead, active_lake_jobs, settings, check)


def test_watermark_never_retreats(facts: Facts, watch: ReplicationWatch, check: Check) -> None:
    steps.watermark.check_never_retreats(facts, watch, check)


def test_backfilled_dates_have_partitions(run: ValidationRun, facts: Facts, check: Check) -> None:
    touched = steps.backfilling.completed_backfill(run).result.touched_dates
    after = require(facts.inspection_after, "the inspection after the backfill")
    steps.watermark.check_backfilled_dates(touched, after, check)


def test_database_is_as_new_as_the_watermark(
    database: PostgresClient, run: ValidationRun, covered: Scope, check: Check
) -> None:
    steps.identifying.check_as_new(run, database, covered, check)


def test_dates_with_rows_have_partitions_and_no_others(
    database: PostgresClient, lake: LakeReader, covered: Scope, undisturbed: Undisturbed, check: Check
) -> None:
    steps.watermark.check_dates_with_rows(database, lake, covered, undisturbed, check)


def test_file_counts_stay_bounded(
    jobs: JobRunner, settings: Settings, clock: ControllerClock, lake_recorder: LakeRecorder, check: Check
) -> None:
    today = utc_day(clock.now())
    inspection = steps.inspecting.inspect_when_compacted(jobs, settings, today)
    lake_recorder.inspection(inspection, "once compaction had had its time")
    steps.watermark.check_file_counts(inspection, today, check)


def test_no_temporary_file_is_left(lake: LakeReader, check: Check) -> None:
    steps.watermark.check_temporary_files(lake, check)


@pytest.mark.parametrize("aspect", FILE_ASPECTS)
def test_lake_files_are_well_formed(aspect: str, examined_files: FileFindings, check: Check) -> None:
    steps.watermark.check_files(aspect, examined_files, check)
