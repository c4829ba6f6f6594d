"""What a tried scenario means, in words, and what it says of the release."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tsse_validation.domain.phrasing import count_of
from tsse_validation.runlog.failure_records import FailureDiagnosis, FailureTried

if TYPE_CHECKING:
    from tsse_validation.steps.run import Check

MOST_TOLD = 3
"""Touched files that a message names."""


def hold_recovered(tried: FailureTried, check: "Check") -> None:
    """Hold that a failure was recovered from, and lost nothing; one that was not tried proves nothing.

    Raises:
        PromiseBrokenError: rows are lost, or what nothing was to touch was touched.
        NotCheckedError: the scenario was not tried.
    """
    check.fact("scenario", tried.title)
    check.fact("struck", tried.struck or "not at all")
    check.fact("rows", f"{tried.rows:,}")
    if tried.repaired_by:
        check.fact("before the repair", diagnoses_in_words(tried.before_repair) or "nothing was missing")
        check.fact("repaired by", tried.repaired_by)
    check.needs(tried.outcome != "not_tried", f"{tried.title} {tried.message}")
    check.that(
        tried.outcome == "recovered",
        f"{tried.title} {found_in_words(tried)}",
        f"Repeat it by {repeated_by(tried)}; the services' logs are beside the report.",
    )


def found_in_words(tried: FailureTried) -> str:
    """Say what came of a strike, in a sentence or two."""
    if tried.outcome == "not_tried":
        return tried.message
    found = [text for text in (diagnoses_in_words(tried.diagnoses), *_touched(tried.touched)) if text]
    if tried.outcome == "lost":
        after = f"After {tried.struck}: {'; '.join(found) or 'not recovered'}."
        return f"{after} {tried.message}".strip()
    missing = diagnoses_in_words(tried.before_repair)
    repaired = f"Missing before the repair: {missing}. Whole after {tried.repaired_by}." if missing else ""
    return " ".join(text for text in (repaired, tried.message) if text)


def diagnoses_in_words(diagnoses: Sequence[FailureDiagnosis]) -> str:
    """Name each diagnosis with its rows."""
    return "; ".join(f"{one.diagnosis}: {one.summary}" for one in diagnoses)


def repeated_by(tried: FailureTried) -> str:
    """Return the command that tries a scenario again, at the same moments."""
    return f"pytest -m failures -k {tried.scenario} --failure-seed {tried.seed}"


def tally(tried: Sequence[FailureTried]) -> str:
    """Say how many scenarios came to what."""
    words = {"recovered": "recovered", "lost": "lost", "not_tried": "not tried"}
    counted = ((sum(one.outcome == outcome for one in tried), word) for outcome, word in words.items())
    parts = ", ".join(f"{count} {word}" for count, word in counted if count)
    return f"{count_of(len(tried), 'scenario')}: {parts}"


def _touched(touched: Sequence[str]) -> Sequence[str]:
    more = len(touched) - MOST_TOLD
    return (*touched[:MOST_TOLD], *((f"and {count_of(more, 'file')} more",) if more > 0 else ()))
