"""The record of what was compared outside of the covered range."""

from datetime import date
from typing import Literal, NamedTuple

from tsse_validation.domain.instants import Instant
from tsse_validation.runlog.record_base import Record


class BeyondDate(NamedTuple):
    """One date outside of the covered range: the rows of it that were compared, on both sides."""

    day: date
    postgres: int
    lake: int
    matches: bool


class BeyondCompared(Record):
    """What was compared outside of the covered range, by digest or one by one (`level`), and the rows that differ.

    Promised there is each row that was inserted after `since`, the backfill's target, up to `watermark`. `cover`
    is `lake` where every other row of the lake's dates was compared, too.
    """

    record: Literal["beyond_compared"] = "beyond_compared"
    level: str
    cover: str
    since: Instant
    watermark: Instant
    rows: int
    sensors: int
    dates: tuple[BeyondDate, ...] = ()
    differing: int
    not_due: int
    pending: int
