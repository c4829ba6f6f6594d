"""What must not happen to a lake between two looks at it, by its replication state. Pure."""

from enum import Enum, auto

from tsse_validation.domain.contract import Replication


class StateChange(Enum):
    """Why two looks were at two states of a lake, of which later passes alone do not make one."""

    BACKFILL = auto()
    RETREAT = auto()


def change_between(before: Replication, after: Replication) -> StateChange | None:
    """Return whether a backfill has ended between two looks, or the watermark went back; else `None`."""
    if (before.backfill_from_ts, before.backfill_to_ts) != (after.backfill_from_ts, after.backfill_to_ts):
        return StateChange.BACKFILL
    first, then = before.computed_through_ts, after.computed_through_ts
    return StateChange.RETREAT if first is not None and (then is None or then < first) else None
