import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import FakeClock
from tsse_validation.clients.budget import PostBudget
from tsse_validation.domain.contract import POST_BURST, POST_REFILL_SECONDS

# whole quarters of a second, so that the oracle's sums are exact
STEPS = st.lists(st.integers(0, 400).map(lambda quarters: quarters / 4), max_size=200)


def test_a_fresh_budget_holds_a_burst_and_asks_for_no_wait(clock: FakeClock) -> None:
    budget = PostBudget(clock)
    assert (budget.available(), budget.delay(), budget.spent, budget.refused) == (POST_BURST, 0.0, 0, 0)


def test_after_the_burst_one_more_needs_a_refill(clock: FakeClock) -> None:
    budget = PostBudget(clock)
    for _ in range(POST_BURST):
        assert budget.delay() == 0.0
        budget.spend("parity")
    assert (budget.available(), budget.delay()) == (0, POST_REFILL_SECONDS)
    clock.now += POST_REFILL_SECONDS / 2
    assert (budget.available(), budget.delay()) == (0, POST_REFILL_SECONDS / 2)
    clock.now += POST_REFILL_SECONDS / 2
    assert (budget.available(), budget.delay()) == (1, 0.0)


def test_an_idle_budget_never_holds_more_than_a_burst(clock: FakeClock) -> None:
    budget = PostBudget(clock)
    clock.now += 1_000_000
    assert budget.available() == POST_BURST


@given(STEPS)
def test_no_span_of_time_sees_more_posts_than_a_burst_and_its_refill(idle: list[float]) -> None:
    clock = FakeClock()
    budget = PostBudget(clock)
    sent: list[float] = []
    for seconds in idle:
        clock.now += seconds
        clock.sleep(budget.delay())
        budget.spend("windows")
        sent.append(clock.now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            allowed = POST_BURST + (sent[last] - sent[first]) / POST_REFILL_SECONDS
            assert last - first + 1 <= allowed + 1e-6


@given(st.integers(0, POST_BURST))
def test_what_is_left_and_what_was_spent_are_the_burst(posts: int) -> None:
    budget = PostBudget(FakeClock())
    for _ in range(posts):
        budget.spend("inspect")
    assert budget.available() + budget.spent == POST_BURST


def test_posts_are_told_by_what_they_were_for(clock: FakeClock) -> None:
    budget = PostBudget(clock)
    for purpose in ("inspect", "parity", "inspect"):
        budget.spend(purpose)
    assert budget.by_purpose == {"inspect": 2, "parity": 1}
    assert budget.spent == 3


@pytest.mark.parametrize("seconds", [7.0, 300.0])
def test_a_refusal_empties_the_budget_for_the_time_it_names(seconds: float, clock: FakeClock) -> None:
    budget = PostBudget(clock)
    budget.was_refused(seconds)
    assert (budget.refused, budget.available()) == (1, 0)
    assert budget.delay() == pytest.approx(seconds)
    clock.now += seconds - 1.0
    assert budget.available() == 0
    assert budget.delay() == pytest.approx(1.0)
    clock.now += 1.0
    assert budget.delay() == pytest.approx(0.0)
    assert budget.available() == 1


def test_waits_add_up(clock: FakeClock) -> None:
    budget = PostBudget(clock)
    budget.waited(1.5)
    budget.waited(2.0)
    assert budget.waited_seconds == 3.5
