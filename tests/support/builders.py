"""Runs, jobs, inspections and rows for tests, whole and right until a test breaks one thing in them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from tsse_validation.clients.jobs import FinishedJob
from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.catalogue import CHECKS
from tsse_validation.domain.contract import (
    BACKFILL_JOB,
    DATASET,
    INSPECT_JOB,
    PARITY_JOB,
    BackfillResult,
    InspectedDataset,
    Inspection,
    InspectResult,
    Job,
    JobEvent,
    JobProgress,
    ParityResult,
    ParityRow,
    Replication,
)
from tsse_validation.domain.digest import KEY_SCHEMA, ROW_SCHEMA
from tsse_validation.domain.instants import utc_day
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window
from tsse_validation.runlog.records import (
    BackfillSeen,
    CheckFinished,
    CheckPlanned,
    CheckStatus,
    CountRow,
    CountsTaken,
    JobCoverage,
    Record,
    RowsCompared,
    RunFinished,
    RunStarted,
    SettingValue,
    StackComponent,
    StackDescribed,
)
from tsse_validation.runlog.seal_record import SealUsed
from tsse_validation.steps.loss_guard import TakenAway
from tsse_validation.steps.promises import BackfillEvidence

WATERMARK = datetime(2026, 1, 24, 16, 29, 48, 358904, tzinfo=UTC)
BEGIN = WATERMARK - timedelta(days=90)
DAY = date(2026, 1, 24)
SECOND = timedelta(seconds=1)

Row = tuple[str, datetime, float | None, int | None, datetime | None]


class FakeClock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def rows_table(rows: Iterable[Row]) -> pa.Table:
    """Return rows `(sensor_id, ts, value, quality, inserted_at)` as the lake keeps them."""
    listed = list(rows)
    return pa.table(
        {
            "sensor_id": pa.array([row[0] for row in listed], pa.string()),
            "ts": _instants(row[1] for row in listed),
            "value": pa.array([row[2] for row in listed], pa.float64(), from_pandas=False),
            "quality": pa.array([row[3] for row in listed], pa.int32()),
            "inserted_at": _instants(row[4] for row in listed),
        }
    ).cast(ROW_SCHEMA)


def keys_table(keys: Iterable[tuple[str, datetime]]) -> pa.Table:
    """Return keys `(sensor_id, ts)` as a table."""
    listed = list(keys)
    return pa.table(
        {"sensor_id": pa.array([key[0] for key in listed], pa.string()), "ts": _instants(key[1] for key in listed)}
    ).cast(KEY_SCHEMA)


def _instants(instants: Iterable[datetime | None]) -> pa.Array:
    naive = [instant.astimezone(UTC).replace(tzinfo=None) if instant else None for instant in instants]
    return pa.array(naive, pa.timestamp("us"))


def a_job(job_type: str, *, status: str = "completed", at: datetime = WATERMARK, **more: object) -> Job:
    fields: dict[str, object] = {
        "id": "a66ef24e-66fe-4c93-a1c2-755b7f140b40",
        "job_type": job_type,
        "status": status,
        "created_at": at,
        "updated_at": at,
        "progress": {"phase": "queued", "completed": 0},
    }
    return Job.model_validate(fields | more)


def replication(**more: object) -> Replication:
    fields: dict[str, object] = {
        "last_inserted_at": WATERMARK,
        "computed_through_ts": WATERMARK,
        "last_run_at": WATERMARK + 60 * SECOND,
        "last_run_row_count": 554,
        "last_run_backlog_seconds": 60,
        "last_run_status": "ok",
        "backfill_from_ts": BEGIN,
        "backfill_to_ts": WATERMARK,
        "backfill_completed_at": WATERMARK + 60 * SECOND,
    }
    return Replication.model_validate(fields | more)


def inspection(
    partitions: Mapping[str, object] | None = None, *, state: Replication | None = None, **more: object
) -> Inspection:
    state = state or replication()
    fields: dict[str, object] = {
        "hot_path": "/lake/hot",
        "datasets": {
            DATASET: InspectedDataset.model_validate(
                {"computed_through_ts": state.computed_through_ts, "partitions": partitions or {}}
            )
        },
        "replication": state,
    }
    return Inspection.model_validate(fields | more)


def inspect_job(found: Inspection) -> FinishedJob[InspectResult]:
    result = InspectResult(job_type="lake_inspect_v1", inspection=found)
    return FinishedJob(a_job(INSPECT_JOB), result, (), (), 0.1)


def backfill_result(**more: object) -> BackfillResult:
    days = [utc_day(BEGIN) + timedelta(days=n) for n in range(91)]
    fields: dict[str, object] = {
        "job_type": BACKFILL_JOB,
        "dataset": DATASET,
        "days": 90,
        "replace_existing": True,
        "target_inserted_at": WATERMARK,
        "backfill_from_ts": BEGIN,
        "backfill_to_ts": WATERMARK,
        "touched_dates": days,
        "rows_exported": 1_000_000,
    }
    return BackfillResult.model_validate(fields | more)


def events(*kinds: str) -> tuple[JobEvent, ...]:
    return tuple(JobEvent(id=n, created_at=WATERMARK, kind=kind) for n, kind in enumerate(kinds, start=1))


GOOD_EVENTS = ("created", "started", "progress", "phase_timing", "progress", "completed")
GOOD_PROGRESS = JobProgress(phase="lake_backfill", completed=91, total=91)


def evidence(
    *,
    result: BackfillResult | None = None,
    kinds: tuple[str, ...] = GOOD_EVENTS,
    progress: JobProgress = GOOD_PROGRESS,
    seen: tuple[tuple[int, int | None], ...] = ((0, 91), (40, 91), (91, 91)),
    after: Inspection | None = None,
    asked_days: int = 90,
    taken: TakenAway = TakenAway(),  # noqa: B008 - frozen
) -> BackfillEvidence:
    """Return what a right backfill leaves behind, but for what is given."""
    job = a_job(BACKFILL_JOB, progress=progress)
    finished = FinishedJob(job, result or backfill_result(), events(*kinds), seen, 12.5)
    return BackfillEvidence(asked_days, finished, after or inspection(), taken)


def parity_result(
    counts: Mapping[str, tuple[int, int]], *, window: Window | None = None, **more: object
) -> ParityResult:
    window = window or Window(WATERMARK - timedelta(hours=1), WATERMARK)
    span = Window(start=window.start, end=window.end)
    rows = tuple(
        ParityRow(sensor_id=sensor, pg_count=pg, lake_count=lake, matches=pg == lake)
        for sensor, (pg, lake) in counts.items()
    )
    fields: dict[str, object] = {
        "job_type": PARITY_JOB,
        "window_requested": span,
        "window_checked": span,
        "sensor_ids": tuple(counts),
        "mismatches": sum(not row.matches for row in rows),
        "rows": rows,
        "replication": replication(),
        "computed_through_ts": WATERMARK,
    }
    return ParityResult.model_validate(fields | more)


WINDOW = Window(start=BEGIN, end=WATERMARK)
START = datetime(2026, 1, 24, 16, 35, 5, 10617, tzinfo=UTC)
COMPONENTS = (
    StackComponent(name="core-server", description="the controller's own binary", version="0.1.9.211"),
    StackComponent(name="Qdrant", description="a stand-in that answers /healthz only"),
)


def rows_compared(rows: int, **more: object) -> RowsCompared:
    fields: dict[str, object] = {"level": "digest", "window": WINDOW, "days": 91, "rows": rows, "sensors": 1}
    return RowsCompared.model_validate(fields | {"differing": 0, "not_due": 0, "pending": 0} | more)


def lake_sealed(**more: object) -> SealUsed:
    """Return the record of a seal of the lake that was read for itself, and leaves nothing open."""
    fields: dict[str, object] = {
        "side": "lake",
        "path": "/home/ops/lake.seal",
        "sha256": "6b0d" * 16,
        "made_at": WATERMARK,
        "host": "controller-1",
        "user": "tsse",
        "suite_version": "0.1.0",
        "as_of": "0a94" * 16,
        "days": 91,
        "files": 1456,
        "rows": 300,
        "left": 0,
    }
    return SealUsed.model_validate(fields | more)


SEAL_ASKED = SettingValue(name="lake_seal", value="/home/ops/lake.seal", source="command line")
BASELINE_ACCEPTED = SettingValue(name="accept_baseline", value="True", source="command line")


def run_started(**more: object) -> RunStarted:
    fields: dict[str, object] = {
        "run_id": "20260124T163505Z-1f9c",
        "at": START,
        "suite_version": "0.1.0",
        "settings": (
            SettingValue(name="base_url", value="http://127.0.0.1:8000", source="environment"),
            SettingValue(name="days", value="90", source="default"),
        ),
        "environment": {"python": "3.11.7", "platform": "Linux"},
    }
    return RunStarted.model_validate(fields | more)


def stack_described(*absent: Capability, strict: bool = True) -> StackDescribed:
    return StackDescribed(
        kind="embedded" if strict else "live",
        base_url="http://127.0.0.1:8000",
        owned=strict,
        strict=strict,
        components=COMPONENTS,
        absent=dict.fromkeys(absent, "it was not given"),
    )


def check_id(key: str) -> str:
    return key.removeprefix("test_")


def planned(key: str, *, selected: bool = True) -> CheckPlanned:
    return CheckPlanned(check_id=check_id(key), key=key, step=_step(key), selected=selected)


def finished(
    key: str, status: CheckStatus = CheckStatus.PASSED, message: str = "", **more: object
) -> CheckFinished:
    step = _step(key)
    fields: dict[str, object] = {
        "check_id": check_id(key),
        "key": key,
        "step": step,
        "title": CHECKS[key].title if key in CHECKS else key,
        "status": status,
        "at": START + step * 10 * SECOND,
        "duration_seconds": 0.4 * step,
        "message": message,
        "facts": {"answered in": "3 ms", "status": "200"},
    }
    return CheckFinished.model_validate(fields | more)


def _step(key: str) -> int:
    return CHECKS[key].step if key in CHECKS else 8


def count_row(sensor: str, postgres: int, lake: int, *, day: date | None = None, not_due: int = 0) -> CountRow:
    return CountRow(sensor, day, postgres, lake, not_due, 0, postgres == lake)


def counts_taken(*rows: CountRow, source: str = "direct", window: Window = WINDOW) -> CountsTaken:
    return CountsTaken.model_validate({"source": source, "window": window, "watermark": WATERMARK, "rows": rows})


def job_coverage(rows: int = 300, **more: object) -> JobCoverage:
    """Return that the job has counted every sensor over the whole covered range."""
    fields: dict[str, object] = {
        "window": WINDOW,
        "covered": WINDOW,
        "sensors": 4,
        "known": 4,
        "slices": 3,
        "posts": 3,
    }
    return JobCoverage.model_validate(fields | {"rows": rows} | more)


def evidence_records(*, days: int = 90, rows: int = 300) -> Iterator[Record]:
    """Yield what a good run has seen beside its checks."""
    yield counts_taken(count_row("a", rows, rows), count_row("b", 0, 0))
    yield rows_compared(rows)
    yield BackfillSeen(job_id="a-job", status="completed", days=days, seconds=1.0)


def good_run(
    statuses: Mapping[str, CheckStatus] | None = None, required: Assurance = Assurance.PROOF
) -> list[Record]:
    """Return the records of a run that proves everything, but for the checks whose status is given."""
    given = statuses or {}
    records: list[Record] = [
        run_started(required=required),
        stack_described(),
        *map(planned, CHECKS),
        *evidence_records(),
    ]
    records += [finished(key, given.get(key, CheckStatus.PASSED), f"as {key}") for key in CHECKS]
    return [*records, RunFinished(at=WATERMARK, reason="completed")]
