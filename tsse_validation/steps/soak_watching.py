"""What a soak looks at: the watermark, signs of life, a job of ours, the lake's files (contract sections 3, 4)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.domain.contract import (
    INSPECT_JOB,
    POST_REFILL_SECONDS,
    InspectedDataset,
    InspectResult,
    Job,
    Replication,
    is_healthy,
)
from tsse_validation.domain.errors import DeadlineError, RefusedError, SuiteError
from tsse_validation.domain.instants import utc_day
from tsse_validation.domain.phrasing import count_of
from tsse_validation.lake.reader import LakeReader
from tsse_validation.runlog.soak_records import SampleSource, SoakEvent, SoakFiles
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.inspecting import COMPACTION_SECONDS, dataset_of
from tsse_validation.steps.promises import crowded_shards
from tsse_validation.steps.soak_clock import ClockMove, SoakClock

FILE_PACE_SECONDS = 10.0
LEAST_JOB_PACE_SECONDS = 1.5 * POST_REFILL_SECONDS
"""By the API each sample is a job: two of three POSTs that the budget refills, and one is left to others."""
HEALTH_SECONDS = 30.0
LOST_SECONDS = 5.0
"""Between two signs of life, and while there is none."""
STAYS_SECONDS = 600.0
"""A temporary file that is there for so long is none that is being written."""
_INSPECTION_SECONDS = 90.0
_STILL_SECONDS = 20.0
_MOST_TOLD = 20

Tell = Callable[[SoakEvent], object]


@dataclass(frozen=True)
class SoakFilesLook:
    """The lake's files at one moment; `temporary` is `None` where the files themselves cannot be listed."""

    dataset: InspectedDataset
    temporary: tuple[Path, ...] | None


class WatermarkSource(Protocol):
    """Where samples come from; `pace` is in seconds."""

    kind: SampleSource
    pace: float

    def read(self) -> Replication:
        """Return the replication state of now; raises SuiteError when it cannot be read."""

    def files(self) -> SoakFilesLook | None:
        """Return the lake's files, where they can be looked at without another job; errors as in `read`."""

    def blocked_for(self) -> float:
        """Return the seconds until the POST budget allows a look, or 0."""


@dataclass
class FileSource:
    """Samples by the lake's state file."""

    lake: LakeReader
    pace: float = FILE_PACE_SECONDS
    kind: SampleSource = "state_file"

    def read(self) -> Replication:
        """Read the state file."""
        return self.lake.replication()

    def files(self) -> SoakFilesLook:
        """Walk the lake once."""
        listing = self.lake.listing()
        return SoakFilesLook(dataset_of(listing), listing.temporary)

    def blocked_for(self) -> float:
        """Return 0: reading costs no POST."""
        return 0.0


@dataclass
class JobSource:
    """Samples by inspection jobs, each of which has the lake's files too.

    `jobs` must not wait for the POST budget: it raises BudgetError, and the next look is made when there is one. A
    job that waits behind others is followed by the next look, so that none is added to it.
    """

    jobs: JobRunner
    timeout: float
    pace: float = LEAST_JOB_PACE_SECONDS
    kind: SampleSource = "inspection"
    _last: SoakFilesLook | None = None
    _waiting: Job | None = None

    def read(self) -> Replication:
        """Run an inspection; one that a crash has left running is given up."""
        core = self.jobs.core
        job = self._waiting or core.create_job(INSPECT_JOB, {}, purpose="soak")
        self._waiting = None
        timeout = min(self.timeout, _INSPECTION_SECONDS)
        try:
            found = self.jobs.follow(job, InspectResult, timeout=timeout, still_after=_STILL_SECONDS)
        except DeadlineError:
            self._waiting = job if core.job(job.id).status == "pending" else None
            raise
        inspection = found.result.inspection
        self._last = SoakFilesLook(inspection.metrics, None)
        return inspection.replication

    def files(self) -> SoakFilesLook | None:
        """Return what the last inspection has shown, once."""
        last, self._last = self._last, None
        return last

    def blocked_for(self) -> float:
        """Return the seconds until there is a POST to spend."""
        return 0.0 if self._waiting else self.jobs.core.budget.delay()


def sample_pace(settings: Settings, *, by_file: bool) -> float:
    """Return the seconds between two samples: as asked for, and by jobs never more often than the budget bears."""
    asked = settings.soak_pace.total_seconds() if settings.soak_pace else 0.0
    return (asked or FILE_PACE_SECONDS) if by_file else max(asked, LEAST_JOB_PACE_SECONDS)


def source_for(lake: LakeReader | None, jobs: JobRunner, settings: Settings) -> WatermarkSource:
    """Return where a soak's samples come from: the state file where it is readable, else jobs."""
    pace = sample_pace(settings, by_file=lake is not None)
    return JobSource(jobs, settings.job_timeout, pace) if lake is None else FileSource(lake, pace)


