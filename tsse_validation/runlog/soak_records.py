"""The records of a soak: what was sampled, what was proven meanwhile, and what went wrong (contract section 6).

Instants are UTC by the controller's clock, durations are seconds.
"""

from collections.abc import Mapping
from datetime import date
from typing import Literal

from pydantic import Field

from tsse_validation.domain.instants import Instant
from tsse_validation.runlog.record_base import Record

SampleSource = Literal["state_file", "inspection"]


class SoakBegan(Record):
    """A soak begins: how long it was asked to last, the limit of the age, and the pause between two samples.

    `earlier_run` is the run whose soak is gone on with, or empty.
    """

    record: Literal["soak_began"] = "soak_began"
    at: Instant
    asked_seconds: float
    limit_seconds: float
    source: SampleSource
    pace_seconds: float
    earlier_run: str = ""


class SoakSample(Record):
    """The watermark at one moment. `stands_for` samples were taken; of those thinned out the extremes stay."""

    record: Literal["soak_sample"] = "soak_sample"
    at: Instant
    source: SampleSource
    watermark: Instant | None
    age_seconds: float | None
    backlog_seconds: float | None
    stands_for: int = 1


class SoakGap(Record):
    """A time that no sample proves anything of: the age may have been up to `age_at_most_seconds` then."""

    record: Literal["soak_gap"] = "soak_gap"
    start: Instant
    end: Instant
    why: Literal["asleep", "unanswered", "waited"]
    age_at_most_seconds: float | None
    text: str = ""


class SoakBreach(Record):
    """The watermark was older than the limit: from the first such sample on, until the first that was not.

    `end` is `None` while it lasts; a later record with the same `start` takes the place of an earlier one. `seen`
    is what else was seen then: a job that ran, a restart.
    """

    record: Literal["soak_breach"] = "soak_breach"
    start: Instant
    end: Instant | None
    worst_seconds: float
    worst_at: Instant
    seen: tuple[str, ...] = ()


class SoakEvent(Record):
    """Something that was seen beside the watermark; it alone is no fault."""

    record: Literal["soak_event"] = "soak_event"
    at: Instant
    kind: Literal[
        "connection_lost",
        "connection_back",
        "restart",
        "job_vanished",
        "job_running",
        "state_went_back",
        "clock_set",
        "temporary_files",
        "file_counts",
        "postgres_lost",
        "postgres_back",
    ]
    text: str


class SoakSlice(Record):
    """Rows that were compared in the soak, row by row or by digest.

    `differing` of them differ, and no slice of the same kind has counted them before: slices overlap.

    `due`: what was inserted after `since` and up to `through`, wherever its `ts` lies. `old_day`: the covered rows
    of `day`. `since_start`: as `due`, of the whole soak at its end. `whole_range`: every covered row, at its end.
    `stands_for` slices were compared; those thinned out were without a difference. `since`, `rows`, `new_rows` and
    `seconds` are of all of them, what else is said of the last.
    """

    record: Literal["soak_slice"] = "soak_slice"
    at: Instant
    kind: Literal["due", "old_day", "since_start", "whole_range"]
    since: Instant | None
    through: Instant
    day: date | None = None
    rows: int
    new_rows: int
    """Of what became due: the rows that no slice before it has compared."""
    sensors: int
    differing: int
    not_due: int = 0
    seconds: float
    stands_for: int = 1


class SoakFiles(Record):
    """The lake's files at one moment; `temporary` is `None` where the files could not be listed."""

    record: Literal["soak_files"] = "soak_files"
    at: Instant
    files: int
    most_in_a_shard_day: int
    temporary: int | None


class SoakSeen(Record):
    """What a soak rests on so far; the last such record counts.

    `seconds` is from its start, `proven_seconds` what samples prove of it, and of an earlier run's soak that it
    went on with. Ages are of the samples: their most, and percentiles. `ages` counts the samples by age in whole
    seconds. `ended` says how it ended, and is empty while it lasts.
    """

    record: Literal["soak_seen"] = "soak_seen"
    at: Instant
    asked_seconds: float
    seconds: float
    proven_seconds: float
    samples: int
    longest_gap_seconds: float
    age_max_seconds: float | None
    age_max_at: Instant | None
    age_p50_seconds: float | None
    age_p95_seconds: float | None
    age_p99_seconds: float | None
    backlog_max_seconds: float | None
    ages: Mapping[int, int] = Field(default_factory=dict)
    breaches: int
    rows_proven: int
    slices: int
    old_days: int
    ended: Literal["", "completed", "interrupted"] = ""
