"""Step 3, inspect: the lake's state by the API, and by its files where they are readable (runbook, section 1)."""

from collections.abc import Mapping

import pytest

from tsse_validation.clients.jobs import JobRunner
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.lake.reader import LakeReader
from tsse_validation.settings.model import Settings
from tsse_validation.steps.check import Check
from tsse_validation.steps.inspecting import ASPECTS, Comparison, inspect_when_replicated
from tsse_validation.steps.lake_recorder import LakeSeen
from tsse_validation.steps.promises import REPLICATION_PROMISES
from tsse_validation.steps.run import Facts

pytestmark = [pytest.mark.tier_a, pytest.mark.step(3, needs=[2])]


def test_api_inspection_describes_the_lake(
    jobs: JobRunner, settings: Settings, facts: Facts, lake_seen: LakeSeen, check: Check
) -> None:
    inspection = inspect_when_replicated(jobs, settings)
    lake_seen.inspection(inspection, "before the backfill")
    facts.inspection_before = inspection
    metrics = inspection.metrics
    check.fact("hot path", inspection.hot_path)
    check.fact("cold path", inspection.cold_path or "none")
    check.fact("partitions", f"{len(metrics.partitions)} dates")
    check.fact("files", f"{sum(partition.parquet_files for partition in metrics.partitions.values()):,}")
    check.that(DATASET in inspection.datasets, f"The lake has no dataset {DATASET}.", "Has replication ever run?")
    watermark = inspection.replication.computed_through_ts
    check.fact("watermark", format_rfc3339(watermark) if watermark else "not set")


@pytest.mark.parametrize("promise", REPLICATION_PROMISES)
def test_replication_is_healthy(promise: str, facts: Facts, check: Check) -> None:
    inspection = require(facts.inspection_before, "the lake's inspection")
    check.fact(promise, REPLICATION_PROMISES[promise](inspection.replication))


@pytest.mark.parametrize("name", ["replication", "manifest"])
def test_lake_state_files_are_readable(name: str, lake: LakeReader, check: Check) -> None:
    state = getattr(lake, name)()
    check.fact("schema version", state.schema_version)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_direct_inspection_agrees_with_the_api(
    aspect: str, both_inspections: Mapping[str, Comparison], check: Check
) -> None:
    comparison = both_inspections[aspect]
    check.fact("compared", comparison.compared)
    for warning in comparison.warnings:
        check.warn(warning)
    check.that(
        not comparison.differences,
        f"The API and the files differ: {'; '.join(comparison.differences[:3])}.",
        "Is --hot-path this controller's lake? If so, its inspection cannot be trusted.",
    )
