"""Waiting for replication, the controller's clock, and the budget of POSTs."""

from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import SECOND, WATERMARK, FakeClock, replication
from tests.support.clocks import frozen
from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.watch import SKEW_SECONDS, ControllerClock, ReplicationWatch
from tsse_validation.domain.contract import POST_BURST, POST_REFILL_SECONDS, Replication
from tsse_validation.domain.errors import DeadlineError, UnreachableError


class Advancing:
    """A replication whose watermark is as old as the clock says."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.looks = 0

    def __call__(self) -> Replication:
        self.looks += 1
        return replication(computed_through_ts=WATERMARK + timedelta(seconds=self.clock.now))


def test_a_state_that_is_as_wanted_is_returned_at_once(clock: FakeClock) -> None:
    watch = ReplicationWatch(replication, pause=1.0, clock=clock, sleep=clock.sleep)
    assert watch.wait_until(lambda _state: True, "It", 10.0) == replication()
    assert clock.sleeps == []


def test_the_first_state_that_is_as_wanted_is_returned(clock: FakeClock) -> None:
    read = Advancing(clock)
    wanted = WATERMARK + (clock.now + 3) * SECOND
    watch = ReplicationWatch(read, pause=1.0, clock=clock, sleep=clock.sleep)
    told = list[tuple[str, float]]()
    watch.told = lambda what, seconds: told.append((what, seconds))
    state = watch.wait_until(lambda state: (state.computed_through_ts or WATERMARK) >= wanted, "A mark,", 10.0)
    assert state.computed_through_ts == wanted
    assert clock.sleeps == [1.0, 1.0, 1.0]
    assert told == [("a mark", 10.0)]


@given(st.floats(0.1, 30.0), st.floats(0.1, 100.0))
def test_a_state_that_never_comes_is_given_up_at_the_deadline(pause: float, timeout: float) -> None:
    clock = FakeClock()
    began = clock.now
    watch = ReplicationWatch(Advancing(clock), pause=pause, clock=clock, sleep=clock.sleep)
    with pytest.raises(DeadlineError, match="The moon was not so within"):
        watch.wait_until(lambda _state: False, "The moon", timeout)
    assert clock.now - began == pytest.approx(timeout)
    assert all(slept <= pause for slept in clock.sleeps)


def test_the_state_is_looked_at_once_more_when_the_time_is_over(clock: FakeClock) -> None:
    read = Advancing(clock)
    wanted = WATERMARK + (clock.now + 5) * SECOND
    watch = ReplicationWatch(read, pause=20.0, clock=clock, sleep=clock.sleep)
    assert watch.wait_until(lambda state: state.computed_through_ts == wanted, "It", 5.0)
    assert (clock.sleeps, read.looks) == ([5.0], 2)


def test_no_time_at_all_still_allows_a_look(clock: FakeClock) -> None:
    watch = ReplicationWatch(replication, pause=1.0, clock=clock, sleep=clock.sleep)
    assert watch.wait_until(lambda state: state.last_run_status == "ok", "It", 0.0)


@pytest.mark.parametrize(("seconds", "reached"), [(3, True), (11, False)])
def test_the_last_state_is_told_with_whether_it_is_right(seconds: int, reached: bool, clock: FakeClock) -> None:
    began = clock.now
    wanted = WATERMARK + (began + seconds) * SECOND
    watch = ReplicationWatch(Advancing(clock), pause=1.0, clock=clock, sleep=clock.sleep)
    state, is_reached = watch.look_until(lambda state: state.computed_through_ts == wanted, "it", 10.0)
    assert is_reached is reached
    assert state.computed_through_ts == WATERMARK + (began + min(seconds, 10)) * SECOND


def test_what_goes_wrong_while_looking_is_not_swallowed(clock: FakeClock) -> None:
    def broken() -> Replication:
        raise UnreachableError("gone")

    with pytest.raises(UnreachableError):
        ReplicationWatch(broken, pause=1.0, clock=clock, sleep=clock.sleep).wait_until(lambda _: True, "It", 5.0)


OURS = WATERMARK.replace(microsecond=0)


def http_date(instant: datetime) -> str:
    return format_datetime(instant, usegmt=True)


@given(st.integers(-100_000, 100_000))
def test_an_offset_is_told_once_it_is_more_than_whole_seconds_can_hide(seconds: int) -> None:
    clock = ControllerClock(http_date(OURS + timedelta(seconds=seconds)), lambda: OURS)
    assert clock.skewed == (abs(seconds) > SKEW_SECONDS)
    assert clock.now() == OURS + timedelta(seconds=seconds if clock.skewed else 0)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "yesterday",
        "Sat, 24 Jan 2026",
        "Sat, 24 Jan 2026 16:29:48 -0000",
        "Sat, 99 Jan 2026 16:29:48 GMT",
    ],
)
def test_without_a_date_that_can_be_read_our_own_clock_stands(header: str | None) -> None:
    clock = ControllerClock(header, lambda: OURS)
    assert not clock.skewed
    assert clock.now() == OURS


@given(
    st.text(max_size=40) | st.from_regex(r"\w{3}, \d{1,2} Jan \d{1,5} \d\d:\d\d:\d\d [+-]\d{4}", fullmatch=True)
)
def test_no_header_breaks_the_clock(header: str) -> None:
    assert ControllerClock(header, lambda: OURS).now().tzinfo is not None


def test_an_age_is_measured_by_the_controllers_clock() -> None:
    clock = ControllerClock(http_date(OURS + timedelta(hours=1)), lambda: OURS)
    assert clock.age_seconds(OURS) == 3600
    assert clock.age_seconds(OURS + timedelta(hours=2)) == -3600


def test_what_is_not_known_is_infinitely_old() -> None:
    assert ControllerClock(None, lambda: OURS).age_seconds(None) == float("inf")


@frozen(OURS)
def test_our_own_clock_is_the_present() -> None:
    assert ControllerClock(None).now() == OURS


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
