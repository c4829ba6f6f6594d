"""Whatever happens to a farm and its controller, the suite says of the lake what the contract says."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.stateful.machine import Replication


@pytest.mark.parametrize("stories", [6, pytest.param(24, marks=pytest.mark.slow)])
def test_the_suite_says_what_the_contract_says_whatever_happens(stories: int, machine: type[Replication]) -> None:
    told = settings(settings.get_profile("stateful"), max_examples=stories)
    run_state_machine_as_test(machine, settings=told)
