"""The controller's clock: a watermark is judged by it, not by ours."""

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from tsse_validation.domain.instants import require_utc, utc_now

SKEW_SECONDS = 2.0
"""An HTTP `Date` has whole seconds: less than this is no skew that can be told."""


class ControllerClock:
    """Our clock, set right by the `Date` header of an answer; ours unchanged where there is none."""

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
