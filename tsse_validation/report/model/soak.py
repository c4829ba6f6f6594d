"""A soak as a report shows it: what it rests on, what happened, and its course in few enough points. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tsse_validation.domain.contract import BACKLOG_GATE_SECONDS
from tsse_validation.domain.phrasing import count_of, duration, number
from tsse_validation.incremental import GAP_WORDS, breaches, proven_for, rests_on
from tsse_validation.report.model import words
from tsse_validation.report.model.text import Capped
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.soak_records import SoakBegan, SoakSample, SoakSeen, SoakSlice

MAX_POINTS = 500
MAX_HAPPENINGS = 200
_SLICES = {
    "due": "as they became due",
    "old_day": "old days again",
    "since_start": "all since the soak began, at its end",
    "whole_range": "the whole covered range, at its end",
}
HappeningKind = Literal["breach", "gap", "event"]


@dataclass(frozen=True)
class CoursePoint:
    """Neighbouring samples from `start` to `end` as one: their extremes, in seconds."""

    start: datetime
    end: datetime
    least: float
    most: float


@dataclass(frozen=True)
class Course:
    """One quantity over time, in at most `MAX_POINTS` points, with its limit; both in seconds."""

    name: str
    limit: float
    points: tuple[CoursePoint, ...]

    @property
    def least(self) -> float:
        """The lowest sample."""
        return min(point.least for point in self.points)

    @property
    def most(self) -> float:
        """The highest sample."""
        return max(point.most for point in self.points)


@dataclass(frozen=True)
class Happening:
    """A breach, a gap or an event; `end` is `None` where it has none, or had not ended yet."""

    kind: HappeningKind
    start: datetime
    end: datetime | None
    what: str
    said: str

    @property
    def seconds(self) -> float:
        """How long it lasted; nothing where it has no end."""
        return 0.0 if self.end is None else (self.end - self.start).total_seconds()

    @property
    def lasted(self) -> str:
        """How long it lasted, in words."""
        if self.end is None:
            return "not ended" if self.kind == "breach" else ""
        return duration(self.seconds)


@dataclass(frozen=True)
class SliceLine:
    """The rows that were compared in one way in the soak."""

    how: str
    slices: int
    rows: int
    differing: int
    seconds: float


@dataclass(frozen=True)
class SoakReport:
    """Everything that a report shows of a soak.

    `rows` are the rows that were compared as they became due: how many in all at a moment. `seen` is `None` where
    the soak left nothing.
    """

    began: SoakBegan
    seen: SoakSeen | None
    start: datetime
    end: datetime
    rests_on: tuple[str, ...]
    age: Course | None
    backlog: Course | None
    rows: tuple[tuple[datetime, int], ...]
    slices: tuple[SliceLine, ...]
    happenings: Capped[Happening]
    spans: tuple[Happening, ...]
    most_files: int | None
    most_temporary: int | None

    @property
    def breaches(self) -> tuple[Happening, ...]:
        """All breaches."""
        return tuple(one for one in self.spans if one.kind == "breach")

    @property
    def gaps(self) -> tuple[Happening, ...]:
        """All gaps."""
        return tuple(one for one in self.spans if one.kind == "gap")

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """The numbers of the soak, each with its name."""
        return tuple(_facts(self))

    @property
    def in_short(self) -> str:
        """The soak in one phrase."""
        seen = self.seen
        if seen is None:
            return "nothing is proven of it"
        breached = f"{number(seen.breaches)} {'breach' if seen.breaches == 1 else 'breaches'}"
        return (
            f"{proven_for(seen.proven_seconds)} of {duration(seen.asked_seconds)} asked for, "
            f"{count_of(seen.samples, 'sample')}, watermark at most {words.seconds(seen.age_max_seconds)} old "
            f"(p99 {words.seconds(seen.age_p99_seconds)}), {breached}, "
            f"{count_of(seen.rows_proven, 'row')} compared as they became due"
        )


def soak_report(result: RunResult) -> SoakReport | None:
    """Return what a report shows of a run's soak, or `None` of a run without one."""
    began = result.soak_began
    if began is None:
        return None
    happenings = tuple(_happenings(result))
    moments = [began.at, *_moments(result)]
    return SoakReport(
        began=began,
        seen=result.soak_seen,
        start=min(moments),
        end=max(moments),
        rests_on=rests_on(result),
        age=_course("Age of the watermark", began.limit_seconds, result.soak_samples, lambda one: one.age_seconds),
        backlog=_course(
            "Backlog of the last pass", BACKLOG_GATE_SECONDS, result.soak_samples, lambda one: one.backlog_seconds
        ),
        rows=tuple(_rows(result.soak_slices)),
        slices=tuple(_slices(result.soak_slices)),
        happenings=_weightiest(happenings),
        spans=tuple(one for one in happenings if one.kind != "event"),
        most_files=max((look.most_in_a_shard_day for look in result.soak_files), default=None),
        most_temporary=max(
            (look.temporary for look in result.soak_files if look.temporary is not None), default=None
        ),
    )


