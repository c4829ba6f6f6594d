"""What the conformance tests need done to a controller's database and lake, which only a test bed may do."""

from contextlib import AbstractContextManager
from typing import Protocol

from tsse_validation.conformance.exchanges import Bearer
from tsse_validation.conformance.jobs import Fault, Surroundings


class Bench(Protocol):
    """Where a stack of our own is prepared, broken and made whole again, past its API."""

    def register(self, token: Bearer, secret: str) -> None:
        """Put a token of a kind into the database (contract section 2)."""

    def add_events(self, job_id: str, number: int) -> None:
        """Append events to those that a job has."""

    def look_around(self) -> Surroundings:
        """Find out what jobs can be run on, once replication has brought a row of the last hour.

        Raises:
            NotCheckedError: replication does not run, or no sensor has a row in the hour before the watermark.

        """

    def broken(self, fault: Fault, around: Surroundings) -> AbstractContextManager[None]:
        """Break something for as long as the block lasts."""
