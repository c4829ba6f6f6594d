"""What the contract promises of a backfill, an inspection and a partition: pure rules over what was read.

Each rule returns its findings in words. It raises PromiseBrokenError, or NotCheckedError where the state says
nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from tsse_validation.domain.contract import (
    BACKLOG_GATE_SECONDS,
    COMPACTION_THRESHOLD_FILES,
    DATASET,
    BackfillResult,
    InspectedDataset,
    Inspection,
    Replication,
)
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.holding import hold
from tsse_validation.domain.instants import format_rfc3339, utc_day
from tsse_validation.domain.windows import Window

if TYPE_CHECKING:
    from tsse_validation.clients.jobs import FinishedJob
    from tsse_validation.steps.loss_guard import TakenAway

CURRENT_DAY_ALLOWANCE_FILES = 5
"""Files beyond the compaction threshold that a shard may hold while its day is written: compaction follows."""


@dataclass(frozen=True)
class BackfillEvidence:
    """A completed backfill job, what was asked of it, and the inspection that followed."""

    asked_days: int
    job: "FinishedJob[BackfillResult]"
    after: Inspection
    taken: "TakenAway"

    @property
    def result(self) -> BackfillResult:
        """The job's result."""
        return self.job.result


def _days(evidence: BackfillEvidence) -> str:
    result = evidence.result
    hold(
        result.days == evidence.asked_days, f"{evidence.asked_days} days were asked for, {result.days} were done."
    )
    hold(result.replace_existing, "replace_existing was asked for, and the result says that it was not done.")
    hold(result.dataset == DATASET, f"The result is about {result.dataset!r} instead of {DATASET!r}.")
    return f"{result.days} days, existing partitions replaced"


def _range(evidence: BackfillEvidence) -> str:
    result = evidence.result
    found = f"{format_rfc3339(result.backfill_from_ts)} → {format_rfc3339(result.backfill_to_ts)}"
    hold(
        result.backfill_to_ts == result.target_inserted_at
        and result.backfill_from_ts == result.target_inserted_at - timedelta(days=result.days),
        f"The range {found} is not the {result.days} days up to the target "
        f"{format_rfc3339(result.target_inserted_at)} (contract section 3).",
    )
    return found


def _touched_dates(evidence: BackfillEvidence) -> str:
    result = evidence.result
    dates = result.touched_dates
    first, last = utc_day(result.backfill_from_ts), utc_day(result.backfill_to_ts)
    hold(list(dates) == sorted(set(dates)), "The touched dates are not ascending, or one stands there twice.")
    outside = [day for day in dates if not first <= day <= last]
    hold(not outside, f"Dates outside the range were touched: {', '.join(map(str, outside[:5]))}.")
    hold(dates, "No date was touched.", "Has Postgres any rows in the range?")
    return f"{len(dates)} dates from {dates[0]} to {dates[-1]}"


def _rows(evidence: BackfillEvidence) -> str:
    rows = evidence.result.rows_exported
    hold(rows > 0, "The job completed and exported no row.", "Has Postgres any rows in the range?")
    return f"{rows:,} rows in {evidence.job.seconds:.1f} s, {rows / max(evidence.job.seconds, 1e-3):,.0f} rows/s"


def _progress(evidence: BackfillEvidence) -> str:
    last = evidence.job.job.progress
    seen = [done for done, _total in evidence.job.progress]
    hold(seen == sorted(seen), "The job's progress went backwards.")
    hold(last.phase == "lake_backfill", f"The progress's phase is {last.phase!r} instead of 'lake_backfill'.")
    hold(last.total is not None and last.completed > 0, "The job completed and its progress never moved.")
    hold(
        last.total in {evidence.asked_days, evidence.asked_days + 1},
        f"The progress counts {last.total} days for a range of {evidence.asked_days}.",
    )
    hold(last.completed <= (last.total or 0), f"{last.completed} of {last.total} days are done.")
    return f"{last.completed} of {last.total} days"


def _events(evidence: BackfillEvidence) -> str:
    kinds = [event.kind for event in evidence.job.events]
    order = [kind for kind in kinds if kind in {"created", "started", "completed", "failed", "canceled"}]
    hold(
        order == ["created", "started", "completed"],
        f"The job's events are {', '.join(order) or 'none'} instead of created, started, completed.",
    )
    return f"{len(kinds)} events, from created to completed"


def _watermark(evidence: BackfillEvidence) -> str:
    target = evidence.result.target_inserted_at
    watermark = evidence.after.replication.computed_through_ts
    hold(
        watermark is not None and watermark >= target,
        f"The watermark after the backfill is {_instant(watermark)}, before the target {format_rfc3339(target)}.",
    )
    return _instant(watermark)


def _state(evidence: BackfillEvidence) -> str:
    state, result = evidence.after.replication, evidence.result
    hold(
        (state.backfill_from_ts, state.backfill_to_ts) == (result.backfill_from_ts, result.backfill_to_ts),
        f"The replication state says {_instant(state.backfill_from_ts)} → {_instant(state.backfill_to_ts)}, "
        "which is not the job's range.",
    )
    hold(state.backfill_completed_at is not None, "The replication state has no backfill_completed_at.")
    return f"backfill_completed_at {_instant(state.backfill_completed_at)}"


