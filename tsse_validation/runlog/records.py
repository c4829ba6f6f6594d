"""The records of a run log: one JSON object a line, written at once.

The log is the only source of the verdict and of every report. The log of a run that crashed still holds what was
proven, and what was planned but did not run. `RunResult.from_log` reads it back.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from tsse_validation.domain.contract import Replication
from tsse_validation.domain.instants import Instant
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.beyond_record import BeyondCompared
from tsse_validation.runlog.record_base import Record as Record  # noqa: PLC0414 - whoever writes records takes them from here

SCHEMA_VERSION = 1


class CheckStatus(StrEnum):
    """The status of a check. Only `passed` and `warned` prove anything."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    UNPROVEN = "unproven"
    BLOCKED = "blocked"
    NOT_CHECKED = "not_checked"

    @property
    def proven(self) -> bool:
        """Whether the check has proven what it states."""
        return self in {CheckStatus.PASSED, CheckStatus.WARNED}


class SettingValue(Record):
    """One setting and its source; never a secret's value."""

    name: str
    value: str
    source: str


class RunStarted(Record):
    """The first line of a log."""

    record: Literal["run_started"] = "run_started"
    schema_version: int = SCHEMA_VERSION
    run_id: str
    at: Instant
    suite_version: str
    settings: tuple[SettingValue, ...] = ()
    environment: Mapping[str, str] = Field(default_factory=dict)


class StackComponent(Record):
    """One service of the stack; the description says if it is a stand-in."""

    name: str
    description: str
    version: str = ""


class StackDescribed(Record):
    """The stack under validation, and the reason for each capability that is `absent`.

    `strict` says that no absence is excused: the stack is our own, or the operator asked for it.
    """

    record: Literal["stack"] = "stack"
    kind: str
    base_url: str
    owned: bool
    strict: bool
    components: tuple[StackComponent, ...] = ()
    absent: Mapping[Capability, str] = Field(default_factory=dict)


class FarmSeen(Record):
    """The size of the farm: its sensors in Postgres. Written only if Postgres could be read."""

    record: Literal["farm"] = "farm"
    sensors: int


class CheckPlanned(Record):
    """A check that was collected; `selected` is false if it was then deselected."""

    record: Literal["planned"] = "planned"
    check_id: str
    key: str
    step: int
    selected: bool = True


class CheckStarted(Record):
    """The start of a check. Without a `CheckFinished` the check was interrupted."""

    record: Literal["started"] = "started"
    check_id: str
    at: Instant


class CheckFinished(Record):
    """The end of one check. `facts` are its measurements, in words and with units."""

    record: Literal["check"] = "check"
    check_id: str
    key: str
    step: int
    title: str
    status: CheckStatus
    at: Instant
    duration_seconds: float
    message: str = ""
    advice: str = ""
    facts: Mapping[str, str] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class CountRow(NamedTuple):
    """Rows of one sensor in a window, or on one of its days.

    `postgres` counts the rows that are due in the lake, `lake` the distinct keys the lake holds for them;
    `not_due` are rows of Postgres inserted after the watermark, `pending` the older versions of such rows which
    the lake still holds. `matches` says whether `postgres` equals `lake`.
    """

    sensor_id: str
    day: date | None
    postgres: int
    lake: int
    not_due: int
    pending: int
    matches: bool


class CountsTaken(Record):
    """A table of counts: the controller's (`job`) or our own (`direct`).

    `requested` is the window in the request to the job, if its result has it; the job cuts a window that ends too
    late. `level` is the depth of our own counts (count, digest or rows); a job's counts and the logs of earlier
    versions have none. `late` are sensors whose counts differ by rows that arrived late, which is no fault.
    """

    record: Literal["counts"] = "counts"
    source: Literal["job", "direct"]
    window: Window
    requested: Window | None = None
    level: str | None = None
    watermark: Instant | None = None
    rows: tuple[CountRow, ...]
    late: tuple[str, ...] = ()


class RowsCompared(Record):
    """The extent of a row comparison, by digest or one by one (`level`), and the number of rows that differ."""

    record: Literal["rows_compared"] = "rows_compared"
    level: str
    window: Window
    days: int
    rows: int
    sensors: int
    differing: int
    not_due: int
    pending: int


class JobCoverage(Record):
    """How far the controller's job has counted: `window` is what it was counted over, in slices.

    `covered` is the whole range that the lake promises. `sensors` were counted, of `known` in Postgres (`None`
    where that could not be told); `left_out` are the deleted ones that the job counts only when they are named.
    `surplus` are rows of the lake beyond those of Postgres that may be copies awaiting compaction (section 3).
    """

    record: Literal["job_coverage"] = "job_coverage"
    window: Window
    covered: Window
    sensors: int
    known: int | None = None
    left_out: tuple[str, ...] = ()
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


