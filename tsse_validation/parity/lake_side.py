"""The lake's answers for the proof: digested while Postgres works, and once more where a key is not due."""

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import KEY_SCHEMA, add_digests, rows_digested
from tsse_validation.domain.polling import Update, quiet
from tsse_validation.lake.digesting import SHARD_DIGEST_SCHEMA
from tsse_validation.lake.rows import LakeRows
from tsse_validation.lake.shards import shard_of
from tsse_validation.parity.postgres_side import SideOfDays

MOST_LINES_AHEAD = 500_000
"""Digests that wait for Postgres, about: some 30 MB."""


class LakeSide:
    """Digests a scope's dates one after the other, ahead of Postgres: as if all that the lake holds were due.

    Only Postgres knows which keys are not due. Once it has told, the shard-days that have such a key are digested
    again without it; they are few. Whoever takes digests asks ascending, and has `close` called at the end.
    """

    def __init__(
        self, lake: LakeRows, scope: Scope, shards: int, *, hashed: bool = True, on_day: Update = quiet
    ) -> None:
        self._lake = lake
        self._scope = scope
        self._shards = shards
        self._hashed = hashed
        self._on_day = on_day
        self._upcoming = lake.lines(scope, KEY_SCHEMA.empty_table(), hashed=hashed)
        self._begun = date.min
        self._until = scope.window.start.date() - timedelta(days=1)
        self._ahead = SHARD_DIGEST_SCHEMA.empty_table()

    def go_ahead(self) -> bool:
        """Digest some more dates; return false where none is left, or enough waits for Postgres."""
        return self._ahead.num_rows < MOST_LINES_AHEAD and self._go_on()

    def of(self, theirs: SideOfDays) -> pa.Table:
        """Return the digests of some days in `digest.DIGEST_SCHEMA`, without the keys that are not due there."""
        last = theirs.scope.window.end.date()
        # a large date comes in parts: it is complete when a later one has begun
        while self._begun <= last and self._go_on():
            pass
        is_theirs = pc.less_equal(self._ahead["day"], pa.scalar(last))
        taken, self._ahead = self._ahead.filter(is_theirs), self._ahead.filter(pc.invert(is_theirs))
        lines = [taken]
        if theirs.not_due.num_rows:
            shard_days = _shard_days_of(theirs.not_due, self._shards)
            only = frozenset(zip(*shard_days.to_pydict().values(), strict=True))
            again = self._lake.lines(theirs.scope, theirs.not_due, only=only, hashed=self._hashed)
            others = taken.join(shard_days, shard_days.column_names, join_type="left anti")
            lines = [others, *(digested for _, digested in again)]
        return add_digests([each.drop_columns("shard") for each in lines])

    def stand_by(self) -> None:
        """Tell whoever watches that Postgres is waited for."""
        self._tell("waiting for Postgres")

    def close(self) -> None:
        """Begin no more dates, and wait for those that are begun."""
        self._upcoming.close()

    def _go_on(self) -> bool:
        digested = next(self._upcoming, None)
        if digested is None:
            return False
        part, lines = digested
        self._begun, self._until = part.window.start.date(), part.window.end.date()
        self._ahead = pa.concat_tables([self._ahead, lines])
        self._tell(f"digested up to {self._until}", rows_digested(lines))
        return True

    def _tell(self, message: str, rows: int = 0) -> None:
        begin = self._scope.window.start.date() - timedelta(days=1)
        days = (self._scope.window.end.date() - begin).days
        self._on_day((self._until - begin).days, days, message, rows=rows)


def _shard_days_of(keys: pa.Table, shards: int) -> pa.Table:
    """Return the `day` and `shard` that keys `(sensor_id, ts)` belong in, each once."""
    sensors = keys["sensor_id"].combine_chunks().dictionary_encode()
    theirs = pa.array([shard_of(sensor_id, shards) for sensor_id in sensors.dictionary.to_pylist()], pa.string())
    days = keys["ts"].cast(pa.date32(), safe=False)
    return pa.table({"day": days, "shard": theirs.take(sensors.indices)}).group_by(["day", "shard"]).aggregate([])
