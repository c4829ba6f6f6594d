"""One sensor's counts by the controller's job, and whether lateness explains what differs in them: pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class JobCount:
    """One sensor's counts by the controller's job, in one round."""

    sensor_id: str
    postgres: int
    lake: int


def unexplained_by_lateness(first: Sequence[JobCount], second: Sequence[JobCount]) -> list[JobCount]:
    """Return the sensors whose mismatch late arrivals cannot explain.

    `second` was counted over the same window after the watermark had passed the time of `first`. Every row that
    `first` saw in Postgres was inserted before that, so the lake must hold it by now, and nothing but rows of
    Postgres: ``first.postgres ≤ second.lake ≤ second.postgres``. New late arrivals raise only the right side.
    """
    before = {count.sensor_id: count.postgres for count in first}
    return [
        count
        for count in second
        if not before.get(count.sensor_id, count.postgres) <= count.lake <= count.postgres
    ]