class RowVersion(NamedTuple):
    """A row's content on one side; `value` reads back bit for bit."""

    value: str
    quality: int | None
    inserted_at: str | None


class RowDifference(Record):
    """One row that differs, Postgres beside lake; an absent side is `None`."""

    record: Literal["difference"] = "difference"
    kind: Literal["missing", "extra", "changed_value", "changed_quality", "duplicate"]
    diagnosis: str = ""
    sensor_id: str
    ts: Instant
    postgres: RowVersion | None = None
    lake: RowVersion | None = None


class WindowChecked(Record):
    """One window that was drawn and counted; `late` as in `CountsTaken`."""

    record: Literal["window"] = "window"
    edge: str
    source: Literal["job", "direct"]
    start: Instant
    end: Instant
    postgres: int
    lake: int
    sensors: int
    mismatching: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


class BackfillSeen(Record):
    """A backfill job: its days, rows and events."""

    record: Literal["backfill"] = "backfill"
    job_id: str
    status: str
    days: int
    rows_exported: int | None = None
    seconds: float
    backfill_from: Instant | None = None
    backfill_to: Instant | None = None
    touched_dates: int | None = None
    events: tuple[str, ...] = ()


class PartitionFiles(NamedTuple):
    """The files of one date of the lake; `None` means that the answer has no such value.

    `size` is in bytes. `most_in_a_shard` counts the files of the date's fullest shard, `manifest_files` comes from
    the manifest.
    """

    day: date
    location: str | None
    files: int | None
    size: int | None
    shards: int | None
    most_in_a_shard: int
    manifest_files: int | None
    last_compacted_at: Instant | None


class PartitionsSeen(Record):
    """The lake's dates and files at one moment: all dates (`inspection`), or those of a window (`parity`)."""

    record: Literal["partitions"] = "partitions"
    at: Instant
    source: Literal["inspection", "parity"]
    moment: str
    dates: tuple[PartitionFiles, ...]


ReplicationSource = Literal["inspection", "parity", "state_file"]


class ReplicationSeen(Record):
    """The state of replication at one moment, `at` by the controller's clock.

    `age_seconds` is the age of the watermark then, `None` without a watermark; `age_limit_seconds` is its limit.
    """

    record: Literal["replication"] = "replication"
    at: Instant
    source: ReplicationSource
    age_seconds: float | None
    age_limit_seconds: float
    state: Replication


class Finding(Record):
    """A diagnosis of a mismatch, with its evidence and the runbook's next step.

    `flagged` is false for what is no fault: a late arrival, a pending upsert, a window past the watermark.
    """

    record: Literal["finding"] = "finding"
    diagnosis: str
    flagged: bool
    summary: str
    evidence: str = ""
    sensors: tuple[str, ...] = ()
    days: tuple[date, ...] = ()
    rows: int = 0
    next_step: str = ""
    heals_by_backfill: bool = False


class PostsSpent(Record):
    """The run's use of the controller's POST budget (contract section 3)."""

    record: Literal["posts"] = "posts"
    spent: int
    refused: int
    waited_seconds: float
    by_purpose: Mapping[str, int] = Field(default_factory=dict)


class Note(Record):
    """A sentence for the report that belongs to no check."""

    record: Literal["note"] = "note"
    text: str


class ServiceEnded(Record):
    """A service of our own stack that ended in the middle of the run, with the last lines of its log."""

    record: Literal["service_ended"] = "service_ended"
    name: str
    at: Instant
    how: str
    log_tail: tuple[str, ...] = ()


class RunFinished(Record):
    """The last line of a log. Without it the run crashed."""

    record: Literal["run_finished"] = "run_finished"
    at: Instant
    reason: Literal["completed", "interrupted", "internal_error"]
    message: str = ""


AnyRecord = Annotated[
    RunStarted
    | StackDescribed
    | FarmSeen
    | CheckPlanned
    | CheckStarted
    | CheckFinished
    | CountsTaken
    | RowsCompared
    | BeyondCompared
    | JobCoverage
    | ExtentSeen
    | RowDifference
    | WindowChecked
    | BackfillSeen
    | PartitionsSeen
    | ReplicationSeen
    | Finding
    | PostsSpent
    | Note
    | ServiceEnded
    | RunFinished,
    Field(discriminator="record"),
]
