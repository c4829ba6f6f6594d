"""All that a run has seen, grouped: the one model behind the verdict and every report."""

from collections.abc import Iterable, Mapping, Sequence
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
    FarmSeen,
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

_SINGLE: Mapping[str, type[Record]] = {
    "stack": StackDescribed,
    "farm": FarmSeen,
    "posts": PostsSpent,
    "finished": RunFinished,
}
"""Keys of the result that hold one record, the last of its kind."""
_LISTED: Mapping[str, type[Record]] = {
    "planned": CheckPlanned,
    "checks": CheckFinished,
    "counts": CountsTaken,
    "rows_compared": RowsCompared,
    "differences": RowDifference,
    "windows": WindowChecked,
    "backfills": BackfillSeen,
    "partitions": PartitionsSeen,
    "replication": ReplicationSeen,
    "findings": Finding,
    "notes": Note,
    "services_ended": ServiceEnded,
}
"""Keys that hold all records of a kind."""


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
    farm: FarmSeen | None = None
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
            interrupted=tuple(check for check in of.get(CheckStarted, []) if check.check_id not in ended),
            **{name: tuple(of.get(kind, [])) for name, kind in _LISTED.items()},
            **{name: of[kind][-1] for name, kind in _SINGLE.items() if kind in of},
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
