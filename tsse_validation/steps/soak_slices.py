"""What a soak's comparisons of rows have shown so far; what could not be read is told once, and tried again."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from tsse_validation.domain.errors import LogError, SuiteError, TriagedError
from tsse_validation.runlog.soak_records import SoakSlice

SliceKind: TypeAlias = Literal["due", "old_day", "since_start", "whole_range"]


class SoakProver(Protocol):
    """Compares rows while a soak goes on, and records what it finds: slices, differences, findings.

    `through` is a watermark that was read just before. Each call returns its slice, or `None` where there was
    nothing to compare.

    Raises SuiteError when Postgres or the lake cannot be read: nothing counts as compared then, and the next call
    covers it.
    """

    @property
    def diagnoses(self) -> Collection[str]:
        """The diagnoses of the findings so far that speak against the release."""

    def newly_due(self, through: datetime) -> SoakSlice | None:
        """Compare what was inserted since the last call, with an overlap for late commits, up to `through`."""

    def old_day(self, through: datetime) -> SoakSlice | None:
        """Compare a whole old day, drawn at random, by digest."""

    def since_start(self, through: datetime) -> SoakSlice | None:
        """Compare once more all that was inserted since the soak began."""

    def whole_range(self) -> SoakSlice | None:
        """Compare every covered row once more."""


@dataclass
class KindProven:
    """The slices of one kind so far; `unread` says why the last could not be compared, or nothing."""

    slices: int = 0
    rows: int = 0
    new_rows: int = 0
    differing: int = 0
    unread: str = ""
    triaged: TriagedError | None = None


class SlicesProven:
    """Asks a prover, and survives what cannot be read.

    Without a prover nothing is compared, and `without` says why there is none. `tell` takes the kind of an event
    and its text.
    """

    def __init__(
        self,
        prover: SoakProver | None,
        tell: Callable[[Literal["postgres_lost", "postgres_back"], str], object],
        without: str = "",
    ) -> None:
        self.prover, self.without = prover, without
        self._tell = tell
        self._lost = False
        self.of: dict[SliceKind, KindProven] = {
            "due": KindProven(),
            "old_day": KindProven(),
            "since_start": KindProven(),
            "whole_range": KindProven(),
        }

    def newly_due(self, through: datetime) -> bool:
        """Compare what became due; return whether that could be done."""
        return self._ask("due", lambda prover: prover.newly_due(through))

    def old_day(self, through: datetime) -> bool:
        """Compare an old day; returns as `newly_due`."""
        return self._ask("old_day", lambda prover: prover.old_day(through))

    def since_start(self, through: datetime) -> bool:
        """Compare all that became due; returns as `newly_due`."""
        return self._ask("since_start", lambda prover: prover.since_start(through))

    def whole_range(self) -> bool:
        """Compare every covered row; returns as `newly_due`."""
        return self._ask("whole_range", lambda prover: prover.whole_range())

    def _ask(self, kind: SliceKind, compare: Callable[[SoakProver], SoakSlice | None]) -> bool:
        if self.prover is None:
            return False
        so_far = self.of[kind]
        try:
            found = compare(self.prover)
        except LogError:
            raise
        except TriagedError as error:
            so_far.triaged = so_far.triaged or error
            return True
        except SuiteError as error:
            so_far.unread = error.message
            if not self._lost:
                self._lost = True
                self._tell("postgres_lost", f"rows could not be compared: {error.message}")
            return False
        so_far.unread = ""
        if self._lost:
            self._lost = False
            self._tell("postgres_back", "rows can be compared again")
        if found is not None:
            so_far.slices += 1
            so_far.rows += found.rows
            so_far.new_rows += found.new_rows
            so_far.differing += found.differing
        return True
