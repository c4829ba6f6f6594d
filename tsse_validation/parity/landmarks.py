"""What windows are drawn at, by name, and what edges are made of: known without hypothesis, which draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tsse_validation.domain.instants import require_utc
from tsse_validation.domain.windows import Window

EDGES = ("random", "day-boundary", "backfill-start", "watermark", "single-row", "beside-a-row", "empty")
"""The kinds of window that step 7 draws, by name."""


@dataclass(frozen=True)
class Landmarks:
    """What edges are made of: the covered window, and instants at which Postgres has a row.

    `row_instants` must lie in `covered`, UTC-aware; they may be any sample, and none at all.

    >>> from datetime import UTC, datetime
    >>> from tsse_validation import Landmarks, Window
    >>> Landmarks(Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)), []).row_instants
    []

    Raises:
        ValueError: an instant is naive, or lies outside.
    """

    covered: Window
    row_instants: Sequence[datetime]

    def __post_init__(self) -> None:
        for instant in self.row_instants:
            if require_utc(instant) not in self.covered:
                msg = f"{instant.isoformat()} lies outside of the covered window, {self.covered}"
                raise ValueError(msg)
