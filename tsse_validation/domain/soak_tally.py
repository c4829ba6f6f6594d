"""What samples of the watermark prove of the time between them, one by one and in constant memory. Pure.

Between two samples the watermark is at least that of the first. So the age is at most the end of that time less
that watermark: where this is within the limit, the time is proven, and else it is a gap. A sample whose age is
beyond the limit is a breach, unless our machine has just slept: the controller may have slept with it, and its age
is judged again once it had as long as the limit to catch up.

Instants are by the controller's clock. `awake` is in seconds of a clock that stands still while we sleep.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeAlias

WhyUnproven: TypeAlias = Literal["asleep", "unanswered", "waited"]

LEAST_SHARE = 0.99
"""The part of the time asked for that samples must prove: the rest may be lost to a short outage."""
SLEPT_SECONDS = 5.0
"""A shorter sleep needs no grace: replication is not due so soon."""
AHEAD_SECONDS = 2.0
"""A watermark may lie so far in the future of the controller's clock, which we know by the second."""
TOLD_GAP_SECONDS = 1.0
"""A shorter gap is no proof either, and not told."""
_FINE, _MINUTES, _HOURS = 3_600, 86_400, 30 * 86_400


@dataclass(frozen=True)
class WatermarkLook:
    """The watermark at one moment; `slept` is for how many seconds our machine slept since the last look.

    `backfilled` is when the last backfill was completed, `backfilled_to` its target.
    """

    at: datetime
    awake: float
    watermark: datetime | None
    backlog: float | None = None
    slept: float = 0.0
    backfilled: datetime | None = None
    backfilled_to: datetime | None = None

    def set_back_since(self, last: "WatermarkLook | None") -> bool:
        """Whether a backfill that was completed since the last look may have set the watermark to its target.

        Passes go on while one runs, and it sets the watermark to what it was as it began (contract section 3).
        """
        if last is None or self.watermark is None or self.backfilled is None or self.backfilled_to is None:
            return False
        is_new = last.backfilled is None or self.backfilled > last.backfilled
        return is_new and self.watermark >= self.backfilled_to

    @property
    def age(self) -> float | None:
        """The watermark's age in seconds; `None` where it is not known."""
        return None if self.watermark is None else (self.at - self.watermark).total_seconds()


@dataclass(frozen=True)
class UnprovenTime:
    """A time that no sample proves anything of; `age_at_most` is in seconds, `None` where nothing is known."""

    start: datetime
    end: datetime
    why: WhyUnproven
    age_at_most: float | None
    text: str = ""


@dataclass(frozen=True)
class TooOld:
    """A breach: from the first sample beyond the limit to the first that is not; `end` is `None` meanwhile."""

    start: datetime
    end: datetime | None
    worst: float
    worst_at: datetime


@dataclass(frozen=True)
class Retreat:
    """The watermark went back, or is not set any more; `by_backfill` says that this was by design."""

    at: datetime
    was: datetime
    now: datetime | None
    by_backfill: bool = False


@dataclass
class SoakFigures:
    """What a soak rests on so far: seconds, and ages of the samples that were judged. A tally hands out copies.

    `ages` counts these by their age in whole seconds, rounded up: by the minute beyond an hour, by the hour beyond
    a day.
    """

    seconds: float = 0.0
    proven: float = 0.0
    samples: int = 0
    longest_gap: float = 0.0
    age_max: float | None = None
    age_max_at: datetime | None = None
    backlog_max: float | None = None
    breaches: int = 0
    retreats: int = 0
    ages: Mapping[int, int] = field(default_factory=dict)

    def percentile(self, share: float) -> float | None:
        """Return the age that so many of the samples do not exceed, in seconds; `None` without samples."""
        whole = sum(self.ages.values())
        if not whole or self.age_max is None:
            return None
        wanted, seen = math.ceil(share * whole), 0
        for age in sorted(self.ages):
            seen += self.ages[age]
            if seen >= wanted:
                break
        return min(float(age), self.age_max)


Told: TypeAlias = UnprovenTime | TooOld | Retreat


@dataclass
class _OpenGap:
    start: datetime
    end: datetime
    why: WhyUnproven
    age_at_most: float | None
    text: str