@dataclass
class LifeWatch:
    """Asks for a sign of life, which costs no POST, and reads the controller's clock with it.

    Its loss and its return are told once each. `job_id` is a job of ours: should the controller not know it any
    more, its database is another.
    """

    core: CoreClient
    clock: SoakClock
    tell: Tell
    job_id: str | None = None
    _lost_at: float | None = None
    _refused: bool = False

    @property
    def alive(self) -> bool:
        """Whether the last sign of life came."""
        return self._lost_at is None

    @property
    def pace(self) -> float:
        """Seconds until the next sign of life is asked for."""
        return HEALTH_SECONDS if self.alive else LOST_SECONDS

    def check(self) -> ClockMove:
        """Ask once, and return what the clocks have done since; raises nothing."""
        try:
            health = self.core.health()
        except SuiteError as error:
            return self._lost(error.message, refused=isinstance(error, RefusedError))
        if health.status != 200 or not is_healthy(health.body):
            return self._lost(f"GET /healthz answers {health.status}.", refused=False)
        move = self.clock.read(health.date)
        if self._lost_at is not None:
            self._back(self.clock.awake() - self._lost_at)
        if move.moved:
            text = f"the controller's clock has been set by {move.moved:+.0f} s, as seen from here"
            self._event("clock_set", text)
        return move

    def look_for_job(self) -> None:
        """Tell, once, where the controller does not know our job any more; raises nothing."""
        if self.job_id is None or not self.alive:
            return
        try:
            answer = self.core.probe(self.job_id, self.core.authorization())
        except SuiteError:
            return
        if answer.status == 404:
            self._event("job_vanished", f"the controller does not know our job {self.job_id} any more")
            self.job_id = None

    def _lost(self, why: str, *, refused: bool) -> ClockMove:
        if self._lost_at is None:
            self._lost_at = self.clock.awake()
            self._event("connection_lost", why)
        self._refused = self._refused or refused
        return self.clock.read(None) if self.clock.jumped() else ClockMove()

    def _back(self, seconds: float) -> None:
        refused, self._lost_at, self._refused = self._refused, None, False
        self._event("connection_back", f"the controller answers again, after {seconds:.0f} s")
        if refused:
            self._event("restart", "the controller was restarted: nothing listened at its port meanwhile")

    def _event(self, kind: str, text: str) -> None:
        self.tell(SoakEvent.model_validate({"at": self.clock.now(), "kind": kind, "text": text}))


@dataclass
class FilesWatch:
    """Sees shard-days that stay crowded, and temporary files that stay. Pure: looks come from outside.

    `crowded` and `stayed` name what was seen so for too long.
    """

    tell: Tell
    crowded: list[str] = field(default_factory=list)
    stayed: list[str] = field(default_factory=list)
    looks: int = 0
    most: int = 0
    _crowded_since: dict[str, float] = field(default_factory=dict)
    _temporary_since: dict[str, float] = field(default_factory=dict)

    @property
    def crowded_now(self) -> bool:
        """Whether a shard-day held too many files when it was last looked at."""
        return bool(self._crowded_since)

    def take(self, look: SoakFilesLook, at: datetime, awake: float, *, alive: bool) -> SoakFiles:
        """Take a look and return its record; while the controller is away nothing is compacted, nor expected."""
        partitions = look.dataset.partitions.values()
        most = max((partition.most_in_a_shard for partition in partitions), default=0)
        self.looks, self.most = self.looks + 1, max(self.most, most)
        crowded = {text.split(":")[0]: text for text in crowded_shards(look.dataset, utc_day(at))}
        if not alive:
            self._crowded_since.clear()
        else:
            for key in _lasting(self._crowded_since, crowded, awake, COMPACTION_SECONDS):
                self._told(self.crowded, crowded[key], "file_counts", f"{crowded[key]}, and no compaction", at)
        temporary = [str(path) for path in look.temporary or ()]
        for name in _lasting(self._temporary_since, temporary, awake, STAYS_SECONDS):
            self._told(self.stayed, name, "temporary_files", f"{Path(name).name} stays", at)
        return SoakFiles(
            at=at,
            files=sum(partition.parquet_files for partition in partitions),
            most_in_a_shard_day=most,
            temporary=None if look.temporary is None else len(look.temporary),
        )

    def _told(self, known: list[str], what: str, kind: str, text: str, at: datetime) -> None:
        if len(known) < _MOST_TOLD:
            known.append(what)
            self.tell(SoakEvent.model_validate({"at": at, "kind": kind, "text": text}))


def _lasting(since: dict[str, float], there: Iterable[str], awake: float, seconds: float) -> Iterator[str]:
    """Note what is there now, forget what is not, and yield once what has been there for so many seconds."""
    present = set(there)
    for gone in since.keys() - present:
        del since[gone]
    for name in sorted(present):
        first = since.setdefault(name, awake)
        if awake - first >= seconds:
            since[name] = float("inf")
            yield name


def files_in_words(watch: FilesWatch) -> str:
    """Say how often the files were looked at, and the most that one shard-day held."""
    return f"{count_of(watch.looks, 'look')}, at most {count_of(watch.most, 'file')} in a shard-day"
