"""The controller's contract as models of its API and its state files; section numbers are the contract's.

Unknown keys are ignored, and absent optional keys are `None` (contract section 3).
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tsse_validation.domain.instants import Instant
from tsse_validation.domain.windows import Window

DATASET = "metrics/v1"
HEALTHZ_BODY = {"status": "ok"}
UNAUTHORIZED_TEXT = "Missing or invalid token"
MISSING_CAPABILITY_TEXT = "Missing capabilities: {capability}"
JOB_NOT_FOUND_TEXT = "Job not found"
RUN_CAPABILITY = "analysis.run"
VIEW_CAPABILITY = "analysis.view"

INSPECT_JOB = "lake_inspect_v1"
BACKFILL_JOB = "lake_backfill_v1"
TICK_JOB = "lake_replication_tick_v1"
PARITY_JOB = "lake_parity_check_v1"
RUNBOOK_JOBS = frozenset({INSPECT_JOB, BACKFILL_JOB, TICK_JOB, PARITY_JOB})

COMPACTION_THRESHOLD_FILES = 10
"""A shard-day with more files than this is compacted (section 4)."""
LATE_WINDOW_HOURS = 48
"""How far back a pass reads, and stamps rows without `inserted_at`, where the state does not say (section 4)."""
POST_BURST = 60
POST_REFILL_SECONDS = 20.0
"""POST, PUT and DELETE per client address: a burst of 60, then one every 20 seconds (section 3)."""
RUNBOOK_SAMPLE = 5
"""How many sensors the runbook's spot check counts where no number is given (section 6)."""
BACKFILL_GATE_DAYS = 90
"""TSSE-6: a backfill of 90 days needs one command (section 6)."""
BACKLOG_GATE_SECONDS = 300
"""TSSE-6: incremental sync stays within five minutes of Postgres (section 6)."""


def is_healthy(body: object) -> bool:
    """Whether the body of `/healthz` says what is promised; it may say more (section 1)."""
    return isinstance(body, dict) and body.items() >= HEALTHZ_BODY.items()


JobStatus = Literal["pending", "running", "completed", "failed", "canceled"]
TERMINAL: frozenset[JobStatus] = frozenset({"completed", "failed", "canceled"})


class ContractModel(BaseModel):
    """Base of the contract's objects: immutable, tolerant of keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class JobProgress(ContractModel):
    """`progress` of a job (section 3)."""

    phase: str
    completed: int
    total: int | None = None
    message: str | None = None

    @property
    def in_words(self) -> str:
        """How far it is: ``3 of 91``."""
        return f"{self.completed}" if self.total is None else f"{self.completed} of {self.total}"


class JobError(ContractModel):
    """`error` of a failed job (section 3)."""

    code: str
    message: str
    details: Any = None


class Job(ContractModel):
    """JOB (section 3)."""

    id: str
    job_type: str
    status: JobStatus
    created_at: Instant
    updated_at: Instant
    progress: JobProgress
    job_key: str | None = None
    created_by: str | None = None
    started_at: Instant | None = None
    completed_at: Instant | None = None
    canceled_at: Instant | None = None
    error: JobError | None = None

    @property
    def terminal(self) -> bool:
        """Whether the job has ended: completed, failed or canceled."""
        return self.status in TERMINAL


class JobEvent(ContractModel):
    """One line of a job's history (section 3)."""

    id: int
    created_at: Instant
    kind: str
    payload: Any = None


class JobEvents(ContractModel):
    """A page of a job's events (section 3)."""

    events: tuple[JobEvent, ...]
    next_after: int | None = None


class Replication(ContractModel):
    """REPLICATION, also `_state/replication.json`; every key but `schema_version` may be null (section 3)."""

    schema_version: int = 1
    last_inserted_at: Instant | None = None
    computed_through_ts: Instant | None = None
    last_run_at: Instant | None = None
    last_run_duration_ms: int | None = None
    last_run_row_count: int | None = None
    last_run_backlog_seconds: float | None = None
    last_run_status: str | None = None
    last_run_error: str | None = None
    last_export_start: Instant | None = None
    last_export_end: Instant | None = None
    last_late_window_hours: int | None = None
    backfill_from_ts: Instant | None = None
    backfill_to_ts: Instant | None = None
    backfill_completed_at: Instant | None = None


