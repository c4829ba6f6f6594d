"""The rows of one diagnosis, added up, and the next steps that the runbook has."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tsse_validation.runlog.records import Finding

REPEAT_BACKFILL = (
    "Re-run the backfill with replace_existing=true for the affected range and check again. If the mismatch is "
    "still there, it is a replication correctness bug: track it as a new task and do not mark TSSE-6 Done."
)
PARTITION_MISSING = "partition missing"
LEFT_EMPTY = "a backfill that is killed or canceled between a date's removal and its writing leaves it so"
"""Contract section 3: what a date without files is the mark of, beside files that were deleted."""
NOTHING_TO_DO = "Nothing: replication takes these rows up when its watermark passes their insertion."
COUNTS_DIFFER = "counts differ"
"""The diagnosis by counts alone: which rows differ they do not tell."""
NAMED_SENSORS = 50
"""Sensors that a finding names; it counts the rows of all."""


def healable(
    diagnosis: str, summary: str, evidence: str, *, heals: bool = True, look_first: str = "", **rest: Any
) -> Finding:
    """Return the finding of a fault that the runbook answers with a backfill; `heals` says that it may help."""
    return Finding(
        diagnosis=diagnosis,
        flagged=True,
        summary=summary,
        evidence=evidence,
        next_step=f"{look_first} {REPEAT_BACKFILL}".lstrip(),
        heals_by_backfill=heals,
        **rest,
    )


@dataclass
class Tally:
    """Rows of one diagnosis, by sensor, by day and by detail."""

    rows: int = 0
    sensors: Counter[str] = field(default_factory=Counter)
    days: set[date] = field(default_factory=set)
    details: Counter[str] = field(default_factory=Counter)

    def add(self, day: date, sensor_id: str, rows: int = 1, detail: str = "") -> None:
        """Take in rows of one sensor on one day."""
        if not rows:
            return
        self.rows += rows
        self.sensors[sensor_id] += rows
        self.days.add(day)
        if detail:
            self.details[detail] += rows

    def merge(self, other: "Tally", detail: str) -> None:
        """Take in rows that turn out to be of this diagnosis."""
        self.rows += other.rows
        self.sensors += other.sensors
        self.days |= other.days
        if detail:
            self.details[detail] += other.rows
