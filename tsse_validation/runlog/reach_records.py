"""The records of how far a run has reached: beside what both sides hold, and beside the run before."""

from datetime import date
from typing import Literal

from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.instants import Instant
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.record_base import Record


class JobCoverage(Record):
    """How far the controller's job has counted: `window` is what it was counted over, in slices.

    `covered` is the whole range that the lake promises. `sensors` were counted, of `known` in all (`None` where a
    part was asked for, or it could not be told: then it is no count of all). `surplus` are rows of the lake beyond
    those of Postgres that may be copies awaiting compaction (section 3).
    """

    record: Literal["job_coverage"] = "job_coverage"
    window: Window
    covered: Window
    sensors: int
    known: int | None = None
    rows: int
    slices: int
    posts: int
    surplus: int = 0


class ExtentSeen(Record):
    """What both sides hold, beside what is covered: the measure of how much was proven.

    `postgres_rows` are all rows of `metrics`; `exact` is false where they are an estimate. `unpromised_rows` are
    rows that the lake holds and no state promises, as earlier backfills brought them. `None` is not known.
    """

    record: Literal["extent"] = "extent"
    covered: Window
    postgres_rows: int | None = None
    exact: bool = True
    postgres_first: date | None = None
    postgres_last: date | None = None
    lake_dates: int | None = None
    lake_first: date | None = None
    lake_last: date | None = None
    unpromised_rows: int | None = None
    unpromised_dates: int | None = None


class EarlierRun(Record):
    """The last finished run of the same controller that compared rows: a measure for this one."""

    record: Literal["earlier_run"] = "earlier_run"
    run_id: str
    at: Instant
    outcome: str
    assurance: Assurance | None
    rows: int
    days: int
    first: date | None
    last: date | None
