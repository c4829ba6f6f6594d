"""Which shard-days of an earlier seal of the lake still stand, so that their files need not be read again.

A shard-day is taken over where each of its files is the same: place, path, size, time of writing and footer; where
none has come or gone; where nothing was wrong with one; where no key of it is or was not due; and where its rows
lie wholly within, or wholly outside of, each part of both seals. Then both would digest the very same rows.
What this cannot see is a file whose pages were changed under the same footer and time: so a share is read again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import without_zone
from tsse_validation.lake.footers import footer_sha256
from tsse_validation.lake.reader import LakeFile, shard_day_of
from tsse_validation.lake.tasks import ShardDay
from tsse_validation.seals.seal import FILES, LINE_SCHEMA, SHARD_DAYS, LakeRead, Seal, SealSide, in_part

_RUN = ["day", "shard", "part"]
_WITHOUT = "Leave --baseline out to read all files."
Row = Mapping[str, Any]


class Share(Enum):
    """How much of a shard-day's rows a scope has."""

    ALL = "all"
    NONE = "none"
    SOME = "some"


@dataclass(frozen=True)
class UnchangedShardDay:
    """A shard-day that stands: its row of the baseline's table, its files, and of each part its lines."""

    row: Row
    files: Sequence[Row]
    lines: pa.Table


class Baseline:
    """An earlier seal of the same lake, asked which of its shard-days stand.

    Raises NotCheckedError where it is none, or of another lake.
    """

    def __init__(self, seal: Seal, hot: str, shards: int) -> None:
        self.seal = seal
        _hold(seal, hot, shards)
        self._rows = {(row["day"], row["shard"]): row for row in seal.tables[SHARD_DAYS].to_pylist()}
        self._files: dict[ShardDay, dict[tuple[str, str], Row]] = defaultdict(dict)
        for row in seal.tables[FILES].to_pylist():
            if (place := shard_day_of(row["path"])) is not None:
                self._files[place][row["place"], row["path"]] = row
        self._faulty = {shard_day_of(path) for path in _faulty_paths(seal.facts.lake)}

    def standing(
        self, listed: Iterable[LakeFile], parts: Sequence[Scope], not_due: Collection[ShardDay]
    ) -> dict[ShardDay, UnchangedShardDay]:
        """Return the shard-days that stand, of the files listed now; their footers are read.

        `not_due` are the shard-days with a key that is not due now. Errors as in `footer_sha256`.
        """
        now: dict[ShardDay, list[LakeFile]] = defaultdict(list)
        for file in listed:
            now[file.day, file.shard].append(file)
        numbers = {
            place: mapped
            for place, files in sorted(now.items())
            if place in self._rows
            and place not in not_due
            and not self._rows[place]["not_due"]
            and place not in self._faulty
            and (mapped := self._numbers(self._rows[place], parts)) is not None
            and self._same(files)
        }
        lines = self._lines_of(numbers)
        return {
            place: UnchangedShardDay(self._rows[place], list(self._files[place].values()), lines[place])
            for place in numbers
        }

    def _same(self, files: Sequence[LakeFile]) -> bool:
        place = files[0].day, files[0].shard
        before = self._files[place]
        if {(file.location, file.relative) for file in files} != before.keys():
            return False
        for file in files:
            row = before[file.location, file.relative]
            if (file.size, file.mtime_ns) != (row["size"], row["mtime_ns"]) or row["footer"] is None:
                return False
        try:
            return all(
                footer_sha256(file.path) == before[file.location, file.relative]["footer"] for file in files
            )
        except FileNotFoundError:
            return False

    def _numbers(self, row: Row, parts: Sequence[Scope]) -> tuple[int | None, tuple[int, ...]] | None:
        """Return which of the baseline's parts has all of the rows, and which of the new ones have.

        `None` where a part has some of them, or where new ones have all and none of the baseline's does.
        """
        before = [share_of(row, part) for part in self.seal.facts.parts]
        now = [share_of(row, part) for part in parts]
        if Share.SOME in {*before, *now}:
            return None
        source = before.index(Share.ALL) if Share.ALL in before else None
        wanted = tuple(number for number, share in enumerate(now) if share is Share.ALL)
        return None if wanted and source is None else (source, wanted)

    def _lines_of(
        self, numbers: Mapping[ShardDay, tuple[int | None, tuple[int, ...]]]
    ) -> dict[ShardDay, pa.Table]:
        """Return the lines of some shard-days, numbered as the new parts are."""
        lines = self.seal.lines.sort_by([(name, "ascending") for name in _RUN])
        starts = _runs(lines)
        found = {}
        for place, (source, wanted) in numbers.items():
            begin, length = starts.get((*place, -1 if source is None else source), (0, 0))
            own = lines.slice(begin, length)
            plain = own.drop_columns("part")
            numbered = (in_part(number, plain, LINE_SCHEMA) for number in wanted)
            found[place] = own if wanted == (source,) else pa.concat_tables([own.slice(0, 0), *numbered])
        return found


