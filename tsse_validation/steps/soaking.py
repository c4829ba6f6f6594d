"""Step 9, soak: the watermark is watched for hours, and what newly became due is proven meanwhile (section 6)."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tsse_validation.domain.contract import Replication
from tsse_validation.domain.durations import Duration
from tsse_validation.domain.errors import BudgetError, LogError, SuiteError
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.polling import Update
from tsse_validation.domain.soak_tally import SoakFigures, SoakTally, Told, WatermarkLook
from tsse_validation.runlog.soak_records import SoakBegan, SoakEvent
from tsse_validation.steps.interrupts import deferred_interrupts
from tsse_validation.steps.soak_evidence import Ended, SoakEvidence
from tsse_validation.steps.soak_meanwhile import looks_meanwhile
from tsse_validation.steps.soak_resuming import EarlierSoak
from tsse_validation.steps.soak_slices import SlicesProven, SoakProver
from tsse_validation.steps.soak_watching import FilesWatch, LifeWatch, WatermarkSource

SEEN_SECONDS = 60.0
FILES_SECONDS = 60.0
JOB_SECONDS = 300.0
NEWLY_DUE_SECONDS = 60.0
"""Between two records of what the soak rests on, looks at files, at a job of ours, and comparisons of new rows."""
RETRY_SECONDS = 2.0
"""Until a state file that could not be read is looked at again: it is replaced in an instant."""
_LONGEST_SLEEP = 5.0
_SPENT = "the controller's POST budget was spent by others"


@dataclass(frozen=True)
class SoakOrder:
    """What a soak is asked for; durations in seconds, `limit` is the oldest watermark that is recent.

    `earlier` is the soak of an earlier run that this one goes on with.
    """

    asked: Duration
    limit: float
    old_day_every: float
    earlier: EarlierSoak | None = None

    @property
    def earlier_run(self) -> str:
        """The run whose soak is gone on with, or nothing."""
        return self.earlier.run_id if self.earlier else ""


@dataclass(frozen=True)
class SoakOutcome:
    """What a soak has seen, for the checks that judge it."""

    order: SoakOrder
    figures: SoakFigures
    evidence: SoakEvidence
    files: FilesWatch
    slices: SlicesProven


@dataclass
class _Every:
    """Says when something is due again; where `seconds` is 0, it never is."""

    seconds: float
    due_at: float = -math.inf

    def due(self, awake: float) -> bool:
        return bool(self.seconds) and awake >= self.due_at

    def done(self, awake: float, seconds: float | None = None) -> None:
        self.due_at = awake + (self.seconds if seconds is None else seconds)


class Soak:
    """Watches one controller until the time is over; an interrupt loses nothing that was seen until then.

    `sleep` takes seconds. Without a `prover` no rows are compared; `unproven` says why there is none.
    """

    def __init__(
        self,
        order: SoakOrder,
        source: WatermarkSource,
        life: LifeWatch,
        evidence: SoakEvidence,
        *,
        prover: SoakProver | None,
        sleep: Callable[[float], object],
        unproven: str = "",
    ) -> None:
        self._order, self._source, self._life, self._evidence = order, source, life, evidence
        self._clock = life.clock
        self._sleep = sleep
        self._files = FilesWatch(evidence.event)
        self._slices = SlicesProven(prover, self._tell, unproven)
        self._tally = self._begun_tally(self._clock.now(), self._clock.awake())
        if order.earlier is not None:
            self._go_on_with(order.earlier)
        self._began = self._clock.awake()
        self._slept = self._slept_in_all = 0.0
        self._state: Replication | None = None
        self._proven_through: datetime | None = None
        self._unread = self._closed = False
        self._sampling, self._living, self._counting = _Every(source.pace), _Every(0), _Every(FILES_SECONDS)
        self._seeing, self._looking, self._proving = (
            _Every(SEEN_SECONDS),
            _Every(JOB_SECONDS),
            _Every(NEWLY_DUE_SECONDS),
        )
        self._old_days = _Every(order.old_day_every)

    def run(self, update: Update) -> SoakOutcome:
        """Watch until the time is over, then compare once more; raises what ends the run, and nothing else."""
        try:
            self._begin()
            while self._left() > 0:
                self._round()
                self._show(update)
                self._sleep(self._pause())
            self._last_looks()
            self._compare_once_more(update)
        except BaseException:
            with deferred_interrupts(), suppress(LogError):
                self._end("interrupted")
            raise
        self._end("completed")
        return SoakOutcome(self._order, self._tally.figures, self._evidence, self._files, self._slices)

    def _begun_tally(self, at: datetime, awake: float) -> SoakTally:
        earlier = self._order.earlier.figures if self._order.earlier else None
        return SoakTally(self._order.limit, at, awake, earlier)

    def _go_on_with(self, earlier: EarlierSoak) -> None:
        """Let the checks see what the earlier soak has seen, too."""
        self._slices.of.update(earlier.slices)
        self._evidence.breaches.extend(earlier.breaches)
        self._files.crowded.extend(earlier.crowded)
        self._files.stayed.extend(earlier.stayed)

    def _begin(self) -> None:
        self._check_life()
        look = self._look()
        # what comes before the first answer is no part of the time
        at, awake = (look.at, look.awake) if look else (self._clock.now(), self._clock.awake())
        self._tally = self._begun_tally(at, awake)
        self._began, self._slept, self._slept_in_all = awake, 0.0, 0.0
        self._evidence.record(
            SoakBegan(
                at=at,
                asked_seconds=self._order.asked.total_seconds(),
                limit_seconds=self._order.limit,
                source=self._source.kind,
                pace_seconds=self._source.pace,
                earlier_run=self._order.earlier_run,
            )
        )
        self._take(look)
        for later in (self._seeing, self._looking, self._proving, self._old_days):
            later.done(awake)

    def _left(self) -> float:
        """Return the seconds that are left: what an earlier soak has proven need not be proven again.

        None are after an earlier soak with a breach, which nothing makes good.
        """
        figures = self._order.earlier.figures if self._order.earlier else SoakFigures()
        if figures.breaches:
            return 0.0
        passed = self._clock.awake() - self._began + self._slept_in_all
        return self._order.asked.total_seconds() - figures.proven - passed

    def _pause(self) -> float:
        due = min(self._sampling.due_at, self._living.due_at) - self._clock.awake()
        return max(0.0, min(due, self._left(), _LONGEST_SLEEP))

    def _round(self) -> None:
        awake = self._clock.awake()
        if self._clock.jumped() or awake >= self._living.due_at:
            self._check_life()
        if self._sampling.due(awake):
            self._take(self._look())
        if self._counting.due(awake):
            self._count_files()
        if self._looking.due(awake):
            self._looking.done(awake)
            self._life.look_for_job()
        self._prove()
        if self._seeing.due(awake):
            self._seeing.done(awake)
            if self._tally.in_breach:
                self._evidence.look_for_jobs(self._clock.now())
            self._seen("")

    def _check_life(self) -> None:
        slept = self._life.check().slept
        self._slept += slept
        self._slept_in_all += slept
        self._living.done(self._clock.awake(), self._life.pace)
        if slept:  # the next sample tells what became of the time
            self._sampling.done(self._clock.awake(), 0.0)

    def _look(self) -> WatermarkLook | None:
        """Look at the watermark once; `None` where that could not be done, which is told once."""
        by_api = self._source.kind == "inspection"
        if by_api and not self._life.alive:  # a POST would be spent in vain
            self._missed("the controller does not answer", self._life.pace)
            return None
        if blocked := self._source.blocked_for():
            self._missed(_SPENT, blocked)
            return None
        try:
            state = self._source.read()
        except BudgetError:
            self._missed(_SPENT, self._source.blocked_for())
            return None
        except SuiteError as error:
            if not self._unread:
                self._tell("connection_lost", f"the replication state cannot be read: {error.message}")
            self._unread = True
            self._missed(error.message, self._source.pace if by_api else RETRY_SECONDS)
            return None
        if self._unread:
            self._tell("connection_back", "the replication state can be read again")
        self._unread = False
        self._sampling.done(self._clock.awake())
        if self._clock.jumped():
            self._check_life()
        self._compare_states(state)
        slept, self._slept = self._slept, 0.0
        return self._look_at(state, slept)

    def _look_at(self, state: Replication, slept: float) -> WatermarkLook:
        backlog = state.last_run_backlog_seconds
        backlog = backlog if backlog is not None and math.isfinite(backlog) else None
        now, awake, mark = self._clock.now(), self._clock.awake(), state.computed_through_ts
        done, target = state.backfill_completed_at, state.backfill_to_ts
        return WatermarkLook(now, awake, mark, backlog, slept, done, target)

    def _missed(self, why: str, retry: float) -> None:
        self._tally.missed(why)
        self._sampling.done(self._clock.awake(), max(retry, 1.0))

    def _compare_states(self, state: Replication) -> None:
        """Tell where the state knows less of a backfill than it did: an older one has taken its place."""
        before, self._state = self._state, state
        was = before.backfill_completed_at if before else None
        if was is not None and (state.backfill_completed_at is None or state.backfill_completed_at < was):
            self._tell("state_went_back", "the replication state is older than before: its backfill is another")

    def _take(self, look: WatermarkLook | None) -> None:
        if look is not None:
            if look.age is not None and (look.age > self._order.limit) != self._tally.in_breach:
                self._check_life()  # a breach begins or ends: is the controller there?
            self._evidence.sample(look, self._source.kind)
            self._tell_all(self._tally.take(look), look.at)

    def _tell_all(self, told: Iterable[Told], at: datetime) -> None:
        for one in told:
            self._evidence.told(one, at)

    def _count_files(self) -> None:
        self._counting.done(self._clock.awake())
        with suppress(SuiteError):  # the samples tell of a lake that cannot be read
            if (look := self._source.files()) is not None:
                seen = self._files.take(look, self._clock.now(), self._clock.awake(), alive=self._life.alive)
                self._evidence.record(seen)

    def _prove(self) -> None:
        mark, awake = self._watermark, self._clock.awake()
        if mark is None or self._slices.prover is None:
            return
        if self._proving.due(awake) and mark != self._proven_through:
            with self._looking_on():
                if self._slices.newly_due(mark):
                    self._proven_through = mark
            self._proving.done(self._clock.awake())
        if self._old_days.due(awake):
            with self._looking_on():
                self._slices.old_day(mark)
            self._old_days.done(self._clock.awake())

    @contextmanager
    def _looking_on(self) -> Iterator[None]:
        """Take samples during the block as well; where rows can be compared, they cost no job."""
        with looks_meanwhile(self._quiet_look, self._source.pace) as looks:
            try:
                yield
            finally:
                for look in looks:
                    self._take(look)

    def _quiet_look(self) -> WatermarkLook | None:
        """Look without a word; what fails, or comes after a jump of the clocks, the next round tells of."""
        with suppress(SuiteError):
            state = self._source.read()
            if not self._clock.jumped() and not self._slept:
                return self._look_at(state, 0.0)
        return None

    @property
    def _watermark(self) -> datetime | None:
        return self._state.computed_through_ts if self._state else None

    def _last_looks(self) -> None:
        self._check_life()
        self._take(self._look())
        self._count_files()
        self._life.look_for_job()
        self._close()

    def _compare_once_more(self, update: Update) -> None:
        mark = self._watermark
        if mark is None or self._slices.prover is None:
            return
        whole = round(self._order.asked.total_seconds())
        update(whole, whole, "the time is over: comparing what became due once more")
        self._slices.newly_due(mark)
        if self._order.old_day_every and not self._slices.of["old_day"].slices:
            self._slices.old_day(mark)
        self._slices.since_start(mark)
        update(whole, whole, "the time is over: comparing the whole range once more")
        self._slices.whole_range()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            at = self._clock.now()
            self._tell_all(self._tally.close(at, self._clock.awake(), self._slept), at)

    def _end(self, ended: Ended) -> None:
        self._close()
        self._seen(ended)

    def _seen(self, ended: Ended) -> None:
        figures, asked = self._tally.figures, self._order.asked.total_seconds()
        self._evidence.seen(self._clock.now(), asked, figures, self._slices, ended)

    def _show(self, update: Update) -> None:
        figures = self._tally.figures
        whole = round(self._order.asked.total_seconds())
        most = "" if figures.age_max is None else f", age at most {figures.age_max:.0f} s"
        rows = f", {count_of(self._slices.of['due'].new_rows, 'row')} proven" if self._slices.prover else ""
        update(
            min(whole, whole - round(self._left())), whole, f"{count_of(figures.samples, 'sample')}{most}{rows}"
        )

    def _tell(
        self,
        kind: Literal["connection_lost", "connection_back", "state_went_back", "postgres_lost", "postgres_back"],
        text: str,
    ) -> None:
        self._evidence.event(SoakEvent(at=self._clock.now(), kind=kind, text=text))
