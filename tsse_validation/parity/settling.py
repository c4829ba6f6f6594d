"""Tells what a difference in the job's counts means: by counting again, or by our own reading of both sides."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime
from typing import Protocol

from tsse_validation.clients.watch import ReplicationWatch
from tsse_validation.domain.contract import InspectedDataset
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.windows import Window, spanned
from tsse_validation.parity.count_rules import (
    JobCount,
    OwnCount,
    ShardDays,
    Standing,
    added_up,
    cannot_be_named,
    judged,
    unlike_ours,
)
from tsse_validation.parity.job_counts import ParityJobs, counts_of

_ROUNDS = 3
"""Counts after the first, before a difference is reported."""
MOST_RUNS = 4
"""Parts of a window that are counted by themselves to find out where a surplus lies: two POSTs each."""
POSTS_OF_A_RUN = 2

OwnCounts = Callable[[Sequence[Window], Sequence[str]], Mapping[str, OwnCount]]
"""Counts some sensors by our own reading, over adjacent windows as the job has counted them, added up."""


@dataclass(frozen=True)
class Part:
    """The counts of some sensors in one window, by the job."""

    window: Window
    counts: tuple[JobCount, ...]

    @property
    def sensor_ids(self) -> list[str]:
        """The sensors, by id."""
        return [count.sensor_id for count in self.counts]


@dataclass(frozen=True)
class Explained:
    """What became of sensors that differed at first.

    `late` agree by now, or differ by rows that are not due yet. `copies` have rows beyond those of Postgres that
    stand in several files. `lost` are evidence against the lake. `unsettled` keep differing, and counts cannot
    tell by what. `reasons` says more of what is lost. `last` are the last counts.
    """

    late: frozenset[str] = frozenset()
    copies: tuple[Part, ...] = ()
    lost: tuple[Part, ...] = ()
    unsettled: tuple[Part, ...] = ()
    reasons: tuple[str, ...] = ()
    last: Mapping[tuple[Window, str], JobCount] = field(default_factory=dict)

    @property
    def surplus(self) -> int:
        """Rows of the lake beyond those of Postgres that may be, or are, copies."""
        return sum(count.surplus for part in self.copies for count in part.counts)

    def hold_settled(self) -> None:
        """Raise NotCheckedError when sensors keep differing, by rows that arrive late or by lost ones."""
        if not self.unsettled:
            return
        sensors = {sensor for part in self.unsettled for sensor in part.sensor_ids}
        window = self.unsettled[0].window
        which = f"{count_of(len(sensors), 'sensor')} of {window}"
        msg = f"The counts of {which} keep differing, by rows that keep arriving late or by lost ones."
        if unnameable := cannot_be_named(sensors):
            msg += f" The job trims ids: {', '.join(map(repr, unnameable[:3]))} cannot be counted again."
        raise NotCheckedError(
            msg, "Counts cannot tell: give --database-url and --hot-path, or an earlier --window-end."
        )


class Explaining(Protocol):
    """Explains the sensors that differ in adjacent windows, which the job has counted by an instant.

    Each window comes with the counts of all sensors that differ in any.
    """

    def explain(self, parts: Sequence[Part], counted_by: datetime, *, purpose: str) -> Explained:
        """Return what the differences mean."""


@dataclass
class ByOurReading:
    """Explains by our own counts of both sides: exactly, and at once.

    Compaction may have taken copies away before we read them: then the job counts once more, and we after it, for
    it may have seen rows that came in meanwhile. `again` is that reading where `own` is one that was made before.
    """

    counter: ParityJobs
    own: OwnCounts
    again: OwnCounts | None = None

    def explain(self, parts: Sequence[Part], counted_by: datetime, *, purpose: str) -> Explained:
        """Return what the differences mean; a part's counts are added up with those of the others."""
        del counted_by  # what we read later holds all that the job can have seen
        windows = [part.window for part in parts]
        open_ends = sorted({sensor for part in parts for sensor in part.sensor_ids})
        counts = added_up(part.counts for part in parts)
        ours = self.own(windows, open_ends)
        for _ in range(_ROUNDS):
            wrong = [sensor for sensor in open_ends if unlike_ours(counts[sensor], ours.get(sensor, OwnCount()))]
            wrong = sorted({*wrong} - {*cannot_be_named(wrong)})
            if not wrong:
                break
            counts |= added_up(
                counts_of(self.counter.count(window, wrong, len(wrong), purpose=purpose).result)
                for window in windows
            )
            ours = (self.again or self.own)(windows, open_ends)
        return self._explained(windows, [counts[sensor] for sensor in open_ends], ours)

    def _explained(
        self, windows: Sequence[Window], counts: Sequence[JobCount], ours: Mapping[str, OwnCount]
    ) -> Explained:
        whole = spanned(windows)
        reasons = {count.sensor_id: unlike_ours(count, ours.get(count.sensor_id, OwnCount())) for count in counts}
        lost = [
            count
            for count in counts
            if reasons[count.sensor_id] or not (count.alike or ours.get(count.sensor_id, OwnCount()).matches)
        ]
        explained = [count for count in counts if count not in lost]
        return Explained(
            late=frozenset(count.sensor_id for count in explained if not count.surplus),
            copies=_as_part(whole, (count for count in explained if count.surplus)),
            lost=_as_part(whole, lost),
            reasons=tuple(reason for of_sensor in reasons.values() for reason in of_sensor),
            last={(whole, count.sensor_id): count for count in counts},
        )


