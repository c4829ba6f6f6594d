"""A soak of days in seconds: the suite's own loop, with clocks, a controller and a machine that are simulated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tests.support.soaked import BEGAN, LIMIT
from tsse_validation.clients.core import Health
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.contract import BACKFILL_JOB, HEALTHZ_BODY, Replication
from tsse_validation.domain.durations import Duration
from tsse_validation.domain.errors import RefusedError
from tsse_validation.domain.polling import quiet
from tsse_validation.runlog.log import RunLog
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.redaction import Redactor
from tsse_validation.runlog.soak_records import SampleSource, SoakSlice
from tsse_validation.steps.soak_clock import SoakClock
from tsse_validation.steps.soak_evidence import SoakEvidence
from tsse_validation.steps.soak_resuming import EarlierSoak
from tsse_validation.steps.soak_watching import LifeWatch, SoakFilesLook
from tsse_validation.steps.soaking import Soak, SoakOrder, SoakOutcome

if TYPE_CHECKING:
    from tsse_validation.clients.core import CoreClient

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
LAG = 60.0
"""How far the simulated controller stays behind the present, in seconds."""
ROWS_A_SECOND = 9

Span = tuple[float, float]
"""From when to when, in seconds since the soak began."""


@dataclass
class World:
    """The time, and what goes wrong when.

    `asleep` is our machine, `down` the controller, `stuck` its replication.
    """

    asleep: Sequence[Span] = ()
    down: Sequence[Span] = ()
    stuck: Sequence[Span] = ()
    interrupt_at: float = float("inf")
    passed: float = 0.0
    awake: float = 1_000.0

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.passed)

    def sleep(self, seconds: float) -> None:
        """Let time pass; a machine that falls asleep wakes up much later, its monotonic clock has stood still."""
        self.passed += seconds
        self.awake += seconds
        for start, end in self.asleep:
            if start <= self.passed < end:
                self.passed = end
        if self.passed >= self.interrupt_at:
            raise KeyboardInterrupt

    def monotonic(self) -> float:
        return self.awake

    def is_down(self) -> bool:
        return _within(self.down, self.passed)

    def watermark(self) -> datetime:
        """Return the watermark of the last pass: one a minute, while the controller and its replication run."""
        last_pass = self.passed // MINUTE * MINUTE
        while _within((*self.down, *self.stuck), last_pass):
            last_pass -= MINUTE
        return BEGAN + timedelta(seconds=last_pass - LAG)


def _within(spans: Sequence[Span], at: float) -> bool:
    return any(start <= at < end for start, end in spans)


@dataclass
class SimulatedSource:
    """The state file of the simulated controller; it can be read while that is down."""

    world: World
    pace: float
    kind: SampleSource = "state_file"

    def read(self) -> Replication:
        mark = self.world.watermark()
        return Replication(
            computed_through_ts=mark, last_run_backlog_seconds=(self.world.now() - mark).total_seconds() // 1
        )

    def files(self) -> SoakFilesLook | None:
        return None

    def blocked_for(self) -> float:
        return 0.0


@dataclass
class SimulatedCore:
    """Answers as core-server does, unless it is down."""

    world: World

    def health(self) -> Health:
        if self.world.is_down():
            raise RefusedError("core-server refuses the connection.", "Is it running?")
        return Health(200, dict(HEALTHZ_BODY), 0.01, format_datetime(self.world.now(), usegmt=True))


@dataclass
class SimulatedProver:
    """Compares rows that agree: so many for each second that became due."""

    world: World
    record: Callable[[Record], object]
    mark: datetime = BEGAN - timedelta(seconds=LAG)

    def newly_due(self, through: datetime) -> SoakSlice | None:
        if through <= self.mark:
            return None
        new = round((through - self.mark).total_seconds() * ROWS_A_SECOND)
        since, self.mark = self.mark, through
        return self._compared("due", through, since, new + 900 * ROWS_A_SECOND, new)

    def old_day(self, through: datetime) -> SoakSlice | None:
        return self._compared("old_day", through, None, round(DAY) * ROWS_A_SECOND, 0)

    def since_start(self, through: datetime) -> SoakSlice | None:
        rows = round((through - BEGAN).total_seconds() * ROWS_A_SECOND)
        return self._compared("since_start", through, BEGAN, rows, 0)

    def whole_range(self) -> SoakSlice | None:
        return self._compared("whole_range", self.mark, None, 90 * round(DAY) * ROWS_A_SECOND, 0)

    def _compared(self, kind: str, through: datetime, since: datetime | None, rows: int, new: int) -> SoakSlice:
        compared = SoakSlice.model_validate(
            {
                "at": self.world.now(),
                "kind": kind,
                "since": since,
                "through": through,
                "day": BEGAN.date() if kind == "old_day" else None,
                "rows": rows,
                "new_rows": new,
                "sensors": 540,
                "differing": 0,
                "seconds": round(rows / 400_000, 3),
            }
        )
        self.record(compared)
        return compared


@dataclass
class SimulatedSoak:
    """The suite's loop in a world; `run` goes on until the time is over, or the world interrupts it."""

    world: World
    record: Callable[[Record], object]
    pace: float = 10.0
    said: list[str] = field(default_factory=list)

    def run(self, asked: float, earlier: EarlierSoak | None = None) -> SoakOutcome:
        world = self.world
        evidence = SoakEvidence(self.record, self.said.append, self._active, LIMIT)
        clock = SoakClock(None, world.now, world.monotonic)
        core = cast("CoreClient", SimulatedCore(world))
        prover = SimulatedProver(world, self.record, world.watermark())
        soak = Soak(
            SoakOrder(Duration(seconds=asked), LIMIT, 6 * HOUR, earlier),
            SimulatedSource(world, self.pace),
            LifeWatch(core, clock, evidence.event),
            evidence,
            prover=prover,
            sleep=world.sleep,
        )
        return soak.run(quiet)

    def _active(self) -> Sequence[ActiveJob] | None:
        """Return a backfill that somebody runs for as long as replication is stuck."""
        if not _within(self.world.stuck, self.world.passed):
            return ()
        began = BEGAN + timedelta(seconds=self.world.stuck[0][0])
        return (ActiveJob("7f0c9d1e-6a41-4f0e-9d55-0b1f6a3c2d10", BACKFILL_JOB, "running", began),)


WEEK = World(
    # a laptop's night; an upgrade of the controller; a backfill of somebody else that holds replication up
    asleep=[(1.9 * DAY, 2.25 * DAY)],
    down=[(3.4 * DAY, 3.4 * DAY + 3 * MINUTE)],
    stuck=[(5.2 * DAY, 5.2 * DAY + 22 * MINUTE)],
)


def week_of_records(directory: Path, pace: float = 10.0, begin: Sequence[Record] = ()) -> Path:
    """Write the log of a week's soak, and return it; `begin` are the records before it."""
    log = RunLog(directory / "run.jsonl", Redactor())
    for record in begin:
        log.append(record)
    SimulatedSoak(WEEK, log.append, pace).run(7 * DAY)
    log.close()
    return log.path
