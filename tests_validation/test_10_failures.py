"""Step 10, failures: crashes of our own stack lose nothing, only when asked for (beyond the runbook)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsse_validation.failures.table import SCENARIOS
from tsse_validation.failures.telling import hold_recovered

if TYPE_CHECKING:
    from tsse_validation.failures.running import ScenarioRunner
    from tsse_validation.steps.run import Check

pytestmark = [pytest.mark.failures, pytest.mark.step(10)]


@pytest.mark.parametrize("key", SCENARIOS)
def test_lake_survives(key: str, scenario_runner: ScenarioRunner, check: Check) -> None:
    tried = scenario_runner.run(SCENARIOS[key])
    check.record(tried)
    hold_recovered(tried, check)
