"""Writes down what a soak sees at once, tells it in a line, and keeps the first of each for the checks."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.domain.errors import SuiteError
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.soak_tally import Retreat, SoakFigures, Told, TooOld, UnprovenTime, WatermarkLook
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.soak_records import (
    SampleSource,
    SoakBreach,
    SoakEvent,
    SoakGap,
    SoakSample,
    SoakSeen,
)
from tsse_validation.steps.soak_slices import SlicesProven

Ended: TypeAlias = Literal["", "completed", "interrupted"]
MOST_EVENTS = 300
"""Events of one kind, gaps and breaches that are written down: what flaps for days must not fill the log."""
_MOST_SAID = 20
WENT_BACK = "the watermark "
"""How the text of an event begins that tells of a watermark that went back."""
_MOST_KEPT = 20
_REMEMBERED = 200
_MOST_SEEN = 8
_PERCENTILES = (0.5, 0.95, 0.99)


@dataclass
class SoakEvidence:
    """The evidence of one soak.

    `active` returns the lake jobs that run now, or `None` where they cannot be seen. `limit` is in seconds. The
    lists hold the first of each kind.
    """

    record: Callable[[Record], object]
    say: Callable[[str], object]
    active: Callable[[], Sequence[ActiveJob] | None]
    limit: float
    breaches: list[SoakBreach] = field(default_factory=list)
    gaps: list[UnprovenTime] = field(default_factory=list)
    retreats: list[Retreat] = field(default_factory=list)
    _events: deque[SoakEvent] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _told: Counter[str] = field(default_factory=Counter)
    _jobs: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def event(self, event: SoakEvent) -> None:
        """Write an event down and say it; too many of a kind are not."""
        self._events.append(event)
        self._told[event.kind] += 1
        if self._told[event.kind] <= MOST_EVENTS:
            self.record(event)
        self._say(event.kind, event.text)

    def sample(self, look: WatermarkLook, source: SampleSource) -> None:
        """Write a sample down."""
        self.record(
            SoakSample(
                at=look.at,
                source=source,
                watermark=look.watermark,
                age_seconds=None if look.age is None else round(look.age, 3),
                backlog_seconds=look.backlog,
            )
        )

    def told(self, one: Told, at: datetime) -> None:
        """Write down what began or ended with a sample at this moment."""
        if isinstance(one, UnprovenTime):
            self._gap(one)
        elif isinstance(one, TooOld):
            self._breach(one, at)
        else:
            self._retreat(one)

    def look_for_jobs(self, at: datetime) -> None:
        """Tell of each lake job that runs now, once; nothing where they cannot be seen."""
        try:
            jobs = self.active()
        except SuiteError:  # the comparison of rows tells of a Postgres that does not answer
            return
        for job in jobs or ():
            if job.id not in self._jobs:
                self._jobs.append(job.id)
                text = f"the {job.job_type} job {job.id} is {job.status} since {format_rfc3339(job.created_at)}"
                self.event(SoakEvent(at=at, kind="job_running", text=text))

    def seen(self, at: datetime, asked: float, figures: SoakFigures, slices: SlicesProven, ended: Ended) -> None:
        """Write down what the soak rests on so far."""
        p50, p95, p99 = map(figures.percentile, _PERCENTILES)
        due, old = slices.of["due"], slices.of["old_day"]
        self.record(
            SoakSeen(
                at=at,
                asked_seconds=asked,
                seconds=round(figures.seconds, 3),
                proven_seconds=round(figures.proven, 3),
                samples=figures.samples,
                longest_gap_seconds=round(figures.longest_gap, 3),
                age_max_seconds=None if figures.age_max is None else round(figures.age_max, 3),
                age_max_at=figures.age_max_at,
                age_p50_seconds=p50,
                age_p95_seconds=p95,
                age_p99_seconds=p99,
                backlog_max_seconds=figures.backlog_max,
                ages=figures.ages,
                breaches=figures.breaches,
                rows_proven=due.new_rows,
                slices=due.slices,
                old_days=old.slices,
                ended=ended,
            )
        )

    def _say(self, kind: str, text: str) -> None:
        """Say the first of a kind; of the rest, the report tells."""
        said = self._told[kind]
        if said <= _MOST_SAID:
            more = "; more of the kind are in the report only" if said == _MOST_SAID else ""
            self.say(f"soak: {text}{more}")

    def _gap(self, gap: UnprovenTime) -> None:
        if len(self.gaps) < _MOST_KEPT:
            self.gaps.append(gap)
        self._told["gap"] += 1
        if self._told["gap"] > MOST_EVENTS:
            return
        self.record(
            SoakGap(start=gap.start, end=gap.end, why=gap.why, age_at_most_seconds=gap.age_at_most, text=gap.text)
        )
        seconds = (gap.end - gap.start).total_seconds()
        self._say("gap", f"{seconds:.0f} s are not proven{f': {gap.text}' if gap.text else ''}")

    def _breach(self, breach: TooOld, at: datetime) -> None:
        self.look_for_jobs(at)
        seen = SoakBreach(
            start=breach.start,
            end=breach.end,
            worst_seconds=round(breach.worst, 3),
            worst_at=breach.worst_at,
            seen=self._seen_then(breach),
        )
        self._told["breach"] += breach.end is None
        if self._told["breach"] <= MOST_EVENTS:
            self.record(seen)
        if self.breaches and self.breaches[-1].start == seen.start:
            self.breaches[-1] = seen
        elif len(self.breaches) < _MOST_KEPT:
            self.breaches.append(seen)
        if breach.end is None:
            self._say("breach", f"the watermark is {breach.worst:.0f} s old, beyond {self.limit:.0f} s")
        else:
            self._say("breach", f"the watermark is recent again, after at most {breach.worst:.0f} s")

    def _seen_then(self, breach: TooOld) -> tuple[str, ...]:
        """Return what was seen in a breach, and in the time before that may have led to it."""
        since = breach.start - timedelta(seconds=self.limit)
        texts = dict.fromkeys(event.text for event in self._events if event.at >= since)
        return tuple(texts)[:_MOST_SEEN]

    def _retreat(self, retreat: Retreat) -> None:
        if retreat.by_backfill:
            was, now = (format_rfc3339(mark) for mark in (retreat.was, retreat.now) if mark is not None)
            text = f"a backfill has set the watermark back to its target, from {was} to {now}; passes go on there"
            self.event(SoakEvent(at=retreat.at, kind="state_went_back", text=text))
            return
        if len(self.retreats) < _MOST_KEPT:
            self.retreats.append(retreat)
        to = "is not set any more" if retreat.now is None else f"went back to {format_rfc3339(retreat.now)}"
        text = f"{WENT_BACK}{to}; it was {format_rfc3339(retreat.was)}"
        self.event(SoakEvent(at=retreat.at, kind="state_went_back", text=text))
