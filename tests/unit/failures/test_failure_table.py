"""The table of failure scenarios, and the chance of each."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.failures import table
from tsse_validation.failures.scenario import LACKING, Ability, Chance, Group, Scenario
from tsse_validation.failures.table import SCENARIOS


def test_no_two_scenarios_have_a_key_and_no_two_a_title() -> None:
    rows = table._TABLES
    assert len(SCENARIOS) == len(rows)
    assert len({scenario.title for scenario in rows}) == len(rows)


def test_every_group_has_its_scenarios() -> None:
    assert {scenario.group for scenario in SCENARIOS.values()} == set(Group)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.key)
def test_a_scenario_is_a_sentence_with_a_key_that_k_can_choose(scenario: Scenario) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", scenario.key)
    assert re.fullmatch(r"[A-Z].+\.", scenario.title)
    assert bool(scenario.repaired_by) is (scenario.repair is not None)
    assert scenario.tries >= 1


def test_why_an_ability_may_be_lacking_is_told_of_each() -> None:
    assert LACKING.keys() == set(Ability)


@given(st.integers(0), st.sampled_from(sorted(SCENARIOS)), st.integers(0, 5))
def test_the_same_seed_scenario_and_try_have_the_same_moments(seed: int, key: str, attempt: int) -> None:
    one, other = Chance.of(seed, key, attempt), Chance.of(seed, key, attempt)
    assert [one.moment(1, 9) for _ in range(3)] == [other.moment(1, 9) for _ in range(3)]


def test_another_seed_or_scenario_has_other_moments() -> None:
    moments = {Chance.of(seed, key).moment(0, 1) for seed in range(20) for key in SCENARIOS}
    assert len(moments) == 20 * len(SCENARIOS)


@given(st.integers(0), st.integers(0, 6), st.floats(0, 100), st.floats(0, 100))
def test_each_further_try_halves_how_late_a_moment_may_be(
    seed: int, attempt: int, earliest: float, width: float
) -> None:
    moment = Chance.of(seed, "a-key", attempt).moment(earliest, earliest + width)
    assert earliest <= moment <= earliest + width / 2**attempt + 1e-9
