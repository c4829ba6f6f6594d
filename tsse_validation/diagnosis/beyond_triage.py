"""Findings about rows outside of the covered range: pure. `row_triage` tells how they differ."""

from collections.abc import Mapping
from datetime import date

from tsse_validation.domain.phrasing import count_of, days_in_words
from tsse_validation.runlog.records import Finding

NEXT_STEP = (
    "A backfill brings back what lies within its days: a longer one for older dates, and for dates ahead one once "
    "they have come. If such rows are lost again, it is a replication correctness bug: track it as a new task and "
    "do not mark TSSE-6 Done."
)
_PROMISED = "they lie outside of the covered range, and the watermark promises them by when they were inserted"
_ASKED_FOR = "no state promises these dates: they were compared for --cover lake"


def of_promised(found: Finding) -> Finding:
    """Return a finding of rows that are due outside of the covered range."""
    return _beyond(found, _PROMISED)


def of_others(found: Finding) -> Finding:
    """Return a finding of rows that nobody promises, and that were asked for."""
    return _beyond(found, _ASKED_FOR)


def _beyond(found: Finding, why: str) -> Finding:
    return found.model_copy(
        update={"evidence": f"{found.evidence}; {why}", "next_step": NEXT_STEP, "heals_by_backfill": False}
    )


def before_a_backfill(rows: Mapping[date, int]) -> list[Finding]:
    """Explain rows that lie before the first of their date in the lake: a backfill began there (section 3)."""
    if not rows:
        return []
    return [
        Finding(
            diagnosis="before a backfill's start",
            flagged=False,
            summary=f"{count_of(sum(rows.values()), 'row')} on {days_in_words(sorted(rows))}",
            evidence="the lake holds these dates from a time of the day on, at which a backfill began",
            days=tuple(sorted(rows)),
            rows=sum(rows.values()),
            next_step="Nothing: a longer backfill brings them, where they are wanted.",
        )
    ]