class ShardFiles(ContractModel):
    """The files of one shard on one date: how many, and their bytes (section 3)."""

    parquet_files: int
    total_bytes: int


class InspectedPartition(ContractModel):
    """One date of the lake; no shards when the manifest names a date whose directory is gone (section 3)."""

    location: Literal["hot", "cold"] | None = None
    shards: Mapping[str, ShardFiles] = Field(default_factory=dict)

    @property
    def parquet_files(self) -> int:
        """Files of the date over all shards."""
        return sum(shard.parquet_files for shard in self.shards.values())

    @property
    def total_bytes(self) -> int:
        """Bytes of the date over all shards."""
        return sum(shard.total_bytes for shard in self.shards.values())

    @property
    def most_in_a_shard(self) -> int:
        """Files of the date's fullest shard."""
        return max((shard.parquet_files for shard in self.shards.values()), default=0)


class InspectedDataset(ContractModel):
    """One dataset of the lake (section 3)."""

    computed_through_ts: Instant | None = None
    partitions: Mapping[date, InspectedPartition] = Field(default_factory=dict)


class Inspection(ContractModel):
    """`inspection` of a `lake_inspect_v1` result (section 3)."""

    hot_path: str
    cold_path: str | None = None
    datasets: Mapping[str, InspectedDataset]
    replication: Replication

    @property
    def metrics(self) -> InspectedDataset:
        """The `metrics/v1` dataset; empty when the lake has none yet."""
        return self.datasets.get(DATASET, InspectedDataset())


class InspectResult(ContractModel):
    """Result of `lake_inspect_v1` (section 3)."""

    job_type: Literal["lake_inspect_v1"]
    inspection: Inspection
    versions: Mapping[str, str] = Field(default_factory=dict)


class BackfillResult(ContractModel):
    """Result of `lake_backfill_v1` (section 3)."""

    job_type: Literal["lake_backfill_v1"]
    dataset: str
    days: int
    replace_existing: bool
    target_inserted_at: Instant
    backfill_from_ts: Instant
    backfill_to_ts: Instant
    touched_dates: tuple[date, ...]
    rows_exported: int


class TickResult(ContractModel):
    """Result of `lake_replication_tick_v1` (section 3)."""

    job_type: Literal["lake_replication_tick_v1"]
    status: str
    replication: Replication


class ParityRow(ContractModel):
    """One sensor's counts as the controller sees them (section 3)."""

    sensor_id: str
    pg_count: int
    lake_count: int
    matches: bool


class ParityPartition(ContractModel):
    """File counts of one date in a parity result (section 3)."""

    date: date
    location: str | None = None
    file_count: int | None = None
    last_compacted_at: Instant | None = None
    max_shard_files: int


class ParityResult(ContractModel):
    """Result of `lake_parity_check_v1` (section 3)."""

    job_type: Literal["lake_parity_check_v1"]
    window_requested: Window
    window_checked: Window
    sensor_ids: tuple[str, ...]
    mismatches: int
    rows: tuple[ParityRow, ...]
    replication: Replication
    computed_through_ts: Instant | None = None
    partitions: tuple[ParityPartition, ...] = ()
    timings_ms: Mapping[str, float] = Field(default_factory=dict)
    versions: Mapping[str, str] = Field(default_factory=dict)
    report_markdown: str = ""


class ManifestPartition(ContractModel):
    """One date in `manifest.json` (section 4)."""

    location: Literal["hot", "cold"]
    updated_at: Instant | None = None
    last_compacted_at: Instant | None = None
    file_count: int | None = None


class ManifestDataset(ContractModel):
    """One dataset in `manifest.json` (section 4)."""

    computed_through_ts: Instant | None = None
    partitions: Mapping[date, ManifestPartition] = Field(default_factory=dict)


class Manifest(ContractModel):
    """`_state/manifest.json` (section 4)."""

    schema_version: int = 1
    datasets: Mapping[str, ManifestDataset] = Field(default_factory=dict)

    @property
    def metrics(self) -> ManifestDataset:
        """The `metrics/v1` dataset; empty when the manifest has none yet."""
        return self.datasets.get(DATASET, ManifestDataset())
