"""Each mistake that only a failure shows is seen by the scenario for it, and nothing where there is none."""

from collections.abc import Iterator

import pytest

from tests.system.failures.matrix import HONEST_NAME, PATH, REMAKE, MatrixLine, lines_of, render
from tests.system.failures.mutants import FAILURE_MUTANTS
from tests.system.failures.trials import Trials, trials
from tsse_validation.failures.table import SCENARIOS
from tsse_validation.settings.definitions import Settings

WATCHERS = list(dict.fromkeys(key for mutant in FAILURE_MUTANTS.values() for key in mutant.seen_by))
PAIRS = [(name, key) for name, mutant in FAILURE_MUTANTS.items() for key in mutant.seen_by]


@pytest.fixture(scope="module")
def committed() -> dict[tuple[str, str], MatrixLine]:
    return lines_of(PATH.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def arena() -> Iterator[Trials]:
    with trials(Settings().failure_seed) as lent:
        yield lent


@pytest.mark.slow
@pytest.mark.parametrize(("mistake", "scenario"), PAIRS)
def test_a_mistake_is_seen_by_the_scenario_that_is_for_it(mistake: str, scenario: str, arena: Trials) -> None:
    (tried,) = arena.tried(mistake, [scenario])
    assert tried.outcome == "lost", tried


@pytest.mark.slow
@pytest.mark.parametrize("scenario", WATCHERS)
def test_a_controller_without_a_mistake_recovers_from_the_same(scenario: str, arena: Trials) -> None:
    (tried,) = arena.tried(None, [scenario])
    assert tried.outcome == "recovered", tried


def test_the_matrix_has_every_mistake_seen_and_no_false_alarm(
    committed: dict[tuple[str, str], MatrixLine],
) -> None:
    for pair in PAIRS:
        assert committed[pair].outcome == "lost", f"the matrix is out of date: {REMAKE}"
    for scenario in WATCHERS:
        assert committed[HONEST_NAME, scenario].outcome == "recovered", f"the matrix is out of date: {REMAKE}"


def test_every_mistake_has_a_scenario_of_the_table() -> None:
    assert all(mutant.seen_by for mutant in FAILURE_MUTANTS.values())
    assert set(WATCHERS) <= set(SCENARIOS)


def test_the_page_is_what_its_own_lines_make(committed: dict[tuple[str, str], MatrixLine]) -> None:
    assert render(committed.values()) == PATH.read_text(encoding="utf-8")
