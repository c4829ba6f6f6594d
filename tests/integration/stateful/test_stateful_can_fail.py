"""The machine can fail: with one mistake in the controller it finds it, and ends at a short story of it."""

import inspect
import sys

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


def make(mutant: str, patch: pytest.MonkeyPatch) -> None:
    """Put a mistake into the controller, until the patch is undone."""
    patch.setattr(mutants, "_put", patch.setattr)
    mutants.MUTANTS[mutant]()


@pytest.fixture
def mistaken(machine: type[Replication], mutant: str, monkeypatch: pytest.MonkeyPatch) -> type[Replication]:
    """Return the machine with a mistake in its controller, until the test's end."""
    make(mutant, monkeypatch)
    return machine


def changed(before: dict[str, object]) -> list[str]:
    now = controller_as_it_is()
    return [name for name in before.keys() | now.keys() if before.get(name) is not now.get(name)]


def controller_as_it_is() -> dict[str, object]:
    """Return what stands under each name of the controller's modules and of their classes."""
    modules = [module for name, module in sys.modules.items() if name.startswith("fixtures.controller.")]
    classes = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__.startswith("fixtures.controller.")
    }
    places = {module.__name__: vars(module) for module in modules}
    places |= {f"{one.__module__}.{one.__qualname__}": dict(vars(one)) for one in classes}
    return {f"{place}.{name}": value for place, names in places.items() for name, value in names.items()}


@pytest.mark.parametrize("mutant", mutants.MUTANTS)
def test_a_mistake_is_gone_with_the_test_that_has_made_it(mutant: str) -> None:
    """Else it is in the controller of every test that comes later in the same process."""
    before = controller_as_it_is()
    with pytest.MonkeyPatch.context() as patch:
        make(mutant, patch)
        assert changed(before), "the mistake is in nothing that is looked at"
    assert changed(before) == []


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
