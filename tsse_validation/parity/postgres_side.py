"""Postgres's answers for the proof: read in bounded pieces, and put together again where they belong together."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import pyarrow as pa

from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.identity import Moment
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import DueCount, Snapshot
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import KEY_SCHEMA, ROW_SCHEMA, add_digests
from tsse_validation.domain.instants import MICROSECOND, day_start, utc_day
from tsse_validation.domain.slicing import Pace
from tsse_validation.domain.tiling import Tiling
from tsse_validation.domain.windows import Window

_CANCEL_AGAIN_SECONDS = 0.2

Item = TypeVar("Item")


@dataclass(frozen=True)
class SideOfDays:
    """What Postgres has of some whole UTC days of a scope: digests of the due rows, and the keys not due.

    `moments` are the states of the database that were read, one for each statement.
    """

    scope: Scope
    digests: pa.Table
    not_due: pa.Table
    moments: Sequence[Moment] = ()


PieceRead = tuple[Scope, tuple[tuple[pa.Table, Moment], pa.Table]]
"""A piece of a scope with its digests, the state that they are of, and the keys not due in that state."""


def digested(state: Snapshot, part: Scope, *, hashed: bool) -> tuple[pa.Table, Moment]:
    """Return the digests of a scope's due rows, and the state that they are of."""
    return state.digests(part, hashed=hashed), state.moment()


def of_whole_days(scope: Scope, pieces: Iterable[PieceRead]) -> Iterator[SideOfDays]:
    """Put pieces of a scope that end within a day together with those that follow, up to its end."""
    begun = scope.window.start
    digests, not_due, moments = list[pa.Table](), list[pa.Table](), list[Moment]()
    for part, ((some, moment), keys) in pieces:
        digests.append(some)
        not_due.append(keys)
        moments.append(moment)
        end = part.window.end
        following = end + MICROSECOND
        if end == scope.window.end or following == day_start(utc_day(following)):
            days = scope.narrowed(Window(begun, end))
            yield SideOfDays(days, add_digests(digests), _joined(not_due, KEY_SCHEMA), tuple(moments))
            begun, digests, not_due, moments = following, [], [], []


class PostgresSide:
    """Reads one side of the proof. The keys not due are of the same snapshot as what is read beside them."""

    def __init__(self, postgres: PostgresClient, pace: Pace | None = None) -> None:
        self._reader = BoundedReader(postgres, pace=pace)

    def cancel(self) -> None:
        """End the query that another thread is running here, if there is one."""
        self._reader.cancel()

    def slices(self, scope: Scope, *, hashed: bool) -> Iterator[SideOfDays]:
        """Yield some days at a time, ascending: what one statement has read, or a day that took several."""
        yield from of_whole_days(
            scope, self._pieces(scope, lambda state, part: digested(state, part, hashed=hashed))
        )

    def digests(self, scope: Scope, sensor_ids: Sequence[str], *, hashed: bool) -> tuple[pa.Table, pa.Table]:
        """Return the digests of some sensors, and the keys not due of all."""
        digests, not_due = self._read(
            scope, lambda state, part: state.digests(part, sensor_ids=sensor_ids, hashed=hashed)
        )
        return add_digests(digests), not_due

    def due_rows(self, scope: Scope, sensor_ids: Sequence[str]) -> tuple[pa.Table, pa.Table]:
        """Return the due rows of some sensors, and the keys not due of all; give at most a day."""
        due, not_due = self._read(scope, lambda state, part: state.due_rows(part, sensor_ids))
        return _joined(due, ROW_SCHEMA), not_due

    def held_rows(self, scope: Scope, sensor_ids: Sequence[str]) -> tuple[pa.Table, pa.Table]:
        """Return the rows of some sensors up to the watermark, due or not, and the keys not due of all."""
        held, not_due = self._read(scope, lambda state, part: state.held_rows(part, sensor_ids))
        return _joined(held, ROW_SCHEMA), not_due

    def counts(self, scope: Scope) -> tuple[Mapping[str, DueCount], pa.Table]:
        """Return each sensor's rows, and the keys not due."""
        counts, not_due = self._read(scope, lambda state, part: state.counts(part))
        return _summed(counts), not_due

    def tile_counts(
        self, scope: Scope, tiling: Tiling
    ) -> Iterator[tuple[Scope, Mapping[tuple[str, int], DueCount], pa.Table]]:
        """Yield each piece with the rows of each sensor and tile in it, and the keys not due."""
        for part, (counts, not_due) in self._pieces(scope, lambda state, part: state.tile_counts(part, tiling)):
            yield part, counts, not_due

    def _read(self, scope: Scope, question: Callable[[Snapshot, Scope], Item]) -> tuple[list[Item], pa.Table]:
        """Return the answers to all pieces of a scope, and the keys not due of all of it."""
        answers = [answer for _, answer in self._pieces(scope, question)]
        return [first for first, _ in answers], _joined([keys for _, keys in answers], KEY_SCHEMA)

    def _pieces(
        self, scope: Scope, question: Callable[[Snapshot, Scope], Item]
    ) -> Iterator[tuple[Scope, tuple[Item, pa.Table]]]:
        """Yield each piece with the answer, and the keys that are not due in the same state."""
        return self._reader.pieces(scope, lambda state, part: (question(state, part), state.not_due_keys(part)))


def _summed(parts: Sequence[Mapping[str, DueCount]]) -> Mapping[str, DueCount]:
    total = defaultdict[str, DueCount](lambda: DueCount(0, 0))
    for part in parts:
        for sensor_id, count in part.items():
            so_far = total[sensor_id]
            total[sensor_id] = DueCount(so_far.due + count.due, so_far.not_due + count.not_due)
    return dict(total)


def _joined(parts: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables(parts) if parts else schema.empty_table()


class Ahead(Generic[Item]):
    """Takes items one after the other from a source that works on the next in a thread of its own."""

    def __init__(self, source: Iterator[Item], pool: ThreadPoolExecutor) -> None:
        self._source = source
        self._pool = pool
        self._next = self._begin()

    def take(self) -> Item | None:
        """Return the next item as soon as it is there, and begin the one after; `None` at the end."""
        item = self._next.result()
        if item is not None:
            self._next = self._begin()
        return item

    def settle(self, seconds: float | None = None) -> bool:
        """Wait until the source is at rest, and return whether it is; should it fail, `take` tells."""
        return not wait([self._next], seconds).not_done

    def _begin(self) -> "Future[Item | None]":
        return self._pool.submit(next, self._source, None)


@contextmanager
def ahead(source: Iterator[Item], cancel: Callable[[], None]) -> Iterator[Ahead[Item]]:
    """Run a source one item ahead of whoever takes from it; `cancel` ends its work when they meet an error."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        upcoming = Ahead(source, pool)
        try:
            yield upcoming
        except BaseException:
            cancel()
            while not upcoming.settle(_CANCEL_AGAIN_SECONDS):  # it may have been between two queries
                cancel()
            raise
