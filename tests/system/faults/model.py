"""An entry of the catalogue: where a fault is planted and what must tell of it; and its harmless twin."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tests.support.controller import Controller
from tsse_validation.domain.outcome import Outcome

HASTE = ("--poll-interval=0.25", "--max-windows=7", "--max-job-windows=0")
"""Windows that meet a fault are narrowed down, or wait for the watermark: few of them."""
LOOK_ONLY = (*HASTE, "--skip-backfill")
"""A backfill would heal most faults."""
WITH_BACKFILL = (*HASTE, "--backfill-days=11")
"""For what only a backfill does wrong; a day more than the lake has, so that its first date is not cut."""
IN_FULL = ("--poll-interval=0.25", "--max-windows=14", "--max-job-windows=6")
"""What a verdict of GO needs."""

DIGESTS = "counts_agree_for_every_sensor_and_day"
COUNTS = "counts_agree_for_every_sensor"
ROWS = "every_due_row_is_in_the_lake_unchanged"
BEYOND = "due_rows_beyond_the_window_are_in_the_lake"
WINDOWS = "random_windows_agree_by_direct_count"
DATES = "dates_with_rows_have_partitions_and_no_others"
SPOT = "parity_job_finds_no_mismatch"
SPOT_AND_OURS = "parity_job_counts_as_we_do"
CHANGED = (DIGESTS, ROWS)
"""Red where rows differ and their number does not."""
OURS = (COUNTS, DIGESTS, ROWS)
"""Red where rows are missing or too many and the controller's own job does not see it."""
LOST = (*OURS, SPOT)
"""Red where rows are missing or too many."""
BY_COUNTS = ("--require=counts",)
"""What a run that has the API alone must be told, to be GO."""

Plant = Callable[[Controller], object]
Front = Callable[[Controller], AbstractContextManager[str]]


class Place(StrEnum):
    """Where a fault is planted."""

    LAKE = "lake files"
    STATE = "state files"
    LOGIC = "replication logic"
    API = "API"
    DATABASE = "database"


def nothing(_controller: Controller) -> None:
    """Plant nothing: what is wrong is the controller itself."""


@contextmanager
def itself(controller: Controller) -> Iterator[str]:
    """Lend the controller's own address, with nothing in front of it."""
    yield controller.url


@dataclass(frozen=True)
class Fault:
    """One fault.

    `red` are all checks that end red but the drawn windows, which meet it or do not. `says` are words that a red
    check's message must have. `diagnosis` are the flagged findings, all of them. A `mutant` of the reference
    controller takes the controller's place before `plant` is called, and `front` stands between it and the run.
    With `by_api` the run has nothing but the API.
    """

    name: str
    place: Place
    models: str
    red: tuple[str, ...]
    plant: Plant = nothing
    diagnosis: tuple[str, ...] = ()
    says: Mapping[str, str] = field(default_factory=dict)
    verdict: Outcome = Outcome.NO_GO
    arguments: tuple[str, ...] = LOOK_ONLY
    mutant: str | None = None
    front: Front = itself
    by_api: bool = False

    def told(self, *diagnosis: str, says: str = "", by: str = "") -> "Fault":
        """Return it with the findings that tell of it, and words of a check, by default the first red one."""
        return replace(self, diagnosis=diagnosis, says={by or self.red[0]: says} if says else {})


@dataclass(frozen=True)
class Benign:
    """What looks odd and is no fault: the run must be GO, and flag nothing.

    Where `options` are given, the controller is started with them, a module first, before `plant` is called;
    `during` goes on beside the run. `explained` are findings that the
    run must have, not flagged: what it has met. With `by_api` it has nothing but the API.
    """

    name: str
    models: str
    plant: Plant = nothing
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    during: Front = itself
    explained: tuple[str, ...] = ()
    by_api: bool = False

    def by(self, plant: Plant) -> "Benign":
        """Return it with what is done before the run."""
        return replace(self, plant=plant)
