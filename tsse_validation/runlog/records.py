"""The records of a run log: one JSON object a line, written at once.

The log is the only source of the verdict and of every report. The log of a run that crashed still holds what was
proven, and what was planned but did not run. `RunResult.from_log` reads it back.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.contract import Replication
from tsse_validation.domain.instants import Instant
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.beyond_record import BeyondCompared
from tsse_validation.runlog.check_records import CheckFinished, CheckPlanned, CheckStarted, CheckStatus
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.runlog.differences_record import DifferencesKept
from tsse_validation.runlog.failure_records import FailureTried
from tsse_validation.runlog.helper_record import HelperRan
from tsse_validation.runlog.reach_records import EarlierRun, ExtentSeen, JobCoverage
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.seal_record import SealUsed
from tsse_validation.runlog.session_record import SessionsUsed
from tsse_validation.runlog.setting_record import SettingTried, SettingValue
from tsse_validation.runlog.soak_records import (
    SoakBegan,
    SoakBreach,
    SoakEvent,
    SoakFiles,
    SoakGap,
    SoakSample,
    SoakSeen,
    SoakSlice,
)

SCHEMA_VERSION = 1
__all__ = [
    "CheckFinished",
    "CheckPlanned",
    "CheckStarted",
    "CheckStatus",
    "DatabaseSeen",
    "EarlierRun",
    "ExtentSeen",
    "JobCoverage",
    "Record",
    "SettingTried",
    "SettingValue",
]
"""What stands in a module of its own, and is imported from here like all other records."""


class RunStarted(Record):
    """The first line of a log.

    `required` is the grade that GO needs. An earlier version knew no grades: its log is held to the default.
    `release_label` is what the operator calls the release, or empty.
    `program` is the command that began the run, and `markers` the checks that its ``-m`` has chosen.
    """

    record: Literal["run_started"] = "run_started"
    schema_version: int = SCHEMA_VERSION
    run_id: str
    at: Instant
    suite_version: str
    settings: tuple[SettingValue, ...] = ()
    environment: Mapping[str, str] = Field(default_factory=dict)
    required: Assurance = Assurance.PROOF
    release_label: str = ""
    program: str = ""
    markers: str = ""

    def value_of(self, setting: str, default: str = "") -> str:
        """Return a setting's value in words, or `default` where the log does not name it."""
        return next((one.value for one in self.settings if one.name == setting), default)


class StackComponent(Record):
    """One service of the stack; the description says if it is a stand-in."""

    name: str
    description: str
    version: str = ""


class StackDescribed(Record):
    """The stack under validation, and the reason for each capability that is `absent`.

    `strict` says that no absence is excused: the stack is our own.
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

    `covered` is the whole range that the lake promises, where the table is of it by our own counts.
    `requested` is the window in the request to the job, if its result has it; the job cuts a window that ends too
    late. `level` is the depth of our own counts (count, digest or rows); a job's counts and the logs of earlier
    versions have none. `late` are sensors whose counts differ by rows that arrived late, or by copies that the job
    counts, which is no fault.
    """

    record: Literal["counts"] = "counts"
    source: Literal["job", "direct"]
    window: Window
    requested: Window | None = None
    level: str | None = None
    watermark: Instant | None = None
    rows: tuple[CountRow, ...]
    late: tuple[str, ...] = ()
    covered: Window | None = None


class RowsCompared(Record):
    """The extent of a row comparison, by digest or one by one (`level`), and the number of rows that differ.

    `covered` is the whole range that the lake promises; earlier versions left it out, and compared no less.
    """

    record: Literal["rows_compared"] = "rows_compared"
    level: str
    window: Window
    days: int
    rows: int
    sensors: int
    differing: int
    not_due: int
    pending: int
    covered: Window | None = None


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
    `safe_days` is how long a backfill must be to take no row away, where one was not started for that.
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
    safe_days: int | None = None


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
    | SettingTried
    | StackDescribed
    | FarmSeen
    | DatabaseSeen
    | SealUsed
    | CheckPlanned
    | CheckStarted
    | CheckFinished
    | CountsTaken
    | RowsCompared
    | BeyondCompared
    | JobCoverage
    | ExtentSeen
    | RowDifference
    | DifferencesKept
    | WindowChecked
    | BackfillSeen
    | PartitionsSeen
    | ReplicationSeen
    | Finding
    | PostsSpent
    | SessionsUsed
    | Note
    | ServiceEnded
    | EarlierRun
    | HelperRan
    | FailureTried
    | SoakBegan
    | SoakSample
    | SoakGap
    | SoakBreach
    | SoakEvent
    | SoakSlice
    | SoakFiles
    | SoakSeen
    | RunFinished,
    Field(discriminator="record"),
]
