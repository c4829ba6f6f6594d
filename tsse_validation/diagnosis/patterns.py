"""Finds what the differing rows of a day have in common, and gives each row its diagnosis. Pure.

A fault of replication seldom hits rows at random: it loses the head of a day, rounds every value, moves every
timestamp by an hour. The rows of a sensor-day show such a pattern together. A single row fits too many patterns,
so that other rows decide: those of its day about a lost head or tail, those of the run about all else.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from tsse_validation.parity.comparing import Kept

FEWEST_ROWS = 2
"""The fewest rows that show a pattern; a single row gets the diagnosis of its kind."""

Row = Mapping[str, Any]
"""A differing row, with the columns of `parity.DayComparison.differences`."""


@dataclass(frozen=True)
class RowDiagnosis:
    """One differing row's diagnosis, and its detail (an offset, a unit).

    `alike` are patterns that the row fits as well, but that too few rows of its sensor-day show.
    """

    diagnosis: str
    detail: str = ""
    alike: tuple["RowDiagnosis", ...] = ()

    def by(self, shown: Container[tuple[str, str]]) -> "RowDiagnosis":
        """Return the diagnosis of the row once other rows have `shown` their patterns."""
        return next((like for like in self.alike if like.pattern in shown), self)

    @property
    def pattern(self) -> tuple[str, str]:
        """What all rows of one pattern share; the end of a lost head differs from sensor to sensor."""
        return self.diagnosis, "" if self.diagnosis in _OF_A_DAY else self.detail


def tell(rows: Sequence[Row], kept: Mapping[str, Kept]) -> Iterator[tuple[Row, RowDiagnosis]]:
    """Yield each differing row of a day, ordered by sensor, with its diagnosis."""
    told = [
        pair
        for sensor_id, of_sensor in groupby(rows, key=lambda row: row["sensor_id"])
        for pair in _tell_sensor(list(of_sensor), kept.get(sensor_id))
    ]
    lost = {what.pattern for _, what in told if what.diagnosis in _OF_A_DAY}
    altered = _altered_ids(rows)
    for row, what in told:
        yield row, altered.get((row["sensor_id"], row["ts"])) or what.by(lost)


def _tell_sensor(rows: Sequence[Row], kept: Kept | None) -> Iterator[tuple[Row, RowDiagnosis]]:
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row)
    missing, extra = by_kind.get("missing", []), by_kind.get("extra", [])
    changed = by_kind.get("changed_value", [])
    moved, perhaps = _moves(missing, extra, changed)
    lost = _lost(missing, kept)
    yield from ((row, moved.get(row["ts"]) or _or(lost, perhaps.get(row["ts"], ()))) for row in missing)
    deleted = RowDiagnosis("deleted in Postgres")
    yield from ((row, moved.get(row["ts"]) or _or(deleted, perhaps.get(row["ts"], ()))) for row in extra)
    altered = [row for row in changed if not row["stale"]]
    swapped, rounded = _swapped(altered), _rounded(altered)
    for row in changed:
        by_itself = (
            RowDiagnosis("stale value") if row["stale"] else swapped.get(row["ts"]) or rounded or _changed(row)
        )
        yield row, moved.get(row["ts"]) or by_itself
    for row in by_kind.get("changed_quality", []):
        yield row, RowDiagnosis("stale value" if row["stale"] else "quality differs")
    yield from ((row, RowDiagnosis("duplicate rows")) for row in by_kind.get("duplicate", []))


def _or(told: RowDiagnosis, perhaps: Sequence[RowDiagnosis]) -> RowDiagnosis:
    return replace(told, alike=(*told.alike, *perhaps))


def _lost(missing: Sequence[Row], kept: Kept | None) -> RowDiagnosis:
    """Recognize rows lost up to a time, or from a time on: a partial export has replaced their partition."""
    if kept is None or not missing:
        return RowDiagnosis("rows missing")
    if max(row["ts"] for row in missing) < kept.first:
        part = RowDiagnosis("day head lost", f"nothing before {kept.first:%H:%M:%S}")
    elif min(row["ts"] for row in missing) > kept.last:
        part = RowDiagnosis("day tail lost", f"nothing after {kept.last:%H:%M:%S}")
    else:
        return RowDiagnosis("rows missing")
    return part if len(missing) >= FEWEST_ROWS else RowDiagnosis("rows missing", alike=(part,))


@dataclass(frozen=True)
class _Move:
    """A row that is due at `left` and stands in the lake at `arrived`."""

    left: datetime
    arrived: datetime
    told: RowDiagnosis


def _moves(
    missing: Sequence[Row], extra: Sequence[Row], changed: Sequence[Row]
) -> tuple[dict[datetime, RowDiagnosis], dict[datetime, list[RowDiagnosis]]]:
    """Find the rows of Postgres that the lake has at another time, by rounding or by one constant offset.

    On a grid, as of a sensor that reports each minute, a shifted row lands where another was: that one is then
    changed, and not missing. The second result holds patterns that too few rows fit.
    """
    rounded = [_rounded_times(missing, extra, *unit) for unit in _UNITS]
    shifted = _shifted_times([*missing, *changed], [*extra, *changed])
    perhaps: dict[datetime, list[RowDiagnosis]] = {}
    for moves, of in (*((found, missing) for found in rounded), (shifted, [*missing, *changed])):
        told = {ts: move.told for move in moves for ts in (move.left, move.arrived)}
        # most of the rows, for some leave the day; near one row of the lake at a whole minute any may lie
        if len({move.arrived for move in moves}) >= FEWEST_ROWS and len(moves) >= 0.6 * len(of):
            return told, {}
        # any two rows are some time apart; zones are by quarters of an hour
        if moves is not shifted or not any((move.arrived - move.left) % _ZONE_STEP for move in moves):
            for ts, what in told.items():
                perhaps.setdefault(ts, []).append(what)
    return {}, perhaps


def _rounded_times(missing: Sequence[Row], extra: Sequence[Row], name: str, unit: timedelta) -> list[_Move]:
    there = {row["ts"] for row in extra}
    told = RowDiagnosis("timestamps rounded", f"to the {name}")
    moves = []
    for row in missing:
        rest = (row["ts"] - _EPOCH) % unit
        cut = row["ts"] - rest
        moves += [_Move(row["ts"], ts, told) for ts in (cut, cut + unit) if rest and ts in there][:1]
    return moves


def _shifted_times(ours: Sequence[Row], theirs: Sequence[Row]) -> list[_Move]:
    there = {row["ts"]: (repr(row["lake_value"]), row["lake_quality"]) for row in theirs}
    by_content: dict[object, list[datetime]] = {}
    for ts, content in there.items():
        by_content.setdefault(content, []).append(ts)
    offsets: Counter[timedelta] = Counter()
    for row in ours:
        alike = by_content.get((repr(row["pg_value"]), row["pg_quality"]), [])
        offsets.update(ts - row["ts"] for ts in alike[:_MOST_ALIKE] if ts != row["ts"])
    if not offsets:
        return []
    offset, _ = offsets.most_common(1)[0]
    told = RowDiagnosis("timestamps shifted", f"by {offset.total_seconds():+.6f} s")
    return [
        _Move(row["ts"], row["ts"] + offset, told)
        for row in ours
        if there.get(row["ts"] + offset) == (repr(row["pg_value"]), row["pg_quality"])
    ]


def _swapped(altered: Sequence[Row]) -> dict[datetime, RowDiagnosis]:
    swapped = {}
    for one, other in pairwise(sorted(altered, key=lambda row: row["ts"])):
        here, there = (one["pg_value"], one["lake_value"]), (other["lake_value"], other["pg_value"])
        if repr(here) == repr(there):
            told = RowDiagnosis("values swapped", f"{one['ts']:%H:%M:%S.%f} with {other['ts']:%H:%M:%S.%f}")
            swapped[one["ts"]] = swapped[other["ts"]] = told
    return swapped


def _rounded(altered: Sequence[Row]) -> RowDiagnosis | None:
    if len(altered) < FEWEST_ROWS:
        return None
    return next((told for fits, told in _ROUNDINGS if all(_is_rounded(row, fits) for row in altered)), None)


def _is_rounded(row: Row, fits: Callable[[float, float], bool]) -> bool:
    return row["lake_value"] is not None and fits(row["pg_value"], row["lake_value"])


def _changed(row: Row) -> RowDiagnosis:
    alike = tuple(told for fits, told in _ROUNDINGS if _is_rounded(row, fits))
    if row["lake_value"] is None:
        return RowDiagnosis("changed in place", "NULL in the lake")
    if row["pg_value"] == row["lake_value"]:
        return RowDiagnosis("changed in place", "the sign of a zero")
    return RowDiagnosis("changed in place", alike=alike)


def _altered_ids(rows: Sequence[Row]) -> dict[tuple[str, datetime], RowDiagnosis]:
    """Find rows that stand in the lake under an id much like their sensor's: trimmed, folded or cut off."""
    missing = [row for row in rows if row["kind"] == "missing"]
    there = {(row["sensor_id"], row["ts"]): row for row in rows if row["kind"] == "extra"}
    others = _much_like({row["sensor_id"] for row in missing}, {sensor_id for sensor_id, _ in there})
    altered = {}
    for row in missing:
        for other in others[row["sensor_id"]]:
            found = there.get((other, row["ts"]))
            if found and all(repr(row[f"pg_{of}"]) == repr(found[f"lake_{of}"]) for of in ("value", "quality")):
                told = RowDiagnosis("sensor id altered", f"“{row['sensor_id']}” as “{other}”")
                altered[row["sensor_id"], row["ts"]] = altered[other, row["ts"]] = told
    return altered


