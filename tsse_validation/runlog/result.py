"""The records of a run, grouped: the one model behind the verdict and every report."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from tsse_validation.runlog.beyond_record import BeyondCompared
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.runlog.differences_record import DifferencesKept
from tsse_validation.runlog.failure_records import FailureTried
from tsse_validation.runlog.helper_record import HelperRan
from tsse_validation.runlog.log import read_log
from tsse_validation.runlog.records import (
    SCHEMA_VERSION,
    BackfillSeen,
    CheckFinished,
    CheckPlanned,
    CheckStarted,
    CountsTaken,
    EarlierRun,
    ExtentSeen,
    FarmSeen,
    Finding,
    JobCoverage,
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
from tsse_validation.runlog.seal_record import SealUsed
from tsse_validation.runlog.session_record import SessionsUsed
from tsse_validation.runlog.setting_record import SettingTried
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


class RunResult(BaseModel):
    """The records of a run, grouped: the one model behind the verdict and every report.

    Instants are UTC, durations seconds, sizes bytes. `from_log` reads a `run.jsonl`, also of a run that is under
    way or was killed. It raises `ValueError` if the file is no log of this suite.

    >>> from tsse_validation import RunResult
    >>> result = RunResult.from_log(RUN / "run.jsonl")
    >>> {check.status.value for check in result.checks}
    {'passed'}
    """

    model_config = ConfigDict(frozen=True)

    started: RunStarted
    tried: tuple[SettingTried, ...] = ()
    stack: StackDescribed | None = None
    farm: FarmSeen | None = None
    database: DatabaseSeen | None = None
    seals: tuple[SealUsed, ...] = ()
    planned: tuple[CheckPlanned, ...] = ()
    interrupted: tuple[CheckStarted, ...] = ()
    checks: tuple[CheckFinished, ...] = ()
    counts: tuple[CountsTaken, ...] = ()
    rows_compared: tuple[RowsCompared, ...] = ()
    beyond_compared: BeyondCompared | None = None
    job_coverage: JobCoverage | None = None
    extent: ExtentSeen | None = None
    differences: tuple[RowDifference, ...] = ()
    differences_kept: DifferencesKept | None = None
    windows: tuple[WindowChecked, ...] = ()
    backfills: tuple[BackfillSeen, ...] = ()
    partitions: tuple[PartitionsSeen, ...] = ()
    replication: tuple[ReplicationSeen, ...] = ()
    findings: tuple[Finding, ...] = ()
    posts: PostsSpent | None = None
    sessions: SessionsUsed | None = None
    notes: tuple[Note, ...] = ()
    services_ended: tuple[ServiceEnded, ...] = ()
    earlier_run: EarlierRun | None = None
    helpers: tuple[HelperRan, ...] = ()
    failures: tuple[FailureTried, ...] = ()
    soak_began: SoakBegan | None = None
    soak_samples: tuple[SoakSample, ...] = ()
    soak_gaps: tuple[SoakGap, ...] = ()
    soak_breaches: tuple[SoakBreach, ...] = ()
    soak_events: tuple[SoakEvent, ...] = ()
    soak_slices: tuple[SoakSlice, ...] = ()
    soak_files: tuple[SoakFiles, ...] = ()
    soak_seen: SoakSeen | None = None
    finished: RunFinished | None = None

    @classmethod
    def from_records(cls, records: Iterable[Record]) -> "RunResult":
        """Group the records of one run by the fields' types; a field without a tuple takes the last of its kind.

        Raises:
            ValueError: the records do not begin with a `RunStarted` of this schema version.

        """
        of: dict[type[Record], list[Any]] = {}
        for record in records:
            of.setdefault(type(record), []).append(record)
        _require_one_start(of.get(RunStarted, []))
        grouped: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            kind, *_ = get_args(field.annotation) or (field.annotation,)
            found = of.get(kind, [])
            if get_origin(field.annotation) is tuple:
                grouped[name] = tuple(found)
            elif found:
                grouped[name] = found[-1]
        ended = {check.check_id for check in grouped["checks"]}
        under_way = tuple(check for check in grouped["interrupted"] if check.check_id not in ended)
        return cls(**grouped | {"interrupted": under_way})

    @classmethod
    def from_log(cls, path: Path) -> "RunResult":
        """Read a run log back."""
        return cls.from_records(read_log(path))


def _require_one_start(started: Sequence[RunStarted]) -> None:
    if len(started) != 1:
        msg = f"a run log starts once, with a run_started record; this one has {len(started)}"
        raise ValueError(msg)
    if started[0].schema_version != SCHEMA_VERSION:
        msg = f"this log has schema version {started[0].schema_version}, this suite reads {SCHEMA_VERSION}"
        raise ValueError(msg)