def _as_part(window: Window, counts: Iterable[JobCount]) -> tuple[Part, ...]:
    kept = tuple(counts)
    return (Part(window, kept),) if kept else ()


def _nameable(parts: Sequence[Part]) -> tuple[list[Part], tuple[Part, ...]]:
    """Return what differs: the sensors that the job can be asked for by name, and the others."""
    again: list[Part] = []
    never: list[Part] = []
    for part in parts:
        differ = [count for count in part.counts if not count.alike]
        unnameable = set(cannot_be_named(count.sensor_id for count in differ))
        again += _as_part(part.window, (count for count in differ if count.sensor_id not in unnameable))
        never += _as_part(part.window, (count for count in differ if count.sensor_id in unnameable))
    return again, tuple(never)


@dataclass(frozen=True)
class _Open:
    part: Part
    surely: frozenset[str]
    rounds: int = 0
    narrowed: bool = False


@dataclass
class ByCountingAgain:
    """Explains by further counts of the job alone, to the microsecond.

    Rows that are missing are counted again once the watermark has passed the count before: late ones are there by
    then. Rows too many can be copies where an inspection shows several files (`look`). Where they lie is narrowed
    down to the dates without copies, as far as the POST budget goes; `posts_kept` are left of it.
    """

    counter: ParityJobs
    watch: ReplicationWatch
    look: Callable[[], InspectedDataset]
    _: KW_ONLY
    shards: int
    settle_timeout: float
    posts_kept: int

    def explain(self, parts: Sequence[Part], counted_by: datetime, *, purpose: str) -> Explained:
        """Return what the differences mean.

        Raises DeadlineError when the watermark stands still.
        """
        again, never = _nameable(parts)
        found = Explained(late=frozenset(sensor for part in again for sensor in part.sensor_ids), unsettled=never)
        open_ends = [_Open(part, frozenset(part.sensor_ids)) for part in again]
        files = ShardDays(self.shards)
        waits = any(count.lake < count.postgres for part in again for count in part.counts)
        while open_ends:
            if waits:
                self._wait(counted_by)
            counted = [
                self.counter.exactly(one.part.window, one.part.sensor_ids, purpose=purpose) for one in open_ends
            ]
            counted_by, waits = max(of.by for of in counted), True
            if any(count.surplus for of in counted for count in of.counts):
                files = files.and_seen(self.look())
            left: list[_Open] = []
            for one, of in zip(open_ends, counted, strict=True):
                found, still = self._judge(one, of.counts, files, found, purpose)
                left += still
            open_ends = left
        accused = {(part.window, sensor) for part in (*found.lost, *found.unsettled) for sensor in part.sensor_ids}
        named = {sensor for _, sensor in accused} | {s for part in found.copies for s in part.sensor_ids}
        return replace(found, late=found.late - named)

    def _judge(
        self, one: _Open, counts: Sequence[JobCount], files: ShardDays, found: Explained, purpose: str
    ) -> tuple[Explained, list[_Open]]:
        """Judge one round of counts; return what is found, and what must be counted again."""
        window = one.part.window
        before = {count.sensor_id: count.postgres for count in one.part.counts}
        standing = {
            count.sensor_id: judged(
                before[count.sensor_id], count, copies_possible=files.any_several(count.sensor_id, window)
            )
            for count in counts
        }
        found = replace(found, last={**found.last, **{(window, count.sensor_id): count for count in counts}})
        copies = [count for count in counts if standing[count.sensor_id] is Standing.COPIES]
        left = [] if one.narrowed else self._narrowed(window, copies, files, purpose)
        found = replace(found, copies=(*found.copies, *_as_part(window, copies)))
        again = [c for c in counts if standing[c.sensor_id] not in {Standing.ALIKE, Standing.COPIES}]
        surely = one.surely & {s for s, judgement in standing.items() if judgement.speaks_against_the_lake}
        if one.rounds + 1 < _ROUNDS:
            if again:
                left.append(replace(one, part=Part(window, tuple(again)), surely=surely, rounds=one.rounds + 1))
            return found, left
        lost, late = (
            _as_part(window, (count for count in again if (count.sensor_id in surely) is is_lost))
            for is_lost in (True, False)
        )
        return replace(found, lost=(*found.lost, *lost), unsettled=(*found.unsettled, *late)), left

    def _narrowed(self, window: Window, copies: Sequence[JobCount], files: ShardDays, purpose: str) -> list[_Open]:
        """Count the sensors with copies where they can have none; return what differs there all the same."""
        if not copies:
            return []
        sensors = [count.sensor_id for count in copies]
        affordable = (self.counter.jobs.core.budget.available() - self.posts_kept) // POSTS_OF_A_RUN
        differ = []
        for run in files.single_file_runs(sensors, window)[: max(0, min(MOST_RUNS, affordable))]:
            counted = self.counter.exactly(run, sensors, purpose=purpose)
            if part := _as_part(run, (count for count in counted.counts if not count.alike)):
                differ.append(_Open(part[0], frozenset(part[0].sensor_ids), narrowed=True))
        return differ

    def _wait(self, counted_by: datetime) -> None:
        self.watch.wait_until(
            lambda state: state.computed_through_ts is not None and state.computed_through_ts >= counted_by,
            f"A watermark past {format_rfc3339(counted_by)}, which tells late rows from lost ones,",
            self.settle_timeout,
        )
