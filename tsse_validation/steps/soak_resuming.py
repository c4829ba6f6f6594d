"""Goes on with the soak of an earlier run: what that has seen counts, and the time between both proves nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tsse_validation.domain.phrasing import duration
from tsse_validation.domain.soak_tally import SoakFigures
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.records import Note
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.soak_records import SoakBreach, SoakGap, SoakSeen, SoakSlice
from tsse_validation.steps.resuming import earlier_run
from tsse_validation.steps.run import ValidationRun
from tsse_validation.steps.soak_evidence import WENT_BACK
from tsse_validation.steps.soak_slices import KindProven, SliceKind

LONGEST_PAUSE = timedelta(days=3)
"""A longer pause is none: what was seen before it says little of the controller that is watched now."""


@dataclass(frozen=True)
class EarlierSoak:
    """What a soak of an earlier run has seen, to go on with; `records` are copied, so that the log stands alone.

    `crowded` and `stayed` name what was seen so for too long.
    """

    run_id: str
    figures: SoakFigures
    slices: Mapping[SliceKind, KindProven] = field(default_factory=dict)
    breaches: tuple[SoakBreach, ...] = ()
    crowded: tuple[str, ...] = ()
    stayed: tuple[str, ...] = ()
    records: tuple[Record, ...] = ()


def take_over(run: ValidationRun, now: datetime) -> EarlierSoak | None:
    """Take over the soak of the run named by `--resume`, and say so, or why not; `now` is the controller's clock.

    Raises NotCheckedError as `earlier_run`.
    """
    earlier = earlier_run(run)
    if earlier is None:
        return None
    name = f"run {earlier.started.run_id}"
    if why := why_not(earlier, run.settings.watermark_max_age, now):
        run.record(Note(text=f"The soak of {name} is not gone on with: {why}. This one begins anew."))
        return None
    found = earlier_soak(earlier, now)
    proven = duration(found.figures.proven)
    moot = " It holds a breach, which nothing makes good: no more is watched." if found.figures.breaches else ""
    run.record(*found.records, Note(text=f"The soak of {name} is gone on with: {proven} of it are proven.{moot}"))
    return found


def why_not(earlier: RunResult, limit: float, now: datetime) -> str:
    """Return why an earlier run's soak cannot be gone on with, or nothing; `limit` of the age is in seconds."""
    began, seen = earlier.soak_began, earlier.soak_seen
    if began is None or seen is None:
        return "it had none, or it left nothing"
    if seen.ended == "completed":
        return "it had come to its end"
    if began.limit_seconds > limit:
        return f"it was held to {duration(began.limit_seconds)}, and this one is to {duration(limit)}"
    if now - seen.at > LONGEST_PAUSE:
        return f"it ended more than {LONGEST_PAUSE.days} days ago"
    return ""


def earlier_soak(earlier: RunResult, now: datetime) -> EarlierSoak:
    """Return the soak of an earlier run for which `why_not` says nothing."""
    seen = earlier.soak_seen
    if seen is None:
        msg = "an earlier run without a soak"
        raise ValueError(msg)
    # what a slice since the last total has shown is in the totals of this soak, too
    breaches = tuple({breach.start: breach for breach in earlier.soak_breaches}.values())
    texts = {
        kind: tuple(event.text for event in earlier.soak_events if event.kind == kind)
        for kind in ("file_counts", "temporary_files", "state_went_back")
    }
    retreats = sum(text.startswith(WENT_BACK) for text in texts["state_went_back"])
    return EarlierSoak(
        run_id=earlier.started.run_id,
        figures=replace(_figures(seen), breaches=max(seen.breaches, len(breaches)), retreats=retreats),
        slices={"due": _proven(earlier.soak_slices, "due"), "old_day": _proven(earlier.soak_slices, "old_day")},
        breaches=breaches,
        crowded=texts["file_counts"],
        stayed=texts["temporary_files"],
        records=tuple(_copied(earlier, seen, now)),
    )


def _proven(slices: tuple[SoakSlice, ...], kind: SliceKind) -> KindProven:
    of_kind = [slice_ for slice_ in slices if slice_.kind == kind]
    return KindProven(
        slices=sum(slice_.stands_for for slice_ in of_kind),
        rows=sum(slice_.rows for slice_ in of_kind),
        new_rows=sum(slice_.new_rows for slice_ in of_kind),
        differing=sum(slice_.differing for slice_ in of_kind),
    )


def _figures(seen: SoakSeen) -> SoakFigures:
    return SoakFigures(
        proven=seen.proven_seconds,
        samples=seen.samples,
        longest_gap=seen.longest_gap_seconds,
        age_max=seen.age_max_seconds,
        age_max_at=seen.age_max_at,
        backlog_max=seen.backlog_max_seconds,
        ages=dict(seen.ages),
    )


def _copied(earlier: RunResult, seen: SoakSeen, now: datetime) -> Iterator[Record]:
    """Yield the earlier soak's records, and the time since as a gap; samples after its last total do not count."""
    samples = [sample for sample in earlier.soak_samples if sample.at <= seen.at]
    yield from samples
    yield from earlier.soak_gaps
    yield from earlier.soak_breaches
    yield from earlier.soak_events
    yield from earlier.soak_slices
    yield from earlier.soak_files
    mark = next((sample.watermark for sample in reversed(samples) if sample.watermark is not None), None)
    yield SoakGap(
        start=seen.at,
        end=max(now, seen.at),
        why="waited",
        age_at_most_seconds=None if mark is None else max(0.0, (now - mark).total_seconds()),
        text=f"between run {earlier.started.run_id} and this one",
    )
