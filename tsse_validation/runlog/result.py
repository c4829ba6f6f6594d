"""All that a run has seen, grouped: the one model behind the verdict and every report."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tsse_validation.runlog.log import read_log
from tsse_validation.runlog.records import (
    SCHEMA_VERSION,
    BackfillSeen,
    CheckFinished,
    CheckPlanned,
    CheckStarted,
    CountsTaken,
    Finding,
    Note,
    PartitionsSeen,
    PostsSpent,
    Record,
    ReplicationSeen,
    RowDifference,
    RowsCompared,
    RunFinished,
    RunStarted,
    ServiceEnded,
    StackDescribed,
    WindowChecked,
)


class RunResult(BaseModel):
    """All that a run has seen, grouped: the one model behind the verdict and every report.

    Instants are UTC, durations seconds, sizes bytes. `from_log` reads a run's `run.jsonl`, also of a run that goes
    on or was killed; it raises `ValueError` where that is no log of this suite.

    >>> from tsse_validation import RunResult
    >>> result = RunResult.from_log(RUN / "run.jsonl")
    >>> {check.status.value for check in result.checks}
    {'passed'}
    """

    model_config = ConfigDict(frozen=True)

    started: RunStarted
    stack: StackDescribed | None = None
    planned: tuple[CheckPlanned, ...] = ()
    interrupted: tuple[CheckStarted, ...] = ()
    checks: tuple[CheckFinished, ...] = ()
    counts: tuple[CountsTaken, ...] = ()
    rows_compared: tuple[RowsCompared, ...] = ()
    differences: tuple[RowDifference, ...] = ()
    windows: tuple[WindowChecked, ...] = ()
    backfills: tuple[BackfillSeen, ...] = ()
    partitions: tuple[PartitionsSeen, ...] = ()
    replication: tuple[ReplicationSeen, ...] = ()
    findings: tuple[Finding, ...] = ()
    posts: PostsSpent | None = None
    notes: tuple[Note, ...] = ()
    services_ended: tuple[ServiceEnded, ...] = ()
    finished: RunFinished | None = None

    @classmethod
    def from_records(cls, records: Iterable[Record]) -> "RunResult":
        """Group the records of one run.

        Raises:
            ValueError: the records do not begin with a `RunStarted` of this schema version.

        """
        of: dict[type[Record], list[Any]] = {}
        for record in records:
            of.setdefault(type(record), []).append(record)
        started = _only(of.get(RunStarted, []))
        ended = {check.check_id for check in of.get(CheckFinished, [])}
        return cls(
            started=started,
            stack=_last(of.get(StackDescribed, [])),
            planned=tuple(of.get(CheckPlanned, [])),
            interrupted=tuple(check for check in of.get(CheckStarted, []) if check.check_id not in ended),
            checks=tuple(of.get(CheckFinished, [])),
            counts=tuple(of.get(CountsTaken, [])),
            rows_compared=tuple(of.get(RowsCompared, [])),
            differences=tuple(of.get(RowDifference, [])),
            windows=tuple(of.get(WindowChecked, [])),
            backfills=tuple(of.get(BackfillSeen, [])),
            partitions=tuple(of.get(PartitionsSeen, [])),
            replication=tuple(of.get(ReplicationSeen, [])),
            findings=tuple(of.get(Finding, [])),
            posts=_last(of.get(PostsSpent, [])),
            notes=tuple(of.get(Note, [])),
            services_ended=tuple(of.get(ServiceEnded, [])),
            finished=_last(of.get(RunFinished, [])),
        )

    @classmethod
    def from_log(cls, path: Path) -> "RunResult":
        """Read a run log back."""
        return cls.from_records(read_log(path))


def _only(started: Sequence[RunStarted]) -> RunStarted:
    if len(started) != 1:
        msg = f"a run log starts once, with a run_started record; this one has {len(started)}"
        raise ValueError(msg)
    if started[0].schema_version != SCHEMA_VERSION:
        msg = f"this log has schema version {started[0].schema_version}, this suite reads {SCHEMA_VERSION}"
        raise ValueError(msg)
    return started[0]


def _last(records: Sequence[Any]) -> Any:
    return records[-1] if records else None
