"""Step 9, soak: the watermark is watched for hours, and what newly became due is proven meanwhile (section 6)."""

from datetime import datetime
from typing import Protocol

from tsse_validation.runlog.soak_records import SoakSlice


class SoakProver(Protocol):
    """Compares rows while a soak goes on, and records what it finds: slices, differences, findings.

    `through` is a watermark that was read just before. Each call returns its slice, or `None` where there was
    nothing to compare.

    Raises SuiteError when Postgres or the lake cannot be read: nothing counts as compared then, and the next call
    covers it.
    """

    def newly_due(self, through: datetime) -> SoakSlice | None:
        """Compare what was inserted since the last call, with an overlap for late commits, up to `through`."""

    def old_day(self, through: datetime) -> SoakSlice | None:
        """Compare a whole old day, drawn at random, by digest."""

    def since_start(self, through: datetime) -> SoakSlice | None:
        """Compare once more all that was inserted since the soak began."""

    def whole_range(self) -> SoakSlice | None:
        """Compare every covered row once more."""
