"""The controller's clock over hours: it drifts, is set, and our own machine may sleep meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tsse_validation.clients.watch import ControllerClock
from tsse_validation.domain.soak_tally import SLEPT_SECONDS


@dataclass(frozen=True)
class ClockMove:
    """What a look at the clocks has shown, in seconds: how long we slept, by how much the controller's was set."""

    slept: float = 0.0
    moved: float = 0.0


class SoakClock:
    """The present by the controller's clock: read now and then, and counted on by ours between.

    `wall` is our clock, which somebody may set. `monotonic` is in seconds, and stands still while we sleep. `date`
    is the `Date` header of an answer that has just come.
    """

    def __init__(self, date: str | None, wall: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._offset = ControllerClock(date, wall).offset_seconds
        self._known = date is not None
        self._set_at_wall, self._set_at = wall(), monotonic()

    @property
    def offset_seconds(self) -> float:
        """By how much the controller's clock was ahead of ours when it was last read."""
        return self._offset

    def awake(self) -> float:
        """Return seconds that stand still while our machine sleeps."""
        return self._monotonic()

    def now(self) -> datetime:
        """Return the present by the controller's clock."""
        since = self._monotonic() - self._set_at
        return self._set_at_wall + timedelta(seconds=self._offset + since)

    def jumped(self) -> bool:
        """Whether our clock has gone on otherwise than time did: we slept, or somebody set it."""
        return abs(self._jump()) > SLEPT_SECONDS

    def read(self, date: str | None) -> ClockMove:
        """Set the present anew by an answer's `Date`; `None` where nobody answers and our clock has to do."""
        expected, jump = self.now(), self._jump()
        if date is not None:
            self._offset = ControllerClock(date, self._wall).offset_seconds
        self._set_at_wall, self._set_at = self._wall(), self._monotonic()
        on = (self.now() - expected).total_seconds()
        first, self._known = date is not None and not self._known, self._known or date is not None
        if first or abs(on) <= SLEPT_SECONDS:
            return ClockMove()
        # both have gone on without us; where only the controller's has, it was set
        return ClockMove(slept=on) if jump > SLEPT_SECONDS and on > 0 else ClockMove(moved=on)

    def _jump(self) -> float:
        passed = (self._wall() - self._set_at_wall).total_seconds()
        return passed - (self._monotonic() - self._set_at)
