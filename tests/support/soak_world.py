"""A controller, a database and a machine for days of a soak that pass in a moment: nothing in it really waits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TypeVar

import httpx

from tests.support.builders import replication
from tsse_validation.clients.core import CoreClient, Health
from tsse_validation.clients.http import Answer
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.contract import (
    HEALTHZ_BODY,
    InspectedDataset,
    InspectedPartition,
    Replication,
    ShardFiles,
)
from tsse_validation.domain.durations import Duration
from tsse_validation.domain.errors import BudgetError, PromiseBrokenError, RefusedError, UnreachableError
from tsse_validation.domain.instants import utc_day
from tsse_validation.domain.polling import quiet
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.soak_records import SampleSource, SoakSlice
from tsse_validation.steps.soak_clock import SoakClock
from tsse_validation.steps.soak_evidence import SoakEvidence
from tsse_validation.steps.soak_watching import LifeWatch, SoakFilesLook
from tsse_validation.steps.soaking import Soak, SoakOrder, SoakOutcome

BEGIN = datetime(2026, 3, 2, 12, tzinfo=UTC)
LIMIT = 420.0
_R = TypeVar("_R", bound=Record)


@dataclass
class World:
    """Seconds since `BEGIN`; `passed` is what our machine was awake for, `slept` for how long it slept.

    `events` are actions at their seconds: they happen when somebody sleeps past them.
    """

    passed: float = 0.0
    slept: float = 0.0
    wall_off: float = 0.0
    controller_off: float = 0.0
    up: bool = True
    replicates: bool = True
    postgres_up: bool = True
    torn: bool = False
    blocked: float = 0.0
    mark_back: float = 0.0
    backfilled_at: float | None = None
    knows_our_job: bool = True
    files_in_a_shard: int = 3
    temporary: tuple[str, ...] = ()
    jobs: tuple[ActiveJob, ...] = ()
    events: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    mark_at: float = -90.0
    reads: int = 0
    said: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    @property
    def true(self) -> float:
        return self.passed + self.slept

    def wall(self) -> datetime:
        return BEGIN + timedelta(seconds=self.true + self.wall_off)

    def controllers_now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.true + self.controller_off)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        while self.events and self.events[0][0] <= self.true:
            _, action = self.events.pop(0)
            action()
        if self.up and self.replicates:
            # a pass each minute, which stays a minute behind
            self.mark_at = max(self.mark_at, self.true // 60 * 60 - 60)

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        self.events = sorted([*self.events, (seconds, action)], key=lambda event: event[0])

    def set(self, seconds: float, **changes: object) -> None:
        """Let something change at a moment."""
        self.at(seconds, lambda: vars(self).update(changes))

    def machine_sleeps(self, at: float, seconds: float) -> None:
        def sleep() -> None:
            self.slept += seconds

        self.at(at, sleep)

    def state(self) -> Replication:
        self.reads += 1
        if self.torn:
            raise PromiseBrokenError("replication.json is not what the contract promises: it is not JSON.")
        mark = BEGIN + timedelta(seconds=self.mark_at - self.mark_back)
        backfill: dict[str, object] = {}
        if self.backfilled_at is not None:
            completed = BEGIN + timedelta(seconds=self.backfilled_at)
            backfill = {"backfill_completed_at": completed, "backfill_to_ts": BEGIN + timedelta(seconds=-30)}
        return replication(computed_through_ts=mark, last_run_backlog_seconds=60, **backfill)

    def of(self, kind: type[_R]) -> list[_R]:
        return [record for record in self.records if isinstance(record, kind)]


@dataclass
class WorldSource:
    world: World
    kind: SampleSource = "state_file"
    pace: float = 10.0

    def read(self) -> Replication:
        if self.kind == "inspection":
            if not self.world.up:
                raise UnreachableError("core-server dropped the connection.")
            if self.world.blocked:
                raise BudgetError("The POST budget of the controller is used up.")
        return self.world.state()

    def files(self) -> SoakFilesLook:
        shards = {"00": ShardFiles(parquet_files=self.world.files_in_a_shard, total_bytes=1)}
        days = {utc_day(BEGIN) - timedelta(days=9): InspectedPartition(location="hot", shards=shards)}
        there = tuple(map(Path, self.world.temporary))
        return SoakFilesLook(InspectedDataset(partitions=days), there if self.kind == "state_file" else None)

    def blocked_for(self) -> float:
        return self.world.blocked


class WorldCore(CoreClient):
    """Answers as the world's controller."""

    def __init__(self, world: World) -> None:
        self.world = world

    def health(self) -> Health:
        if not self.world.up:
            raise RefusedError("core-server refuses the connection.")
        return Health(200, HEALTHZ_BODY, 0.01, format_datetime(self.world.controllers_now(), usegmt=True))

    def authorization(self) -> str:
        return "Bearer a-token"

    def probe(self, job_id: str, authorization: str | None) -> Answer:
        assert authorization
        status = 200 if self.world.knows_our_job else 404
        return Answer(f"/api/analysis/jobs/{job_id}", status, httpx.Headers(), b"", 0.01)


@dataclass
class WorldProver:
    """Compares at once: a row a second, and none that differs unless it is told to."""

    world: World
    through: datetime = BEGIN - timedelta(seconds=90)
    differing: int = 0
    asked: list[str] = field(default_factory=list)
    record: Callable[[Record], object] | None = None
    diagnoses: tuple[str, ...] = ()

    def newly_due(self, through: datetime) -> SoakSlice | None:
        since, self.through = self._read("due"), through
        return None if through <= since else self._slice("due", since, through)

    def old_day(self, through: datetime) -> SoakSlice | None:
        self._read("old_day")
        return self._slice("old_day", None, through)

    def since_start(self, through: datetime) -> SoakSlice | None:
        self._read("since_start")
        return self._slice("since_start", BEGIN - timedelta(seconds=90), through)

    def whole_range(self) -> SoakSlice | None:
        self._read("whole_range")
        return self._slice("whole_range", None, self.through)

    def _read(self, kind: str) -> datetime:
        if not self.world.postgres_up:
            raise UnreachableError("Postgres refuses the connection.")
        self.asked.append(kind)
        return self.through

    def _slice(self, kind: str, since: datetime | None, through: datetime) -> SoakSlice:
        rows = 100 if since is None else round((through - since).total_seconds())
        found = SoakSlice.model_validate(
            {
                "at": self.world.wall(),
                "kind": kind,
                "since": since,
                "through": through,
                "rows": rows,
                "new_rows": rows if kind == "due" else 0,
                "sensors": 3,
                "differing": self.differing,
                "seconds": 0.1,
            }
        )
        (self.record or self.world.records.append)(found)
        return found


def soak_in(
    world: World,
    asked: str = "10m",
    *,
    kind: SampleSource = "state_file",
    pace: float = 10.0,
    prover: WorldProver | None = None,
    record: Callable[[Record], object] | None = None,
    order: SoakOrder | None = None,
) -> SoakOutcome:
    """Soak in a world, with nothing but its clocks."""
    evidence = SoakEvidence(record or world.records.append, world.said.append, lambda: world.jobs, LIMIT)
    clock = SoakClock(None, world.wall, world.monotonic)
    soak = Soak(
        order or SoakOrder(Duration.parse(asked), LIMIT, 900.0),
        WorldSource(world, kind, pace),
        LifeWatch(WorldCore(world), clock, evidence.event, "a-job"),
        evidence,
        prover=prover,
        sleep=world.sleep,
    )
    return soak.run(quiet)
