"""Replication under a load of thousands of rows a second, and how far behind it falls."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat

from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.polling import looks
from tsse_validation.failures.arena import Arena
from tsse_validation.failures.machine import LoadCounts
from tsse_validation.failures.scenario import Chance, Group, Scenario, Struck
from tsse_validation.lake.reader import LakeReader

LAG_SECONDS = "CORE_ANALYSIS_REPLICATION_LAG_SECONDS"
"""The lag guard of contract section 7."""
_GUARD = 10.0
"""Longer than a batch of the load takes to be committed on a slow machine: what takes longer is passed over."""
_LEAST_SHARE = 0.9
_LOOK_SECONDS = 2.0
_BACKLOG = "SELECT count(*) FROM metrics WHERE inserted_at > %s"


@dataclass
class _Behind:
    """How far replication was behind at most, in seconds and in rows."""

    seconds: float = 0.0
    rows: int = 0

    def look(self, arena: Arena) -> None:
        watermark = LakeReader(arena.paths).replication().computed_through_ts
        if watermark is not None:
            self.seconds = max(self.seconds, (arena.now() - watermark).total_seconds())
            self.rows = max(self.rows, _waiting(arena, watermark))


def _waiting(arena: Arena, watermark: datetime) -> int:
    ((rows,),) = arena.sql(_BACKLOG, watermark)
    return int(rows)


def _with_a_longer_guard(arena: Arena) -> None:
    arena.stop()
    arena.start({LAG_SECONDS: f"{_GUARD:.0f}"})


def under_load(rows_per_second: int, seconds: float) -> Callable[[Arena, Chance], Struck]:
    """Return a strike that writes so many rows a second for so long, late rows and upserts among them."""

    def strike(arena: Arena, chance: Chance) -> Struck:
        at, behind = arena.now(), _Behind()
        with arena.machine.load(rows_per_second, chance.rng) as load:
            for _ in looks(lambda: behind.look(arena), timeout=seconds, pauses=repeat(_LOOK_SECONDS)):
                if load.counts.error:
                    break
        counts = load.counts
        hold_loaded(counts, rows_per_second)
        return Struck(
            f"{counts.rows:,} rows came in at {counts.per_second:,.0f} a second, {counts.late:,} of them late and "
            f"{counts.upserts:,} upserts; the watermark was at most {behind.seconds:.0f} s old, and "
            f"{behind.rows:,} rows waited at most, with a lag of {_GUARD:.0f} s",
            at=at,
        )

    return strike


def hold_loaded(counts: LoadCounts, rows_per_second: int) -> None:
    """Make sure that the load was what the scenario says; raises NotCheckedError."""
    if counts.error:
        msg = f"The load ended before its time: {counts.error} of Postgres."
        raise NotCheckedError(msg, "Look at the log of Postgres.")
    if counts.longest_batch > _GUARD / 2:
        msg = f"Postgres took {counts.longest_batch:.1f} s for a batch, too near the lag guard of {_GUARD:.0f} s."
        raise NotCheckedError(msg, "Rows that are committed later than the lag guard are passed over by design.")
    if counts.per_second < _LEAST_SHARE * rows_per_second:
        msg = (
            f"Postgres took {counts.per_second:,.0f} rows a second, not the {rows_per_second:,} that were to come."
        )
        raise NotCheckedError(msg, "Try on a machine that has less to do.")


LOAD_SCENARIOS = (
    Scenario(
        "ten-thousand-rows-a-second",
        Group.LOAD,
        "Ten thousand rows a second come in for a minute, late ones and upserts among them.",
        under_load(10_000, 60.0),
        prepare=_with_a_longer_guard,
        tries=1,
    ),
)
"""The scenarios of load."""
