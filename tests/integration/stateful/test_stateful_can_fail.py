"""The machine can fail: with one mistake in the controller it finds it, and ends at a short story of it."""

import pytest
from hypothesis import Phase, settings
from hypothesis.internal.conjecture import engine
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.stateful.machine import Replication
from tests.system.faults import mutants

SHRINKING_SECONDS = 20
"""Each step of it replays a controller: the first seconds bring nearly all that minutes would."""
MOST_RULES = 3
"""One is enough: days that pass until the rows of a day go into the cold."""
FOUND_AT_ONCE = (pytest.param("day-head-lost", marks=pytest.mark.slow), "state-before-files")


@pytest.fixture
def mistaken(machine: type[Replication], mutant: str, monkeypatch: pytest.MonkeyPatch) -> type[Replication]:
    """Return the machine with a mistake in its controller, until the test's end."""
    monkeypatch.setattr(mutants, "_put", monkeypatch.setattr)
    mutants.MUTANTS[mutant]()
    return machine


@pytest.mark.parametrize("mutant", FOUND_AT_ONCE)
def test_a_mistake_in_the_controller_is_found(mistaken: type[Replication]) -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            mistaken, settings=settings(settings.get_profile("stateful"), phases=(Phase.generate,))
        )


@pytest.mark.parametrize("mutant", ["watermark-by-ts"])
def test_a_mistake_in_the_controller_is_found_and_told_by_the_fewest_rules(
    mistaken: type[Replication], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_SHRINKING_SECONDS", SHRINKING_SECONDS)
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(
            mistaken, settings=settings(settings.get_profile("stateful"), phases=(Phase.generate, Phase.shrink))
        )
    first, *rules = mistaken.history
    assert first == "a_farm_with_a_lake"
    assert 1 <= len(rules) <= MOST_RULES, rules
    assert "'missing', None" in str(caught.value)
    assert any("reproduce_failure" in note for note in caught.value.__notes__)
