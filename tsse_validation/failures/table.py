"""Every failure scenario, by its key: the groups' tables together."""

from collections.abc import Mapping

from tsse_validation.failures.scenario import Scenario
from tsse_validation.failures.scenarios_clocks import CLOCK_SCENARIOS
from tsse_validation.failures.scenarios_commits import COMMIT_SCENARIOS
from tsse_validation.failures.scenarios_controller import CONTROLLER_SCENARIOS
from tsse_validation.failures.scenarios_jobs import JOBS_SCENARIOS
from tsse_validation.failures.scenarios_lake import LAKE_SCENARIOS
from tsse_validation.failures.scenarios_load import LOAD_SCENARIOS
from tsse_validation.failures.scenarios_postgres import POSTGRES_SCENARIOS

_TABLES = (
    *CONTROLLER_SCENARIOS,
    *JOBS_SCENARIOS,
    *POSTGRES_SCENARIOS,
    *COMMIT_SCENARIOS,
    *LAKE_SCENARIOS,
    *CLOCK_SCENARIOS,
    *LOAD_SCENARIOS,
)
SCENARIOS: Mapping[str, Scenario] = {scenario.key: scenario for scenario in _TABLES}
"""The table, in the order in which it is run."""