class SoakTally:
    """Takes the looks of a soak, and tells of gaps, breaches and retreats as they begin or end.

    `limit` is the oldest watermark that is recent, in seconds. `earlier` are the figures of a soak that is gone on
    with.
    """

    def __init__(self, limit: float, at: datetime, awake: float, earlier: SoakFigures | None = None) -> None:
        self._limit = limit
        self._figures = replace(earlier or SoakFigures(), seconds=0.0, ages={})
        self._ages: dict[int, int] = dict(earlier.ages) if earlier else {}
        self._at, self._awake = at, awake
        self._last: WatermarkLook | None = None
        self._mark: datetime | None = None
        self._gap: _OpenGap | None = None
        self._breach: TooOld | None = None
        self._grace_until = -math.inf
        self._missed = ""

    @property
    def figures(self) -> SoakFigures:
        """What the soak rests on so far."""
        return replace(self._figures, ages=dict(self._ages))

    @property
    def in_breach(self) -> bool:
        """Whether the watermark is older than the limit now, as far as is known."""
        return self._breach is not None

    @property
    def seconds(self) -> float:
        """How long the soak has lasted up to the last look."""
        return self._figures.seconds

    def missed(self, why: str) -> None:
        """Take note that a look since the last one has failed."""
        self._missed = why

    def take(self, look: WatermarkLook) -> Iterator[Told]:
        """Take a look, and yield what begins or ends with it."""
        retreat = self._retreat(look)
        yield from self._pass_time(look.at, look.awake, look.slept, still=retreat is None)
        if retreat is not None:
            self._count(retreats=self._figures.retreats + (not retreat.by_backfill))
            yield retreat
        self._count(samples=self._figures.samples + 1)
        if look.slept > SLEPT_SECONDS:
            self._grace_until = look.awake + self._limit
        if look.backlog is not None:
            self._count(backlog_max=max(look.backlog, self._figures.backlog_max or 0.0))
        self._last, self._missed = look, ""
        yield from self._judge(look)

    def close(self, at: datetime, awake: float, slept: float = 0.0) -> Iterator[Told]:
        """End with the time since the last look; yield the gap or the breach that still lasts."""
        yield from self._pass_time(at, awake, slept, still=True)
        yield from self._end_gap()
        if self._breach is not None:
            yield self._breach

    def _retreat(self, look: WatermarkLook) -> Retreat | None:
        was, now = self._mark, look.watermark
        if now is not None:
            self._mark = now
        if was is None or (now is not None and now >= was):
            return None
        before = self._last.watermark if self._last else None
        if now is None and before is None:
            return None
        return Retreat(look.at, was, now, by_backfill=look.set_back_since(self._last))

    def _pass_time(self, at: datetime, awake: float, slept: float, *, still: bool) -> Iterator[Told]:
        """Account for the time since the last look; `still` says that the watermark did not go back in it."""
        length = max(0.0, awake - self._awake) + slept
        start, self._at, self._awake = self._at, at, awake
        gap = max(self._figures.longest_gap, length)
        self._count(seconds=self._figures.seconds + length, longest_gap=gap)
        if self._breach is not None or not length:
            return
        bound = self._age_at_most(at, length)
        if still and bound is not None and bound <= self._limit:
            self._count(proven=self._figures.proven + length)
            yield from self._end_gap()
        else:
            self._widen_gap(start, at, bound, self._why(slept, still=still))

    def _age_at_most(self, at: datetime, length: float) -> float | None:
        """Return how old the watermark may have been; by both clocks, as the controller's may be set back."""
        age = self._last.age if self._last else None
        if age is None or age < -AHEAD_SECONDS or self._last is None or self._last.watermark is None:
            return None
        return max((at - self._last.watermark).total_seconds(), age + length)

    def _why(self, slept: float, *, still: bool) -> tuple[WhyUnproven, str]:
        last = self._last
        if slept > SLEPT_SECONDS or self._awake <= self._grace_until:
            return "asleep", "our machine slept"
        if self._missed:
            return "unanswered", self._missed
        if not still:
            return "unanswered", "the watermark went back"
        if last is not None and (last.age is None or last.age < -AHEAD_SECONDS):
            return "unanswered", "the watermark was not set" if last.age is None else "the watermark lay ahead"
        return "waited", ""

    def _widen_gap(
        self, start: datetime, end: datetime, bound: float | None, why: tuple[WhyUnproven, str]
    ) -> None:
        gap = self._gap
        if gap is None:
            self._gap = _OpenGap(start, end, why[0], bound, why[1])
            return
        gap.end = end
        unknown = bound is None or gap.age_at_most is None
        gap.age_at_most = None if unknown else max(bound or 0.0, gap.age_at_most or 0.0)
        if why[0] != "waited" and gap.why == "waited":
            gap.why, gap.text = why

    def _end_gap(self) -> Iterator[UnprovenTime]:
        gap, self._gap = self._gap, None
        if gap is not None and (gap.end - gap.start).total_seconds() >= TOLD_GAP_SECONDS:
            yield UnprovenTime(gap.start, gap.end, gap.why, gap.age_at_most, gap.text)

    def _judge(self, look: WatermarkLook) -> Iterator[Told]:
        age, breach = look.age, self._breach
        if age is None or (age > self._limit and breach is None and look.awake < self._grace_until):
            return
        self._count_age(age, look.at)
        if age <= self._limit:
            self._breach = None
            if breach is not None:
                yield replace(breach, end=look.at)
        elif breach is None:
            yield from self._end_gap()
            self._breach = TooOld(look.at, None, age, look.at)
            self._count(breaches=self._figures.breaches + 1)
            yield self._breach
        elif age > breach.worst:
            self._breach = replace(breach, worst=age, worst_at=look.at)

    def _count_age(self, age: float, at: datetime) -> None:
        key = _bucket(age)
        self._ages[key] = self._ages.get(key, 0) + 1
        if self._figures.age_max is None or age > self._figures.age_max:
            self._count(age_max=age, age_max_at=at)

    def _count(self, **changes: object) -> None:
        for name, value in changes.items():
            setattr(self._figures, name, value)


def _bucket(age: float) -> int:
    """Return the whole seconds that stand for an age, never fewer than it has: few values for any age."""
    seconds = math.ceil(max(age, 0.0))
    for end, step in ((_FINE, 1), (_MINUTES, 60), (_HOURS, 3_600)):
        if seconds <= end:
            return -(-seconds // step) * step
    return -(-seconds // 86_400) * 86_400
