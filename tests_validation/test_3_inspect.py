"""Step 3, inspect: the lake's state by the API, and by its files where they are readable (runbook, section 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsse_validation import steps
from tsse_validation.domain.aspects import INSPECTION_ASPECTS
from tsse_validation.domain.holding import require
from tsse_validation.steps.promises import REPLICATION_PROMISES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsse_validation.clients.jobs import JobRunner
    from tsse_validation.clients.postgres import PostgresClient
    from tsse_validation.lake.reader import LakeReader
    from tsse_validation.settings.definitions import Settings
    from tsse_validation.steps.inspecting import AspectComparison
    from tsse_validation.steps.lake_recorder import LakeRecorder
    from tsse_validation.steps.progress import ProgressReporter
    from tsse_validation.steps.run import Check, Facts, ValidationRun

pytestmark = [pytest.mark.tier_a, pytest.mark.step(3)]


def test_api_inspection_describes_the_lake(
    jobs: JobRunner, settings: Settings, facts: Facts, lake_recorder: LakeRecorder, check: Check
) -> None:
    inspection = steps.inspecting.inspect_when_replicated(jobs, settings)
    lake_recorder.inspection(inspection, "before the backfill")
    facts.inspection_before = inspection
    steps.inspecting.state_inspection(inspection, check)


def test_database_is_the_controllers(
    run: ValidationRun, postgres: PostgresClient, facts: Facts, progress: ProgressReporter, check: Check
) -> None:
    created = require(facts.job_before, "a job of ours")
    steps.identifying.state_database(steps.identifying.identify(run, created, postgres, progress), check)


@pytest.mark.parametrize("promise", REPLICATION_PROMISES)
def test_replication_is_healthy(promise: str, facts: Facts, check: Check) -> None:
    inspection = require(facts.inspection_before, "the lake's inspection")
    check.fact(promise, REPLICATION_PROMISES[promise](inspection.replication))


@pytest.mark.parametrize("name", ["replication", "manifest"])
def test_lake_state_files_are_readable(name: str, lake: LakeReader, check: Check) -> None:
    state = getattr(lake, name)()
    check.fact("schema version", state.schema_version)


@pytest.mark.parametrize("aspect", INSPECTION_ASPECTS)
def test_direct_inspection_agrees_with_the_api(
    aspect: str, both_inspections: Mapping[str, AspectComparison], check: Check
) -> None:
    steps.inspecting.check_aspect(both_inspections[aspect], check)


def test_inspector_helper_says_what_the_api_says(run: ValidationRun, jobs: JobRunner, check: Check) -> None:
    steps.helping.check_told(steps.helping.inspect_by_helper(run, jobs), check)
