"""The record of what a run has taken of Postgres."""

from typing import Literal

from tsse_validation.runlog.record_base import Record


class SessionsUsed(Record):
    """The run's use of Postgres: how long its longest transaction took, and waited for us, in seconds.

    `locks_most` counts the tables and indexes that one transaction had locked, `tries_again` the pieces that a
    lock or the time had held up.
    """

    record: Literal["sessions"] = "sessions"
    transactions: int
    longest_seconds: float
    idle_longest_seconds: float
    locks_most: int
    tries_again: int
