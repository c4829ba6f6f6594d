"""What a failure scenario is: data, with the functions that strike and repair; pure."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import utc_now
from tsse_validation.failures.arena import Arena


class Group(StrEnum):
    """What is struck; the report lists the scenarios by it."""

    CONTROLLER = "controller"
    JOBS = "jobs"
    POSTGRES = "postgres"
    LAKE = "lake"
    CLOCKS = "clocks"
    LOAD = "load"


class Ability(StrEnum):
    """What an arena can do beyond what each can; `ABILITIES` says why one may lack it."""

    SIGNALS = "signals"
    POSTGRES_SERVER = "postgres server"


LACKING: Mapping[Ability, str] = {
    Ability.SIGNALS: "this stack's controller cannot be sent a signal from here",
    Ability.POSTGRES_SERVER: "the Postgres server is not this run's own, and is not restarted",
}
"""Why a scenario that needs an ability is not tried."""


class MissedError(NotCheckedError):
    """The strike met nothing, as a job that had ended before: it is tried again with an earlier moment."""


@dataclass(frozen=True)
class Struck:
    """What a strike has done: the moment in words and in time.

    `touches` are the dates whose files the scenario may change or remove; what replication, compaction and
    retention do elsewhere is told by the files themselves. `empties` are the dates that the contract lets stand
    empty, or in part, until the scenario's repair has run. `by_design` explains in a sentence what the contract
    lets a failure of this kind do (section 3). A backfill's first date loses its head: that, the proof
    leaves out by itself.
    """

    moment: str
    at: datetime = field(default_factory=utc_now)
    touches: frozenset[date] = frozenset()
    empties: frozenset[date] = frozenset()
    by_design: str = ""


@dataclass(frozen=True)
class Chance:
    """What is random in one try of a scenario: `rng` is of the seed, the scenario and the try alone.

    A try after a strike that met nothing has a greater `attempt`, and its moments are earlier.
    """

    rng: random.Random
    attempt: int = 0

    @classmethod
    def of(cls, seed: int, key: str, attempt: int = 0) -> "Chance":
        """Return the chance of one try: the same for the same seed, scenario and try."""
        return cls(random.Random(f"{seed}:{key}:{attempt}"), attempt)  # noqa: S311 - moments, not secrets

    def moment(self, earliest: float, latest: float) -> float:
        """Return a random moment in seconds; each further try halves how late it may be."""
        return earliest + (latest - earliest) * self.rng.random() / (1 << self.attempt)

    def day(self, dates: Sequence[object]) -> int:
        """Return after how many of a backfill's dates it is struck: earlier on each further try."""
        return self.rng.randrange(1, max(2, len(dates) - 3 - 2 * self.attempt))


def nothing(_arena: Arena, _struck: Struck) -> None:
    """Do nothing more: what is down is started by the run itself."""


@dataclass(frozen=True)
class Scenario:
    """One failure: a row of the table.

    `title` is a sentence that a runbook could contain. `prepare` sets the stage on the restored stack; the lake is
    proven whole after it. `strike` then does the harm, and raises `MissedError` where it met nothing. `recover`
    does what an operator does beyond starting what is down: as a rule nothing. Where the contract lets a failure
    leave dates empty, `repair` does what the runbook tells for that, and `repaired_by` says it in words: the lake
    is then proven twice, before the repair and after it.
    """

    key: str
    group: Group
    title: str
    strike: Callable[[Arena, Chance], Struck]
    needs: frozenset[Ability] = frozenset()
    prepare: Callable[[Arena], object] = lambda _arena: None
    recover: Callable[[Arena, Struck], object] = nothing
    repair: Callable[[Arena, Struck], object] | None = None
    repaired_by: str = ""
    tries: int = 4
