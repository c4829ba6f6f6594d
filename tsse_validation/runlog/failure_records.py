"""The record of a failure scenario: how our own stack was struck, and whether its lake was whole afterwards."""

from typing import Literal, NamedTuple

from tsse_validation.domain.instants import Instant
from tsse_validation.runlog.record_base import Record


class FailureDiagnosis(NamedTuple):
    """What triage makes of the rows that a failure has cost."""

    diagnosis: str
    summary: str
    rows: int


class FailureTried(Record):
    """One scenario. `seed` repeats it.

    `outcome`: after `recovered` every due row is in the lake once, and nothing else was touched; `lost`: that is
    not so; `not_tried`: the scenario could not be set up here, or struck nothing, which proves nothing. `struck`
    is the moment of the strike in words, `struck_at` in time. `recovered_seconds` is from the strike to the end of
    the last proof. `repaired_by` is what the runbook tells for such a failure, where that was done, and
    `before_repair` what was missing until then. `diagnoses` tell of what was still missing at the end. `touched`
    names files that were not to be touched.
    """

    record: Literal["failure"] = "failure"
    scenario: str
    group: str
    title: str
    seed: int
    outcome: Literal["recovered", "lost", "not_tried"]
    struck: str = ""
    struck_at: Instant | None = None
    recovered_seconds: float | None = None
    rows: int = 0
    differing: int = 0
    diagnoses: tuple[FailureDiagnosis, ...] = ()
    repaired_by: str = ""
    before_repair: tuple[FailureDiagnosis, ...] = ()
    touched: tuple[str, ...] = ()
    message: str = ""
