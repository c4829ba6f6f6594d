"""Whatever happens to a farm and its controller, the suite says of the lake what the contract says."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.stateful.machine import Replication


def test_the_suite_says_what_the_contract_says_whatever_happens(machine: type[Replication]) -> None:
    run_state_machine_as_test(machine, settings=settings(settings.get_profile("stateful")))
