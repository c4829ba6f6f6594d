from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import SECOND, WATERMARK, FakeClock, replication
from tsse_validation.clients.watch import ReplicationWatch
from tsse_validation.domain.contract import Replication
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
    state = watch.wait_until(lambda state: (state.computed_through_ts or WATERMARK) >= wanted, "It", 10.0)
    assert state.computed_through_ts == wanted
    assert clock.sleeps == [1.0, 1.0, 1.0]


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
def test_the_last_state_is_given_back_with_whether_it_is_as_wanted(
    seconds: int, reached: bool, clock: FakeClock
) -> None:
    began = clock.now
    wanted = WATERMARK + (began + seconds) * SECOND
    watch = ReplicationWatch(Advancing(clock), pause=1.0, clock=clock, sleep=clock.sleep)
    state, is_reached = watch.look_until(lambda state: state.computed_through_ts == wanted, 10.0)
    assert is_reached is reached
    assert state.computed_through_ts == WATERMARK + (began + min(seconds, 10)) * SECOND


def test_what_goes_wrong_while_looking_is_not_swallowed(clock: FakeClock) -> None:
    def broken() -> Replication:
        raise UnreachableError("gone")

    with pytest.raises(UnreachableError):
        ReplicationWatch(broken, pause=1.0, clock=clock, sleep=clock.sleep).wait_until(lambda _: True, "It", 5.0)
