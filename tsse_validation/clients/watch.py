"""Waits for replication to reach a state: polls under a deadline, and never sleeps blindly."""

import time
from collections.abc import Callable

from tsse_validation.domain.contract import Replication
from tsse_validation.domain.errors import DeadlineError
from tsse_validation.domain.polling import poll

DIRECT_PAUSE_SECONDS = 1.0
API_PAUSE_SECONDS = 20.0
"""Each look by the API is a job: at this pace the POST budget refills as fast as it is spent (section 3)."""
STANDS_STILL = "Is replication running? Look at last_run_at and the controller's log."
"""What to do where a state is not reached."""


class ReplicationWatch:
    """Looks at the replication state again and again; `pause` is in seconds."""

    def __init__(
        self,
        read: Callable[[], Replication],
        *,
        pause: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.read = read
        self._pause = pause
        self._clock = clock
        self._sleep = sleep

    def wait_until(self, reached: Callable[[Replication], bool], what: str, timeout: float) -> Replication:
        """Return the first state that is as wanted.

        Raises:
            DeadlineError: none was within `timeout` seconds; `what` names the state in the message.
        """
        state, is_reached = self.look_until(reached, timeout)
        if not is_reached:
            msg = f"{what} was not so within {timeout:.0f} s."
            raise DeadlineError(msg, STANDS_STILL)
        return state

    def look_until(self, reached: Callable[[Replication], bool], timeout: float) -> tuple[Replication, bool]:
        """Return the first state that is as wanted, or the last within `timeout` seconds; and whether it is."""
        state = poll(self.read, reached, timeout=timeout, pause=self._pause, clock=self._clock, sleep=self._sleep)
        return state, reached(state)
