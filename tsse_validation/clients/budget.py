"""The controller's POST budget, shared by every step of a run (contract section 3)."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from tsse_validation.domain.contract import POST_BURST, POST_REFILL_SECONDS

_ROUNDING = 1e-9
"""The part of a token that a sum of fractions may lack."""


class PostBudget:
    """Counts POSTs against a burst of 60 that refills by one every 20 seconds; `clock` is in seconds.

    The controller counts per client address, so that others on this host draw on the same budget. `refused` counts
    the 429s that came before we expected them; their `retry-after` then replaces our own count.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = float(POST_BURST)
        self._as_of = clock()
        self._not_before = clock()
        self._purposes: Counter[str] = Counter()
        self.refused = 0
        self.waited_seconds = 0.0

    @property
    def spent(self) -> int:
        """POSTs sent so far."""
        return self._purposes.total()

    @property
    def by_purpose(self) -> Mapping[str, int]:
        """POSTs sent so far, by purpose."""
        return dict(self._purposes)

    def available(self) -> int:
        """Return how many POSTs could be sent now without a wait."""
        with self._lock:
            self._refill()
            return 0 if self._clock() < self._not_before else int(self._tokens + _ROUNDING)

    def delay(self) -> float:
        """Return the seconds to wait before the next POST may be sent."""
        with self._lock:
            self._refill()
            for_token = max(0.0, (1.0 - self._tokens) * POST_REFILL_SECONDS)
            return max(for_token, self._not_before - self._clock(), 0.0)

    def spend(self, purpose: str) -> None:
        """Record that a POST is being sent."""
        with self._lock:
            self._refill()
            self._tokens -= 1.0
            self._purposes[purpose] += 1

    def was_refused(self, retry_after_seconds: float) -> None:
        """Record a 429: the budget is empty, and the controller says for how long."""
        with self._lock:
            self._refill()
            # there will be one when the controller says so, however much we thought was left
            self._tokens = 1.0 - retry_after_seconds / POST_REFILL_SECONDS
            self._not_before = self._clock() + retry_after_seconds
            self.refused += 1

    def waited(self, seconds: float) -> None:
        """Record a wait for the budget."""
        self.waited_seconds += seconds

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(float(POST_BURST), self._tokens + (now - self._as_of) / POST_REFILL_SECONDS)
        self._as_of = now
