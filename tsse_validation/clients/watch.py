"""Waits for replication to reach a state, and reads the controller's clock."""

import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import repeat

from tsse_validation.domain.contract import Replication
from tsse_validation.domain.errors import DeadlineError
from tsse_validation.domain.instants import require_utc, utc_now
from tsse_validation.domain.polling import Told, looks, unheard

DIRECT_PAUSE_SECONDS = 1.0
API_PAUSE_SECONDS = 20.0
"""Each look by the API is a job: at this pace the POST budget refills as fast as it is spent (section 3)."""
STANDS_STILL = "Is replication running? Look at last_run_at and the controller's log."
"""The advice when a state is not reached."""


@dataclass
class ReplicationWatch:
    """Polls the replication state; `pause` is in seconds, and `told` hears of each wait."""

    read: Callable[[], Replication]
    _: KW_ONLY
    pause: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    told: Told = unheard

    def wait_until(self, reached: Callable[[Replication], bool], what: str, timeout: float) -> Replication:
        """Return the first state that is as wanted; raises DeadlineError with `what` after `timeout` seconds."""
        state, is_reached = self.look_until(reached, what[:1].lower() + what[1:].rstrip(","), timeout)
        if not is_reached:
            msg = f"{what} was not so within {timeout:.0f} s."
            raise DeadlineError(msg, STANDS_STILL)
        return state

    def look_until(
        self, reached: Callable[[Replication], bool], what: str, timeout: float
    ) -> tuple[Replication, bool]:
        """Return the first state that is as wanted, or the last within `timeout` seconds; and whether it is."""
        pauses = repeat(self.pause)
        first = True
        for state in looks(self.read, timeout=timeout, pauses=pauses, clock=self.clock, sleep=self.sleep):
            if reached(state):
                return state, True
            if first:
                self.told(what, timeout)
            first = False
        return state, False


SKEW_SECONDS = 2.0
"""An HTTP `Date` has whole seconds: a smaller skew cannot be measured."""


class ControllerClock:
    """Our clock, corrected by the `Date` header of an answer, if there is one."""

    def __init__(self, date_header: str | None, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self.offset_seconds = 0.0
        if date_header is not None:
            try:
                theirs = require_utc(parsedate_to_datetime(date_header))
            except ValueError:
                return
            offset = (theirs - now()).total_seconds()
            if abs(offset) > SKEW_SECONDS:
                self.offset_seconds = offset

    @property
    def skewed(self) -> bool:
        """Whether the controller's clock is off ours by more than can be measured wrongly."""
        return self.offset_seconds != 0.0

    def now(self) -> datetime:
        """Return the present by the controller's clock."""
        return self._now() + timedelta(seconds=self.offset_seconds)

    def age_seconds(self, instant: datetime | None) -> float:
        """Return how long ago an instant was; infinitely long when it is not known."""
        return float("inf") if instant is None else (self.now() - instant).total_seconds()
