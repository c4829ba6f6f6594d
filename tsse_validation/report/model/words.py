"""The wording of numbers, durations, instants and states, shared by all reports."""

import math
from collections.abc import Mapping
from datetime import datetime

from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.catalogue import step_name
from tsse_validation.domain.contract import POST_BURST, POST_REFILL_SECONDS
from tsse_validation.domain.instants import format_rfc3339, to_the_second
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.phrasing import HIGHEST, count_of, duration, number
from tsse_validation.runlog.differences_record import DifferencesKept
from tsse_validation.runlog.records import (
    CheckStatus,
    RowDifference,
    RowVersion,
    RunFinished,
    StackDescribed,
)
from tsse_validation.runlog.session_record import SessionsUsed
from tsse_validation.verdict import Verdict

_MEANINGS: Mapping[Outcome, str] = {
    Outcome.NO_GO: "There is evidence against this release. Do not mark TSSE-6 Done.",
    Outcome.INCOMPLETE: "Not enough was proven to decide. This is not a GO: do not mark TSSE-6 Done.",
}
GATE_WORDS: Mapping[Outcome, str] = {
    Outcome.GO: "proven",
    Outcome.NO_GO: "failed",
    Outcome.INCOMPLETE: "not proven",
}
PART = "part"
"""The tone of a GO below proof: it has a colour and a shape of its own."""
OUTCOME_TONES: Mapping[Outcome, str] = {Outcome.GO: "good", Outcome.NO_GO: "bad", Outcome.INCOMPLETE: "open"}
STATUS_TONES: Mapping[CheckStatus, str] = {
    CheckStatus.PASSED: "good",
    CheckStatus.WARNED: "open",
    CheckStatus.FAILED: "bad",
    CheckStatus.UNPROVEN: "open",
    CheckStatus.BLOCKED: "open",
    CheckStatus.NOT_CHECKED: "none",
}
STEP_TONES: Mapping[str, str] = {
    "proven": "good",
    "proven in part": "good",
    "failed": "bad",
    "blocked": "open",
    "incomplete": "open",
    "not checked": "none",
}
EXPLAINED = "explained, no fault"
HEALS = "A backfill with replace_existing=true over these days heals it."
FLAGGED = "evidence against the release"
BUDGET = f"the controller allows a burst of {POST_BURST}, then one every {POST_REFILL_SECONDS:g} s"
LATE = "late, no fault"
TOLERATED = "does not forbid GO"
NO_SIGNATURE = "A seal does not prove who made it: it is signed as a run's folder is, by ssh-keygen -Y."
NOTHING_TO_DO = "Nothing: it is a GO."
LAST_LINES = "The last lines of its log:"
NOT_MEASURED = "not measured"
_LARGEST_PLAIN = 1e12
LOOKS: Mapping[str, str] = {"inspection": "inspection job", "parity": "parity job", "state_file": "state file"}
SOURCES: Mapping[str, str] = {"job": "the controller's job", "direct": "us"}


def seconds(value: float | None) -> str:
    """Write a lag in seconds, which may be negative: ``61.5 s``; `None` is not measured."""
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    return f"{value:,.1f} s" if abs(value) < _LARGEST_PLAIN else f"{value:.3g} s"


def measured(value: int | None) -> str:
    """Write a number; `None` is not measured."""
    return NOT_MEASURED if value is None else number(value)


def sessions(used: SessionsUsed) -> str:
    """Write what a run has taken of Postgres."""
    longest, idle = duration(used.longest_seconds), duration(used.idle_longest_seconds)
    return (
        f"{count_of(used.transactions, 'transaction')}, the longest {longest}, of which the server waited for us "
        f"{idle} at the most. One locked {number(used.locks_most)} tables and indexes at the most. "
        f"{count_of(used.tries_again, 'piece')} had to be tried again."
    )


def late_windows(count: int) -> str:
    """Write the number of windows that differ by late rows."""
    return (
        f"{count_of(count, 'window')} {'differs' if count == 1 else 'differ'} by rows that arrived late: no fault."
    )


def size(count: int | None) -> str:
    """Write a size in bytes: ``2,944 bytes``, ``45.3 MB``; `None` is not measured."""
    if count is None:
        return NOT_MEASURED
    for unit, power in (("GB", 9), ("MB", 6)):
        if 10**power <= abs(count) <= HIGHEST:
            return f"{count / 10**power:,.1f} {unit}"
    return count_of(count, "byte")


def rate(rows: int | None, seconds: float) -> str:
    """Write rows per second, or `unknown`."""
    if rows is None or not math.isfinite(seconds) or seconds <= 0:
        return "unknown"
    return f"{number(round(rows / seconds))} rows/s"


def known(value: int | None) -> str:
    """Write a number; `None` is unknown."""
    return "unknown" if value is None else number(value)


def instant(at: datetime | None) -> str:
    """Write an instant to the microsecond, as the controller does."""
    return "unknown" if at is None else format_rfc3339(at)


def moment(at: datetime | None) -> str:
    """Write an instant to the second, for headings."""
    return "unknown" if at is None else to_the_second(at)


