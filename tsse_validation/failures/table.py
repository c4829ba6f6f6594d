"""Every failure scenario, by its key: the groups' tables together."""

from collections.abc import Mapping

from tsse_validation.failures.model import Scenario
from tsse_validation.failures.scenarios_controller import CONTROLLER_SCENARIOS

SCENARIOS: Mapping[str, Scenario] = {scenario.key: scenario for scenario in (*CONTROLLER_SCENARIOS,)}
"""The table, in the order in which it is run."""