def _much_like(ours: Collection[str], theirs: Collection[str]) -> dict[str, list[str]]:
    by_text: dict[str, list[str]] = {}
    for other in theirs:
        by_text.setdefault(_folded(other), []).append(other)
    alike = {}
    for sensor_id in ours:
        text = _folded(sensor_id)
        heads = [text[:end] for end in range(len(text), 0, -1)]
        alike[sensor_id] = [other for head in heads for other in by_text.get(head, ()) if other != sensor_id]
    return alike


def _folded(sensor_id: str) -> str:
    return unicodedata.normalize("NFKC", sensor_id).strip().casefold()


def _is_to_decimals(ours: float, theirs: float, *, decimals: int) -> bool:
    half = 0.5 * 10.0**-decimals
    ulp = max(math.ulp(ours), math.ulp(theirs))  # they differ across a power of two
    if not 100 * ulp < half:  # so large a value has no such decimals
        return False
    # −0.0 is no rounding of 0.0
    return ours != theirs and round(theirs, decimals) == theirs and abs(theirs - ours) <= half + ulp


def _is_to_single(ours: float, theirs: float) -> bool:
    # by the digits: −0.0 is no rounding of 0.0
    return ours != theirs and repr(_to_single(ours)) == repr(theirs)


def _to_single(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value))


_ZONE_STEP = timedelta(minutes=15)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the lake's columns have no zone
_MOST_ALIKE = 50
"""Rows of the same value that are tried for an offset: a constant value would be tried with each."""
_UNITS = (
    ("millisecond", timedelta(milliseconds=1)),
    ("second", timedelta(seconds=1)),
    ("minute", timedelta(minutes=1)),
)
_OF_A_DAY = frozenset({"day head lost", "day tail lost"})
OF_A_RUN = frozenset({"timestamps shifted", "timestamps rounded", "values rounded"})
"""Patterns that a lone row may have of another day's rows."""
_ROUNDINGS: Sequence[tuple[Callable[[float, float], bool], RowDiagnosis]] = (
    (_is_to_single, RowDiagnosis("values rounded", "to single precision")),
    *(
        (partial(_is_to_decimals, decimals=decimals), RowDiagnosis("values rounded", f"to {decimals} decimals"))
        for decimals in range(10)
    ),
)