def compared(level: str) -> str:
    """Write the way in which rows were compared."""
    return "compared row by row" if level == "rows" else f"compared by {level}, row by row where it differs"


def status(value: CheckStatus | str) -> str:
    """Write a status: ``not checked``."""
    return str(value).replace("_", " ")


def ending(finished: RunFinished | None) -> str:
    """Write the end of the run."""
    if finished is None:
        return "did not end: its log stops in the middle"
    return status(finished.reason)


def truth(value: bool) -> str:
    """Write yes or no."""
    return "yes" if value else "no"


def difference(row: RowDifference) -> str:
    """Write the kind of a difference, and its diagnosis if there is one: ``missing: day head lost``."""
    kind = status(row.kind)
    return f"{kind}: {row.diagnosis}" if row.diagnosis else kind


def kept(differences: DifferencesKept | None) -> str:
    """Write where all differing rows are, or nothing where no rows were compared."""
    if differences is None:
        return ""
    where = " and ".join(file.name for file in differences.files) or "no file"
    if not differences.complete:
        return (
            f"Not all differing rows are kept: {count_of(differences.rows, 'row')} in {where}. {differences.why}"
        )
    if not differences.rows:
        return f"No row differs; {where} beside this report say the same, without a row."
    rows = (
        "The one differing row is"
        if differences.rows == 1
        else f"All {number(differences.rows)} differing rows are"
    )
    return f"{rows} in {where} beside this report, with their places in the lake."


def version(side: RowVersion | None) -> str:
    """Write one side of a differing row."""
    if side is None:
        return "absent"
    quality = "none" if side.quality is None else str(side.quality)
    return f"value {side.value}, quality {quality}, inserted_at {side.inserted_at or 'none'}"


def step(which: int) -> str:
    """Name a step of the runbook: ``2 token``."""
    return f"{which} {step_name(which) or ''}".strip()


def verdict_tone(verdict: Verdict) -> str:
    """Return the tone of a verdict."""
    return PART if verdict.label != verdict.outcome.value else OUTCOME_TONES[verdict.outcome]


def meaning(verdict: Verdict, tolerated: int, *, owned: bool) -> str:
    """Write the meaning of a verdict; for a GO its grade, the number of tolerated gaps, and where it holds.

    On an own stack the services may be stand-ins, so that a GO there is none for an installed controller.
    """
    if verdict.outcome is not Outcome.GO:
        return _MEANINGS[verdict.outcome]
    grade = str(verdict.assurance or "no known grade")
    without = f"; {count_of(tolerated, 'check')} could not be made here" if tolerated else ""
    proof = verdict.assurance is Assurance.PROOF
    less = "A baseline" if verdict.baseline else "" if proof else "Less than a proof"
    accepted = f" {less} was accepted, by {verdict.accepted_by or 'an unknown option'}." if less else ""
    where = (
        "It holds for the services that this run started, and for no installed controller."
        if owned
        else f"TSSE-6 may be marked Done{'' if proof else f' by {grade}, not by proof'}."
    )
    return f"GO by {grade}: {verdict.grade}{without}.{accepted} {where}"


def assurance(verdict: Verdict) -> str:
    """Write which grade was reached, and which was required: ``counts required, sample reached: …``."""
    option = f" by {verdict.accepted_by}" if verdict.accepted_by and not verdict.baseline else ""
    reached = f"{verdict.assurance} reached: {verdict.grade}" if verdict.assurance else verdict.grade
    baseline = f"; accepted by {verdict.accepted_by}" if verdict.baseline else ""
    return f"{verdict.required} required{option}, {reached}{baseline}"


def share(verdict: Verdict) -> str:
    """Write how many rows were compared of how many, on which days."""
    return verdict.proven.words if verdict.proven else "a result of an earlier version does not say how much"


def share_name(verdict: Verdict) -> str:
    """Return what the share is called: only a GO proves, and a count proves no value."""
    if verdict.outcome is not Outcome.GO:
        return "Compared"
    return "Proven" if verdict.assurance is Assurance.PROOF else "Counted"


def shown_by(verdict: Verdict) -> str:
    """Write how many failed checks show the faults, or nothing."""
    shown = len(verdict.explained or ())
    if not shown:
        return ""
    return f"{count_of(shown, 'failed check')} {'shows' if shown == 1 else 'show'} this, each under its step."


def stack_at(stack: StackDescribed | None) -> str:
    """Write which stack was validated, and where."""
    return f"{stack.kind} stack at {stack.base_url}" if stack else "no stack was reached"


def services(stack: StackDescribed | None) -> str:
    """Write what was validated: the stack and its services."""
    parts = [f"{part.name}: {part.description}" for part in stack.components] if stack else []
    return "; ".join((stack_at(stack), *parts))


def sentence(phrase: str) -> str:
    """Turn a phrase into a sentence."""
    return f"{phrase[:1].upper()}{phrase[1:]}."


def gaps(blocking: int, tolerated: int) -> str:
    """Write the number of checks that were not made."""
    if not blocking + tolerated:
        return "nothing, every check of the runbook was made"
    return f"{count_of(blocking, 'check')} that GO needs, {number(tolerated)} that this stack excuses"