def share_of(row: Row, scope: Scope) -> Share:
    """Return how much of a shard-day a scope has, by what its rows lie between (`SHARD_DAY_SCHEMA`)."""
    start, end = without_zone(scope.window.start), without_zone(scope.window.end)
    watermark, since = without_zone(scope.coverage.watermark), scope.since and without_zone(scope.since)
    inserted_first, inserted_last, untimed = row["inserted_first"], row["inserted_last"], row["untimed"]
    in_time = (inserted_last is None or inserted_last <= watermark) and (
        since is None or (not untimed and inserted_first is not None and inserted_first > since)
    )
    if row["first"] >= start and row["last"] <= end and in_time:
        return Share.ALL
    too_late = not untimed and inserted_first is not None and inserted_first > watermark
    too_early = since is not None and (inserted_last is None or inserted_last <= since)
    if row["last"] < start or row["first"] > end or too_late or too_early:
        return Share.NONE
    return Share.SOME


def _hold(seal: Seal, hot: str, shards: int) -> None:
    read = seal.facts.lake
    if seal.facts.side is not SealSide.LAKE or read is None:
        raise NotCheckedError("--baseline is a seal of Postgres.", "Name an earlier seal of this lake.")
    if not seal.facts.complete or not {FILES, SHARD_DAYS} <= seal.tables.keys():
        raise NotCheckedError("--baseline is no complete seal.", _WITHOUT)
    for what, its, ours in (("hot path", read.hot, hot), ("number of shards", read.shards, shards)):
        if its != ours:
            msg = f"--baseline is of another lake: its {what} is {its}, and this one's {ours}."
            raise NotCheckedError(msg, _WITHOUT)


def _faulty_paths(read: LakeRead | None) -> set[str]:
    if read is None:
        return set()
    faults = (fault.path for some in read.examined.problems.values() for fault in some)
    return {*faults, *read.unreadable}


def _runs(lines: pa.Table) -> dict[tuple[date, str, int], tuple[int, int]]:
    """Return where the lines of each shard-day and part begin, and how many they are, in ordered lines."""
    columns = [lines[name].combine_chunks().dictionary_encode().indices.to_numpy() for name in _RUN]
    changes = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    begins = np.flatnonzero(np.concatenate([[True], changes])) if lines.num_rows else np.empty(0, dtype=np.int64)
    lengths = np.diff(begins, append=lines.num_rows)
    keys = lines.select(_RUN).take(begins).to_pylist()
    return {
        (key["day"], key["shard"], key["part"]): (int(begin), int(length))
        for key, begin, length in zip(keys, begins, lengths, strict=True)
    }


def differ(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables of lines of the same places differ."""
    order = [(name, "ascending") for name in LINE_SCHEMA.names]
    return not one.sort_by(order).equals(other.sort_by(order))


def lines_of(lines: pa.Table, place: ShardDay) -> pa.Table:
    """Return the lines of a shard-day."""
    day, shard = place
    return lines.filter(pc.and_(pc.equal(lines["day"], pa.scalar(day)), pc.equal(lines["shard"], shard)))
