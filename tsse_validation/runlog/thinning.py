"""Fewer records for a soak that lasts: which of them stay, and for how many each stands. Pure.

Only samples, slices without a difference, counts of files and outdated totals become fewer. What stays is what the
report needs: the extremes, in the order in which they were seen.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.soak_records import SoakFiles, SoakSample, SoakSeen, SoakSlice

THINNED: tuple[type[Record], ...] = (SoakSample, SoakSlice, SoakFiles, SoakSeen)
"""The records that may become fewer. All others stay as they are."""

_R = TypeVar("_R", bound=Record)
_Slot = tuple[int, _R]
"""A record and its place among all."""


def thinned(records: Sequence[Record], most: int, limit: float | None) -> list[Record | None]:
    """Return what takes the place of each record: itself, one that stands for more, or nothing.

    At most about `most` of them stay, but slices with differences always do. `limit` is that of the watermark's
    age, in seconds: samples beyond it stay, as long as they are a quarter of `most`.
    """
    places: list[Record | None] = list(records)
    changes = (
        *_samples(_of(SoakSample, records), most // 2, limit),
        *_slices(_of(SoakSlice, records), most // 4),
        *_files(_of(SoakFiles, records), most // 8),
        *((place, None) for place, _ in _of(SoakSeen, records)[:-1]),
    )
    for place, record in changes:
        places[place] = record
    return places


def _of(kind: type[_R], records: Sequence[Record]) -> "list[_Slot[_R]]":
    return [(place, record) for place, record in enumerate(records) if isinstance(record, kind)]


def _samples(
    slots: "Sequence[_Slot[SoakSample]]", most: int, limit: float | None
) -> Iterator[tuple[int, Record | None]]:
    if len(slots) <= most:
        return
    over = {place for place, sample in slots if _is_over(sample, limit)}
    keep = over if len(over) <= most // 2 else set[int]()
    keep |= {slots[0][0], slots[-1][0]}
    for group in _alike(slots, lambda sample: sample.stands_for, most // 4):
        keep |= {max(group, key=_oldest)[0], min(group, key=_youngest)[0]}
    yield from _folded(slots, keep)


def _is_over(sample: SoakSample, limit: float | None) -> bool:
    return sample.age_seconds is None or (limit is not None and sample.age_seconds > limit)


def _oldest(slot: "_Slot[SoakSample]") -> float:
    age = slot[1].age_seconds
    return float("-inf") if age is None else age


def _youngest(slot: "_Slot[SoakSample]") -> float:
    age = slot[1].age_seconds
    return float("inf") if age is None else age


def _folded(slots: "Sequence[_Slot[SoakSample]]", keep: set[int]) -> Iterator[tuple[int, Record | None]]:
    """Add what does not stay to the last that does; the first always does."""
    kept, stands_for = slots[0], 0
    for place, sample in slots:
        if place in keep and place != kept[0]:
            yield kept[0], _standing_for(kept[1], stands_for)
            kept, stands_for = (place, sample), 0
        elif place != kept[0]:
            yield place, None
        stands_for += sample.stands_for
    yield kept[0], _standing_for(kept[1], stands_for)


def _standing_for(sample: SoakSample, count: int) -> SoakSample:
    return sample if sample.stands_for == count else sample.model_copy(update={"stands_for": count})


def _slices(slots: "Sequence[_Slot[SoakSlice]]", most: int) -> Iterator[tuple[int, Record | None]]:
    for kind in ("due", "old_day"):
        of_kind = [slot for slot in slots if slot[1].kind == kind]
        if len(of_kind) > most // 2:
            for group in _alike(of_kind, lambda slice_: slice_.stands_for, most // 4):
                for run in _joinable(group):
                    yield from ((place, None) for place, _ in run[:-1])
                    yield run[-1][0], _joined([slice_ for _, slice_ in run])


def _joinable(group: "Sequence[_Slot[SoakSlice]]") -> "Iterator[Sequence[_Slot[SoakSlice]]]":
    """Part slices where one has differences, or where rows between two of them were not compared."""
    run: list[_Slot[SoakSlice]] = []
    for slot in group:
        if run and not _adjoin(run[-1][1], slot[1]):
            yield run
            run = []
        run.append(slot)
    yield run


def _adjoin(one: SoakSlice, after: SoakSlice) -> bool:
    apart = one.kind == "due" and after.since is not None and after.since > one.through
    return not (one.differing or after.differing or apart)


def _joined(slices: Sequence[SoakSlice]) -> SoakSlice:
    """Return the last slice as one that stands for all of them."""
    if len(slices) == 1:
        return slices[0]
    return slices[-1].model_copy(
        update={
            "since": slices[0].since,
            "rows": sum(slice_.rows for slice_ in slices),
            "new_rows": sum(slice_.new_rows for slice_ in slices),
            "sensors": max(slice_.sensors for slice_ in slices),
            "seconds": sum(slice_.seconds for slice_ in slices),
            "stands_for": sum(slice_.stands_for for slice_ in slices),
        }
    )


def _files(slots: "Sequence[_Slot[SoakFiles]]", most: int) -> Iterator[tuple[int, Record | None]]:
    if len(slots) <= most:
        return
    keep = {slots[0][0], slots[-1][0]}
    looks: Iterable[Callable[[_Slot[SoakFiles]], int]] = (
        lambda slot: slot[1].files,
        lambda slot: slot[1].most_in_a_shard_day,
        lambda slot: slot[1].temporary or 0,
    )
    for group in _alike(slots, lambda _: 1, most // 6):
        keep |= {max(group, key=look)[0] for look in looks}
    yield from ((place, None) for place, _ in slots if place not in keep)


def _alike(
    slots: "Sequence[_Slot[_R]]", weight: Callable[[_R], int], count: int
) -> "Iterator[Sequence[_Slot[_R]]]":
    """Part records into at most `count` groups of neighbours of about the same weight in sum.

    By weight, so that what was thinned before does not lose its shape to what came later.
    """
    whole, before = sum(weight(record) for _, record in slots), 0
    groups: dict[int, list[_Slot[_R]]] = {}
    for slot in slots:
        groups.setdefault(before * max(1, count) // whole, []).append(slot)
        before += weight(slot[1])
    yield from groups.values()