def _moments(result: RunResult) -> Iterator[datetime]:
    yield from (sample.at for sample in result.soak_samples)
    yield from (slice_.at for slice_ in result.soak_slices)
    if result.soak_seen is not None:
        yield result.soak_seen.at
    for gap in result.soak_gaps:
        yield from (gap.start, gap.end)


def _course(
    name: str, limit: float, samples: Sequence[SoakSample], value: Callable[[SoakSample], float | None]
) -> Course | None:
    measured = [(sample.at, found) for sample in samples if (found := value(sample)) is not None]
    if not measured:
        return None
    points = (
        CoursePoint(group[0][0], group[-1][0], min(of for _, of in group), max(of for _, of in group))
        for group in _groups(measured)
    )
    return Course(name, limit, tuple(points))


def _groups(
    measured: Sequence[tuple[datetime, float]],
) -> Iterator[Sequence[tuple[datetime, float]]]:
    """Part samples into slots of the same time, so that the picture is true in time; none of them is left out."""
    start, whole = measured[0][0], (measured[-1][0] - measured[0][0]).total_seconds() or 1.0
    groups: dict[int, list[tuple[datetime, float]]] = {}
    for at, value in measured:
        slot = int((at - start).total_seconds() / whole * (MAX_POINTS - 1))
        groups.setdefault(slot, []).append((at, value))
    yield from groups.values()


def _rows(slices: Sequence[SoakSlice]) -> Iterator[tuple[datetime, int]]:
    """Yield how many rows had been compared as they became due, at so few moments that they can be drawn."""
    due = [slice_ for slice_ in slices if slice_.kind == "due"]
    every, whole = max(1, -(-len(due) // MAX_POINTS)), 0
    for place, slice_ in enumerate(due, start=1):
        whole += slice_.new_rows
        if place % every == 0 or place == len(due):
            yield slice_.at, whole


def _slices(slices: Sequence[SoakSlice]) -> Iterator[SliceLine]:
    for kind, how in _SLICES.items():
        of_kind = [slice_ for slice_ in slices if slice_.kind == kind]
        if of_kind:
            yield SliceLine(
                how,
                sum(slice_.stands_for for slice_ in of_kind),
                sum(slice_.new_rows if kind == "due" else slice_.rows for slice_ in of_kind),
                sum(slice_.differing for slice_ in of_kind),
                sum(slice_.seconds for slice_ in of_kind),
            )


def _happenings(result: RunResult) -> Iterator[Happening]:
    for breach in breaches(result):
        seen = "; ".join(breach.seen) or "nothing else was seen then"
        worst = (
            f"the watermark became {words.seconds(breach.worst_seconds)} old at {words.moment(breach.worst_at)}"
        )
        yield Happening(
            "breach", breach.start, breach.end, "breach", f"{words.sentence(worst)} {words.sentence(seen)}"
        )
    for gap in result.soak_gaps:
        at_most = gap.age_at_most_seconds
        known = "" if at_most is None else f"the watermark may have become {words.seconds(at_most)} old"
        said = " ".join(words.sentence(text) for text in (gap.text, known) if text)
        yield Happening("gap", gap.start, gap.end, f"gap: {GAP_WORDS[gap.why]}", said)
    for event in result.soak_events:
        yield Happening("event", event.at, None, words.status(event.kind), event.text)


def _weightiest(happenings: Iterable[Happening]) -> Capped[Happening]:
    """Return what happened in the order of time; of very much the breaches first, then the longest gaps."""
    weight = {"breach": 0, "gap": 1, "event": 2}
    ranked = sorted(happenings, key=lambda one: (weight[one.kind], -one.seconds, one.start))
    shown = sorted(ranked[:MAX_HAPPENINGS], key=lambda one: one.start)
    return Capped(tuple(shown), len(ranked))


def _facts(report: SoakReport) -> Iterator[tuple[str, str]]:
    seen, began = report.seen, report.began
    yield "Asked for", duration(began.asked_seconds)
    if seen is None:
        return
    yield "Lasted", f"{duration(seen.seconds)} ({seen.ended or 'its log stops in the middle'})"
    yield "Proven", duration(seen.proven_seconds)
    yield (
        "Samples",
        f"{number(seen.samples)}, by {words.LOOKS[began.source]}, every {duration(began.pace_seconds)}",
    )
    yield "Longest time between two", duration(seen.longest_gap_seconds)
    yield "Oldest watermark", f"{words.seconds(seen.age_max_seconds)} at {words.moment(seen.age_max_at)}"
    of_ages = (seen.age_p50_seconds, seen.age_p95_seconds, seen.age_p99_seconds)
    yield "Age p50, p95, p99", ", ".join(map(words.seconds, of_ages))
    yield "Limit of the age", words.seconds(began.limit_seconds)
    yield "Highest backlog", words.seconds(seen.backlog_max_seconds)
    yield "Breaches", number(seen.breaches)
    yield "Rows compared as they became due", f"{number(seen.rows_proven)} in {count_of(seen.slices, 'slice')}"
    yield "Old days compared again", number(seen.old_days)
    yield "Most files of a shard-day", words.measured(report.most_files)
    yield "Most temporary files", words.measured(report.most_temporary)
    if began.earlier_run:
        yield "Goes on with", f"run {began.earlier_run}"
