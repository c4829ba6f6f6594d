"""Compares a seal of Postgres with one of the lake. Pure: both were read before.

First the pair is held: only two whole seals of the same parts, of which the lake's is as of this very seal of
Postgres, or of its own state, say something about each other. Their clocks are not compared: they are of two
machines. That the lake was sealed after Postgres is said by the SHA-256 in it; where it was sealed before, keys
that were changed since are not due in Postgres's seal, and their sensor-days are left open.

What is left is proven neither way, and never counts as alike:

- Without `--as-of` a lake's digest has the older versions of keys that are not due. A sensor-day with such keys
  whose digests are equal is proven all the same; so is one that lacks rows, or has more than those keys explain.
- What an unreadable file holds is not known: every sensor-day of its shard and date is left.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from tsse_validation.domain.contract import Replication
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import DIGEST_SCHEMA, add_digests
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import to_the_second, utc_day, without_zone
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import shard_day_of
from tsse_validation.lake.shards import shard_of
from tsse_validation.parity.comparing import compare_digests
from tsse_validation.runlog.records import CountRow
from tsse_validation.seals.seal import (
    KEYS_SCHEMA,
    NOT_DUE,
    PENDING,
    FileFault,
    LakeRead,
    PostgresRead,
    Seal,
    SealSide,
    keys_of_part,
    of_part,
)

_SEAL_THE_LAKE = "Seal the lake again, --as-of this seal of Postgres."
_SEAL_AGAIN = "Make both seals again."
_READABLE = "readable"
_KEYS = ("part", "sensor_id", "day", "shard")


class Left(StrEnum):
    """Why a sensor-day is proven neither way."""

    NOT_DUE = "keys that are not due: the lake was sealed without --as-of, and may hold older versions of them"
    UNREADABLE = "a file of its shard cannot be read"
    CUT = "Postgres begins within the day, and the lake's digest may be of all of it"


@dataclass(frozen=True)
class LeftDay:
    """A sensor-day that is left, or with no sensor all sensors of an unreadable shard on a day."""

    day: date
    sensor_id: str | None
    why: Left
    what: str = ""


@dataclass(frozen=True)
class PartCompared:
    """A part, with a row for each sensor and day of either side, in order.

    A row that is left does not match, whatever its counts. `alone` are the days of the lake before Postgres's
    first row, of which nothing can be compared, with their rows.
    """

    scope: Scope
    rows: Sequence[CountRow]
    left: Sequence[LeftDay] = ()
    alone: Mapping[date, int] = field(default_factory=dict)

    @property
    def differing(self) -> list[CountRow]:
        """The sensor-days that are shown not to be alike."""
        left = {(one.sensor_id, one.day) for one in self.left}
        return [row for row in self.rows if not row.matches and (row.sensor_id, row.day) not in left]


@dataclass(frozen=True)
class SealComparison:
    """What two seals say about each other, part by part.

    `misplaced` are the lake's lines of sensors that stand in another shard's directory, as `(sensor, day, shard)`:
    their rows were compared, and yet no reader of that shard finds them. `faults` are of files that could be read,
    by aspect: their rows may all be found, and yet no writer of the controller's makes such a file.
    """

    postgres: PostgresRead
    lake: LakeRead
    parts: Sequence[PartCompared]
    misplaced: Sequence[tuple[str, date, str]] = ()
    faults: Sequence[tuple[str, FileFault]] = ()

    @property
    def differing(self) -> list[CountRow]:
        """The sensor-days of all parts that are not alike."""
        return [row for part in self.parts for row in part.differing]

    @property
    def left(self) -> list[LeftDay]:
        """What is proven neither way, of all parts."""
        return [one for part in self.parts for one in part.left]

    @property
    def rows(self) -> int:
        """Due rows of Postgres that were compared."""
        return sum(row.postgres for part in self.parts for row in part.rows)

    @property
    def alike(self) -> bool:
        """Whether all is proven alike."""
        return not (self.differing or self.left or self.misplaced or self.faults)


@dataclass(frozen=True)
class ComparedSeals:
    """A seal of Postgres, one of the lake, and what the two say about each other."""

    postgres: Seal
    lake: Seal
    said: SealComparison

    @classmethod
    def of(cls, postgres: Seal, lake: Seal) -> "ComparedSeals":
        """Compare two seals; errors as in `compare_seals`."""
        return cls(postgres, lake, compare_seals(postgres, lake))


def compare_seals(postgres: Seal, lake: Seal) -> SealComparison:
    """Compare every sensor-day of two seals, each as `read_seal` or `seal_of` returns it.

    Raises NotCheckedError with the reason where the two say nothing about each other.
    """
    of_postgres, of_lake = _sides(postgres, lake)
    _hold_whole(postgres, "Postgres's seal")
    _hold_whole(lake, "The lake's seal")
    _hold_link(postgres, of_lake, lake)
    _hold_promise(postgres.facts.parts, of_lake)
    parts = tuple(_compared(number, scope, postgres, lake) for number, scope in enumerate(postgres.facts.parts))
    if not any(row.postgres or row.lake for part in parts for row in part.rows):
        raise NotCheckedError("Both seals are empty: equal zeros prove nothing.", _SEAL_AGAIN)
    if not any(row.postgres or row.lake for row in parts[0].rows):
        msg = f"Both seals are empty in the covered range, {parts[0].scope.window}: equal zeros prove nothing."
        raise NotCheckedError(msg, "Is this the database that the lake is of?")
    misplaced = tuple(_misplaced(lake.lines, of_lake.shards))
    return SealComparison(of_postgres, of_lake, parts, misplaced, tuple(_faults(of_lake)))


def _sides(postgres: Seal, lake: Seal) -> tuple[PostgresRead, LakeRead]:
    sides = postgres.facts.side, lake.facts.side
    if sides == (SealSide.LAKE, SealSide.POSTGRES):
        msg = "The first is the seal of the lake and the second that of Postgres."
        raise NotCheckedError(msg, "Name Postgres's first.")
    if sides[0] == sides[1]:
        msg = f"Both are seals of {'the lake' if sides[0] is SealSide.LAKE else 'Postgres'}."
        raise NotCheckedError(msg, "Name one of Postgres and one of the lake.")
    if postgres.facts.postgres is None or lake.facts.lake is None:
        raise NotCheckedError("A seal does not say what was read for it.", _SEAL_AGAIN)
    return postgres.facts.postgres, lake.facts.lake


def _hold_whole(seal: Seal, name: str) -> None:
    if not seal.facts.complete:
        msg = f"{name} is not complete: it was broken off."
        raise NotCheckedError(msg, "Go on with it by --resume, or make it again.")
    for said in _flaws(seal):
        msg = f"{name} contradicts itself: {said}."
        raise NotCheckedError(msg, _SEAL_AGAIN)


def _flaws(seal: Seal) -> Iterator[str]:
    """Yield what no seal of ours has: such lines would be compared with nothing, or twice."""
    lines, parts = seal.lines, seal.facts.parts
    if any(column.null_count for column in lines.columns):
        yield "a line lacks a value"
        return
    places = lines.group_by(list(_KEYS)).aggregate([]).num_rows
    if places != lines.num_rows:
        yield f"{count_of(lines.num_rows - places, 'line')} of sensor-days that it has already"
    if not parts:
        yield "it has no parts"
    if seal.facts.side is SealSide.POSTGRES and pc.any(pc.not_equal(lines["shard"], "")).as_py():
        yield "it is of Postgres, and has shards"
    if lines.num_rows and not pc.all(pc.greater(lines["rows"], 0)).as_py():
        yield "a line has no rows"
    if outside := lines.num_rows - _lying_in(lines, "day", _days_of, parts):
        yield f"{count_of(outside, 'line')} outside of its parts"
    for name in (NOT_DUE, PENDING):
        keys = seal.tables.get(name, KEYS_SCHEMA.empty_table()).cast(KEYS_SCHEMA)
        if _lying_in(keys, "ts", _instants_of, parts) != keys.num_rows:
            yield f"keys ({name}) outside of its parts"
    if seal.facts.side is SealSide.POSTGRES and NOT_DUE not in seal.tables:
        yield "it does not say which keys are not due"


def _days_of(window: Window) -> tuple[date, date]:
    return utc_day(window.start), utc_day(window.end)


def _instants_of(window: Window) -> tuple[datetime, datetime]:
    return without_zone(window.start), without_zone(window.end)


def _lying_in(
    table: pa.Table,
    column: str,
    ends_of: Callable[[Window], tuple[date, date]],
    parts: Sequence[Scope],
) -> int:
    """Return how many rows lie, by a column, within the window of the part that they are said to be of."""
    total = 0
    for number, scope in enumerate(parts):
        first, last = ends_of(scope.window)
        within = pc.and_(pc.greater_equal(table[column], first), pc.less_equal(table[column], last))
        total += int(pc.sum(pc.and_(within, pc.equal(table["part"], number))).as_py() or 0)
    return total


def _hold_link(postgres: Seal, read: LakeRead, lake: Seal) -> None:
    ours = postgres.stamp.sha256
    if read.as_of and read.as_of != ours:
        msg = f"The lake was sealed as of another seal of Postgres, {read.as_of[:12]}…: this is {ours[:12]}…."
        raise NotCheckedError(msg, _SEAL_THE_LAKE)
    if postgres.facts.parts != lake.facts.parts:
        msg = f"The two seals are of different parts: {_first_unlike(postgres.facts.parts, lake.facts.parts)}."
        raise NotCheckedError(msg, _SEAL_THE_LAKE)


def _first_unlike(ours: Sequence[Scope], theirs: Sequence[Scope]) -> str:
    """Name what tells the parts of two seals apart."""
    for one, other in zip(ours, theirs, strict=False):
        for what, its, the_others in (
            ("the watermark", one.coverage.watermark, other.coverage.watermark),
            ("the backfill's target", one.coverage.backfill_to, other.coverage.backfill_to),
            ("the start", one.window.start, other.window.start),
            ("the end", one.window.end, other.window.end),
        ):
            if its != the_others:
                return (
                    f"{what} is {to_the_second(its)} in Postgres's and {to_the_second(the_others)} in the lake's"
                )
    return f"{len(ours)} parts in Postgres's and {len(theirs)} in the lake's, or other promises in them"


def _hold_promise(parts: Sequence[Scope], read: LakeRead) -> None:
    """Hold that the lake, as it was sealed, promises the parts: it is no older, and no backfill has come since."""
    coverage = parts[0].coverage
    try:
        state = Replication.model_validate_json(read.replication)
    except ValidationError:
        raise NotCheckedError(
            "The lake's seal has no state of replication that can be read.", _SEAL_AGAIN
        ) from None
    watermark, target = state.computed_through_ts, state.backfill_to_ts
    if watermark is None or target is None:
        raise NotCheckedError("The lake had no completed backfill when it was sealed.", "Backfill it first.")
    if target != coverage.backfill_to:
        msg = (
            f"The lake's last backfill was up to {to_the_second(target)} when it was sealed, and Postgres was "
            f"sealed for one up to {to_the_second(coverage.backfill_to)}: they are of two backfills, or lakes."
        )
        raise NotCheckedError(msg, _SEAL_AGAIN)
    if watermark < max(part.coverage.watermark for part in parts):
        msg = (
            f"The lake's watermark was {to_the_second(watermark)} when it was sealed, and Postgres was "
            f"sealed as of {to_the_second(coverage.watermark)}: the lake's seal is older, or of another lake."
        )
        raise NotCheckedError(msg, _SEAL_THE_LAKE)


def _compared(number: int, scope: Scope, postgres: Seal, lake: Seal) -> PartCompared:
    read, of_lake = postgres.facts.postgres, lake.facts.lake
    assert read is not None  # noqa: S101 - `_sides` holds both
    assert of_lake is not None  # noqa: S101
    lines, alone = _since(_digests(lake.lines, number), read.begins)
    not_due = _keys(postgres, NOT_DUE, number)
    rows = compare_digests(_digests(postgres.lines, number), lines, not_due, _keys(lake, PENDING, number))
    left = [*_left_of(rows, of_lake), *_cut(rows, scope, read.begins)]
    left += _left_unread(rows, scope, of_lake)
    open_days = {(one.sensor_id, one.day) for one in left}
    settled = [row._replace(matches=row.matches and (row.sensor_id, row.day) not in open_days) for row in rows]
    return PartCompared(scope, settled, tuple(dict.fromkeys(left)), alone)


def _left_of(rows: Sequence[CountRow], read: LakeRead) -> Iterator[LeftDay]:
    """Yield the sensor-days whose difference the older versions of keys not due may explain."""
    for row in rows:
        explained = row.postgres <= row.lake <= row.postgres + row.not_due
        if not read.as_of and not row.matches and row.not_due and explained and row.day is not None:
            yield LeftDay(row.day, row.sensor_id, Left.NOT_DUE)


def _left_unread(rows: Sequence[CountRow], scope: Scope, read: LakeRead) -> Iterator[LeftDay]:
    first, last = utc_day(scope.window.start), utc_day(scope.window.end)
    broken = {place: path for path in read.unreadable if (place := shard_day_of(path))}
    known = {(row.day, shard_of(row.sensor_id, read.shards)) for row in rows} if broken else set()
    for row in rows if broken else ():
        if row.day is not None and (path := broken.get((row.day, shard_of(row.sensor_id, read.shards)))):
            yield LeftDay(row.day, row.sensor_id, Left.UNREADABLE, path)
    for (day, shard), path in broken.items():
        if first <= day <= last and (day, shard) not in known:
            yield LeftDay(day, None, Left.UNREADABLE, path)


def _since(lines: pa.Table, begins: datetime | None) -> tuple[pa.Table, Mapping[date, int]]:
    """Split the lake's digests in those of Postgres's days, and the rows of the days before it begins."""
    if begins is None:
        return lines, {}
    before = pc.less(lines["day"], pa.scalar(utc_day(begins), pa.date32()))
    alone = lines.filter(before).group_by("day").aggregate([("rows", "sum")])
    return lines.filter(pc.invert(before)), dict(
        zip(alone["day"].to_pylist(), alone["rows_sum"].to_pylist(), strict=True)
    )


def _cut(rows: Sequence[CountRow], scope: Scope, begins: datetime | None) -> Iterator[LeftDay]:
    """Yield the sensor-days of which the lake has more than Postgres, on the day within which that begins."""
    if begins is None or begins <= scope.window.start:
        return
    for row in rows:
        if row.day == utc_day(begins) and row.lake > row.postgres:
            yield LeftDay(row.day, row.sensor_id, Left.CUT)


def _digests(lines: pa.Table, number: int) -> pa.Table:
    """Return a part's digests: a sensor's lines of several shards are added up."""
    return add_digests([of_part(lines, number).select(DIGEST_SCHEMA.names)])


def _keys(seal: Seal, name: str, number: int) -> pa.Table:
    table = seal.tables.get(name, KEYS_SCHEMA.empty_table())
    return keys_of_part(table, number)


def _faults(read: LakeRead) -> Iterator[tuple[str, FileFault]]:
    """Yield what is wrong with files; what cannot be read is left, whatever it holds."""
    for aspect, faults in read.examined.problems.items():
        if aspect != _READABLE:
            yield from ((aspect, fault) for fault in faults)


def _misplaced(lines: pa.Table, shards: int) -> Iterator[tuple[str, date, str]]:
    found = lines.group_by(["sensor_id", "day", "shard"]).aggregate([]).to_pydict()
    for sensor_id, day, shard in sorted(zip(found["sensor_id"], found["day"], found["shard"], strict=True)):
        if shard_of(sensor_id, shards) != shard:
            yield sensor_id, day, shard
