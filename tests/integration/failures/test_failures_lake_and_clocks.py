"""Scenarios of the lake, of clocks and of load, tried for real: the reference controller's end, and a mutant's."""

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.arena.embedded import embedded_arena
from fixtures.arena.stack_arena import StackArena
from fixtures.stacks.embedded import EmbeddedOptions
from tests.integration.failures.conftest import Tries
from tests.support.binaries import controller_binary
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.failures.running import ScenarioRunner
from tsse_validation.failures.scenarios_clocks import CLOCK_SCENARIOS
from tsse_validation.failures.scenarios_lake import LAKE_SCENARIOS
from tsse_validation.failures.scenarios_load import LOAD_SCENARIOS, under_load
from tsse_validation.failures.table import SCENARIOS
from tsse_validation.runlog.failure_records import FailureTried
from tsse_validation.settings.definitions import Settings

OTHER_SEED = 3
"""Not the one that the run of all scenarios has."""
BY_ITS_OWN_CLOCK = """
from dataclasses import replace
from fixtures.controller import __main__ as controller
open_lake = controller._open_lake
controller._open_lake = lambda settings: replace(open_lake(settings), inserted_by=None)
"""


def recovered(tried: FailureTried) -> None:
    if "could not be" in tried.message:  # no libfaketime, no compiler, no disk: said, and not passed
        assert tried.outcome == "not_tried"
        pytest.skip(f"not run: {tried.message}")
    assert (tried.outcome, tried.differing, tried.diagnoses, tried.touched) == ("recovered", 0, (), ()), tried
    assert tried.rows
    assert tried.struck_at is not None


@pytest.mark.slow
def test_half_written_files_beside_the_whole_ones_cost_no_row(tries: Tries) -> None:
    recovered(tries("torn-files-beside"))


@pytest.mark.slow
def test_a_full_disk_fails_a_pass_and_the_next_one_brings_its_rows(tries: Tries) -> None:
    tried = tries("disk-full-in-a-pass")
    recovered(tried)
    assert "the pass failed" in tried.struck


@pytest.mark.slow
@pytest.mark.parametrize("key", [scenario.key for scenario in (*LAKE_SCENARIOS, *CLOCK_SCENARIOS)])
def test_the_reference_controller_recovers_from_each(key: str, tries: Tries) -> None:
    recovered(tries(key, OTHER_SEED))


@pytest.mark.slow
def test_a_load_is_replicated_whole_and_how_far_it_was_behind_is_told(arena: StackArena) -> None:
    (load,) = LOAD_SCENARIOS
    runner = ScenarioRunner(arena, PostgresClient.from_settings(arena.conninfo, Settings()), OTHER_SEED)
    tried = runner.run(replace(load, strike=under_load(1_000, 15.0)))
    recovered(tried)
    assert tried.rows > 13_000
    assert "the watermark was at most" in tried.struck


@pytest.mark.slow
def test_a_core_binary_that_goes_by_its_own_clock_alone_loses_what_comes_in_after_it_was_set_back(
    tmp_path: Path,
) -> None:
    binary = controller_binary(tmp_path, BY_ITS_OWN_CLOCK)
    with embedded_arena(EmbeddedOptions(core_binary=binary), lambda _: None) as arena:
        postgres = PostgresClient.from_settings(arena.conninfo, Settings())
        tried = ScenarioRunner(arena, postgres, OTHER_SEED).run(SCENARIOS["clock-forward-and-back"])
    if "could not be set: libfaketime" in tried.message:
        pytest.skip(f"not run: {tried.message}")
    assert (tried.outcome, tried.differing) == ("lost", 600), tried
    assert tried.diagnoses