def _manifest(evidence: BackfillEvidence) -> str:
    named = evidence.after.metrics.computed_through_ts
    state = evidence.after.replication.computed_through_ts
    hold(
        named == state,
        f"The manifest's watermark is {_instant(named)}, the replication state's is {_instant(state)}.",
    )
    return f"manifest and replication state agree on {_instant(named)}"


def _nothing_else_taken(evidence: BackfillEvidence) -> str:
    from tsse_validation.steps.loss_guard import BRINGS_BACK, taken_in_words

    taken = evidence.taken
    hold(
        not taken.losses,
        f"It took away {taken_in_words(taken.losses)} that it was not asked to replace.",
        BRINGS_BACK,
    )
    return f"{taken_in_words(taken.accepted)} taken away" + (", as was accepted" if taken.accepted else "")


BACKFILL_PROMISES: Mapping[str, Callable[[BackfillEvidence], str]] = {
    "days": _days,
    "range": _range,
    "touched-dates": _touched_dates,
    "rows": _rows,
    "progress": _progress,
    "events": _events,
    "watermark": _watermark,
    "state": _state,
    "manifest": _manifest,
    "nothing-else-taken": _nothing_else_taken,
}
"""Contract section 3, `lake_backfill_v1`."""


def _last_run_status(replication: Replication) -> str:
    if replication.last_run_status is None:
        msg = "The replication state does not tell how its last pass ended, as is allowed (contract section 3)."
        raise NotCheckedError(msg, "Has replication ever run? Look at the controller's log.")
    hold(
        replication.last_run_status == "ok",
        f"The last replication pass is {replication.last_run_status!r}: "
        f"{replication.last_run_error or 'no error said'}.",
        "Look at the controller's log before anything else: nothing new reaches the lake.",
    )
    return f"ok, at {_instant(replication.last_run_at)}, {replication.last_run_row_count} rows"


def _last_run_error(replication: Replication) -> str:
    hold(not replication.last_run_error, f"The last replication pass left an error: {replication.last_run_error}.")
    return "no error"


def _backlog(replication: Replication) -> str:
    backlog = replication.last_run_backlog_seconds
    if backlog is None:
        backlog = _backlog_of_instants(replication)
    hold(
        backlog <= BACKLOG_GATE_SECONDS,
        f"Replication is {backlog} s behind; the gate is {BACKLOG_GATE_SECONDS} s.",
        "Wait until it has caught up; if it does not, look at last_run_duration_ms and the controller's load.",
    )
    return f"{backlog:.0f} s behind, gate {BACKLOG_GATE_SECONDS} s"


def _backlog_of_instants(replication: Replication) -> float:
    """Return how far the watermark was behind the last pass, where the state does not say it itself."""
    at, watermark = replication.last_run_at, replication.computed_through_ts
    if at is None or watermark is None:
        msg = "The replication state does not tell how far it is behind, as is allowed (contract section 3)."
        raise NotCheckedError(msg, "Has replication ever run? Look at the controller's log.")
    return max(0.0, (at - watermark).total_seconds())


REPLICATION_PROMISES: Mapping[str, Callable[[Replication], str]] = {
    "last-run-status": _last_run_status,
    "last-run-error": _last_run_error,
    "backlog": _backlog,
}
"""Gate TSSE-6, incremental sync (contract section 6)."""


def crowded_shards(dataset: InspectedDataset, today: date) -> list[str]:
    """Return the shard-days that hold more files than compaction allows.

    Today's and yesterday's partitions are being written, and have an allowance; `today` is the UTC day.
    """
    crowded = []
    for day, partition in sorted(dataset.partitions.items()):
        allowance = CURRENT_DAY_ALLOWANCE_FILES if day >= today - timedelta(days=1) else 0
        crowded += [
            f"date={day}/shard={shard}: {files.parquet_files} files"
            for shard, files in sorted(partition.shards.items())
            if files.parquet_files > COMPACTION_THRESHOLD_FILES + allowance
        ]
    return crowded


def partition_differences(
    postgres: Mapping[date, bool], lake: set[date], window: Window
) -> tuple[list[date], list[date]]:
    """Return the dates `(missing, extra)` in the lake; `postgres` says of each date with rows whether any is due.

    A date without due rows may be in the lake or not: its rows were upserted since the watermark, or wait for the
    next pass. A date that the window covers in part may hold rows from outside of it, and is never extra.
    """
    due = {day for day, is_due in postgres.items() if is_due}
    whole = {part.start.date() for part in window.split_by_day() if part.is_whole_day}
    return sorted(due - lake), sorted((lake & whole) - postgres.keys())


def _instant(instant: datetime | None) -> str:
    return format_rfc3339(instant) if instant is not None else "not set"
