"""The run log: what a run has seen, one JSON object a line, written at once.

The log is the only source of the verdict and of every report. A run that crashes leaves a log that still tells
what had been proven, and what had been planned and was not. `RunResult.from_log` reads it back.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tsse_validation.domain.contract import Replication
from tsse_validation.domain.instants import Instant
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window

SCHEMA_VERSION = 1


class CheckStatus(StrEnum):
    """How a check ended. Only `passed` and `warned` prove anything."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    UNPROVEN = "unproven"
    BLOCKED = "blocked"
    NOT_CHECKED = "not_checked"

    @property
    def proven(self) -> bool:
        """Whether what the check states has been shown to be so."""
        return self in {CheckStatus.PASSED, CheckStatus.WARNED}


class Record(BaseModel):
    """Base of the log's records."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SettingValue(Record):
    """One setting with where it came from; a secret's value is never here."""

    name: str
    value: str
    source: str


class RunStarted(Record):
    """First line of a log."""

    record: Literal["run_started"] = "run_started"
    schema_version: int = SCHEMA_VERSION
    run_id: str
    at: Instant
    suite_version: str
    settings: tuple[SettingValue, ...] = ()
    environment: Mapping[str, str] = Field(default_factory=dict)


class StackComponent(Record):
    """One service of the stack, as it really is."""

    name: str
    description: str
    version: str = ""


class StackDescribed(Record):
    """What is under validation, and what of it cannot be looked at, and why.

    `strict` says that nothing absent is excused: the stack is our own, or the operator asked for it.
    """

    record: Literal["stack"] = "stack"
    kind: str
    base_url: str
    owned: bool
    strict: bool
    components: tuple[StackComponent, ...] = ()
    absent: Mapping[Capability, str] = Field(default_factory=dict)


class FarmSeen(Record):
    """How large the farm is: its sensors in Postgres, where that could be read."""

    record: Literal["farm"] = "farm"
    sensors: int


class CheckPlanned(Record):
    """A check that was collected; `selected` is false when it was then deselected."""

    record: Literal["planned"] = "planned"
    check_id: str
    key: str
    step: int
    selected: bool = True


class CheckStarted(Record):
    """A check that is under way: after a crash, the one that was interrupted."""

    record: Literal["started"] = "started"
    check_id: str
    at: Instant


class CheckFinished(Record):
    """The end of one check. `facts` are what was measured, already in words and with units."""

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

    `requested` is the window that the job was asked for, where it says so: it checks less when that ends too late.
    `level` says how our own counts were taken, by count, digest or rows; it is `None` for a job's, and in the logs
    of earlier versions. `late` are sensors whose counts differ by rows that arrived late, which is no fault.
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
    """How far rows were compared, by digest or one by one (`level`), and how many differ."""

    record: Literal["rows_compared"] = "rows_compared"
    level: str
    window: Window
    days: int
    rows: int
    sensors: int
    differing: int
    not_due: int
    pending: int


class RowVersion(NamedTuple):
    """A row's content on one side; `value` is written so that it reads back bit for bit."""

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
    """A backfill job as it went: its days, rows and events."""

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
    """The files of one date of the lake; `None` is what the one who was asked does not tell.

    `most_in_a_shard` counts the files of the date's fullest shard, `manifest_files` is what the manifest says.
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
    """The lake's dates and files at one moment: all of them (`inspection`), or those of a window (`parity`)."""

    record: Literal["partitions"] = "partitions"
    at: Instant
    source: Literal["inspection", "parity"]
    moment: str
    dates: tuple[PartitionFiles, ...]


ReplicationSource = Literal["inspection", "parity", "state_file"]


class ReplicationSeen(Record):
    """How replication stood when it was asked for, `at` by the controller's clock.

    `age_seconds` is how old the watermark was then, `None` where there was none; `age_limit_seconds` is how old it
    may be.
    """

    record: Literal["replication"] = "replication"
    at: Instant
    source: ReplicationSource
    age_seconds: float | None
    age_limit_seconds: float
    state: Replication


class Finding(Record):
    """What triage makes of a mismatch: a diagnosis with its evidence and the runbook's next step.

    `flagged` is false for what is explained and no fault: a late arrival, a pending upsert, a window past the
    watermark.
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
    """What the run took of the controller's POST budget (contract section 3)."""

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
    """Last line of a log; its absence means that the run crashed."""

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
