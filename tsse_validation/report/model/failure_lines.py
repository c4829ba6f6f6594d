"""The failure scenarios as a report shows them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tsse_validation.domain.phrasing import duration
from tsse_validation.failures.telling import found_in_words, repeated_by, tally
from tsse_validation.report.model import words
from tsse_validation.runlog.failure_records import FailureTried

OUTCOMES: Mapping[str, tuple[str, str]] = {
    "recovered": ("good", "recovered"),
    "lost": ("bad", "lost"),
    "not_tried": ("open", "not tried"),
}
"""A tone and a word for each outcome."""


@dataclass(frozen=True)
class FailureLine:
    """One scenario, the worst outcome first."""

    tried: FailureTried
    tone: str
    outcome: str
    struck: str
    took: str
    found: str
    command: str


@dataclass(frozen=True)
class FailuresReport:
    """All scenarios of a run, and how many came to what."""

    lines: tuple[FailureLine, ...]
    in_short: str

    @property
    def lost(self) -> tuple[FailureLine, ...]:
        """The scenarios that speak against the release."""
        return tuple(line for line in self.lines if line.tried.outcome == "lost")


def failures_report(tried: Sequence[FailureTried]) -> FailuresReport | None:
    """Return what a report shows of a run's failures, or `None` of a run without any."""
    if not tried:
        return None
    worst_first = sorted(tried, key=lambda one: ("lost", "not_tried", "recovered").index(one.outcome))
    return FailuresReport(tuple(map(_line, worst_first)), tally(tried))


def _line(tried: FailureTried) -> FailureLine:
    tone, outcome = OUTCOMES[tried.outcome]
    at = f" ({words.instant(tried.struck_at)})" if tried.struck_at else ""
    return FailureLine(
        tried=tried,
        tone=tone,
        outcome=outcome,
        struck=f"{tried.struck}{at}" if tried.struck else "–",
        took="–" if tried.recovered_seconds is None else duration(tried.recovered_seconds),
        found=found_in_words(tried) or "nothing is missing",
        command=repeated_by(tried),
    )
