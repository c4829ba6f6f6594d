"""GO, NO-GO or INCOMPLETE: pure decisions over a `RunResult`, by the runbook's catalogue.

The rules, the strongest first:

1. A failed check is evidence against the release: NO-GO.
2. A check of the catalogue that the run did not prove (skipped, blocked, deselected, interrupted, crashed,
   timed out, without rows) makes the run INCOMPLETE.
3. A check that needs what the operator could not give (no DSN, no readable lake) does not forbid GO on a live
   controller. The verdict then says what it rests on, and what was not checked.
4. GO needs at least one proven check on every gate line, sensors that were compared, and rows that were.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from tsse_validation.domain.catalogue import CHECKS, CONFORMANCE_CHECKS, GATE_TITLES, CheckSpec, Gate, step_label
from tsse_validation.domain.contract import BACKFILL_GATE_DAYS
from tsse_validation.domain.stack import Capability
from tsse_validation.runlog.records import CheckFinished, CheckPlanned, CheckStatus
from tsse_validation.runlog.result import RunResult


class Outcome(StrEnum):
    """The decision on the release."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCOMPLETE = "INCOMPLETE"


EXIT_CODES: Mapping[Outcome, int] = {Outcome.GO: 0, Outcome.NO_GO: 1, Outcome.INCOMPLETE: 6}
"""Exit codes of a run; 2 to 5 are pytest's own, 7 says that a secret was found in a written file."""
EXIT_LEAK = 7

EXCUSABLE = frozenset({Capability.POSTGRES, Capability.LAKE, Capability.VIEW_TOKEN, Capability.TOKEN_FILE})
"""What the operator of a live controller may be unable to give. Reports name what is absent; GO stays possible."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class NotChecked(_Model):
    """A check of the runbook that the run did not prove; `tolerated` says that this does not forbid GO."""

    check_id: str
    key: str
    title: str
    step: int
    reason: str
    tolerated: bool = False


class GateLine(_Model):
    """One line of TSSE-6 with its evidence."""

    gate: Gate
    title: str
    outcome: Outcome
    gaps: tuple[str, ...]
    evidence: tuple[str, ...]


class Verdict(_Model):
    """The decision, why, and what it rests on."""

    outcome: Outcome
    reasons: tuple[str, ...]
    basis: str
    gates: tuple[GateLine, ...]
    not_checked: tuple[NotChecked, ...]
    sensors_compared: int
    rows_compared: int

    @property
    def exit_code(self) -> int:
        """The process exit code that stands for the outcome."""
        return EXIT_CODES[self.outcome]


def decide(result: RunResult) -> Verdict:
    """Return the verdict on a run: GO, NO-GO or INCOMPLETE, with the reasons for it.

    It is pure and raises nothing. What the result lacks is a gap, and makes the verdict INCOMPLETE.

    >>> from tsse_validation import RunResult, decide
    >>> verdict = decide(RunResult.from_log(RUN / "run.jsonl"))
    >>> str(verdict.outcome), verdict.reasons
    ('GO', ('every check of the runbook that this stack allows is proven',))

    """
    not_checked = tuple(_not_checked(result))
    failures = tuple(_failures(result))
    gaps = tuple(_gaps(result, not_checked))
    outcome = Outcome.NO_GO if failures else Outcome.INCOMPLETE if gaps else Outcome.GO
    return Verdict(
        outcome=outcome,
        reasons=failures + gaps or ("every check of the runbook that this stack allows is proven",),
        basis=_basis(result),
        gates=tuple(_gate_line(gate, result, not_checked) for gate in Gate),
        not_checked=not_checked,
        sensors_compared=sensors_compared(result),
        rows_compared=rows_compared(result),
    )


def rows_compared(result: RunResult) -> int:
    """Return how many rows were compared one by one, or else by the largest count."""
    counted = max((sum(row.postgres for row in counts.rows) for counts in result.counts), default=0)
    return max((compared.rows for compared in result.rows_compared), default=counted)


def sensors_compared(result: RunResult) -> int:
    """Return how many sensors had a row, on either side, in any count."""
    return len({row.sensor_id for counts in result.counts for row in counts.rows if row.postgres or row.lake})


def _failures(result: RunResult) -> Iterator[str]:
    for check in result.checks:
        if check.status is CheckStatus.FAILED:
            yield f"{step_label(check.step)}: {check.title}: {check.message}"
    for finding in result.findings:
        if finding.flagged:
            yield f"triage: {finding.diagnosis}: {finding.summary}"


def _gaps(result: RunResult, not_checked: tuple[NotChecked, ...]) -> Iterator[str]:
    if result.finished is None:
        yield "the run did not end: its log stops in the middle"
    elif result.finished.reason != "completed":
        reason = result.finished.reason.replace("_", " ")
        yield f"the run did not come to its end ({reason}): {result.finished.message}"
    for ended in result.services_ended:
        yield f"{ended.name} ended in the middle of the run, with {ended.how}"
    yield from _open_steps(not_checked)
    if not sensors_compared(result):
        yield "no sensor was compared"
    if not rows_compared(result):
        yield "no row was compared"
    for gate in Gate:
        yield from (f"gate “{GATE_TITLES[gate]}”: {gap}" for gap in _gate_gaps(gate, result))


def _open_steps(not_checked: tuple[NotChecked, ...]) -> Iterator[str]:
    """Yield what is missing, one line for each step and reason: a blocked step is one gap, not ten."""
    titles: dict[tuple[int, str], list[str]] = {}
    for missing in not_checked:
        if not missing.tolerated:
            titles.setdefault((missing.step, missing.reason), []).append(missing.title)
    for (step, reason), missed in titles.items():
        what = missed[0] if len(missed) == 1 else f"{len(missed)} checks"
        yield f"{step_label(step)}: {what}: {reason}"


def _gate_gaps(gate: Gate, result: RunResult) -> Iterator[str]:
    if not any(check.status.proven for check in _checks_of(gate, result)):
        yield "nothing is proven"
    if gate is Gate.BACKFILL:
        days = max((backfill.days for backfill in result.backfills if backfill.status == "completed"), default=0)
        if days < BACKFILL_GATE_DAYS:
            yield f"{days} of {BACKFILL_GATE_DAYS} days were backfilled"


def _not_checked(result: RunResult) -> Iterator[NotChecked]:
    for spec in CHECKS.values():
        planned = [plan for plan in result.planned if plan.key == spec.key]
        if not planned:
            yield _missing(spec, spec.key, "not part of this run's selection")
        yield from _never_ended(spec, planned, result)
    for spec in CONFORMANCE_CHECKS.values():
        # Conformance is no part of the runbook: only what was selected is missed.
        asked_for = [plan for plan in result.planned if plan.key == spec.key and plan.selected]
        yield from _never_ended(spec, asked_for, result)
    for check in result.checks:
        if not check.status.proven and check.status is not CheckStatus.FAILED:
            tolerated = check.status is CheckStatus.NOT_CHECKED and _excused(check.key, result)
            yield _missing(check, check.check_id, check.message, tolerated=tolerated)


def _never_ended(spec: CheckSpec, planned: Iterable[CheckPlanned], result: RunResult) -> Iterator[NotChecked]:
    ended = {check.check_id for check in result.checks}
    under_way = {check.check_id for check in result.interrupted}
    for plan in planned:
        if plan.check_id not in ended:
            reason = "interrupted" if plan.check_id in under_way else "not run" if plan.selected else "deselected"
            yield _missing(spec, plan.check_id, reason)


def _missing(of: CheckSpec | CheckFinished, check_id: str, reason: str, *, tolerated: bool = False) -> NotChecked:
    return NotChecked(
        check_id=check_id, key=of.key, title=of.title, step=of.step, reason=reason, tolerated=tolerated
    )


def _excused(key: str, result: RunResult) -> bool:
    """Whether a check needs what the operator of a live controller could not give."""
    if key not in CHECKS or result.stack is None or result.stack.strict:
        return False
    return bool(CHECKS[key].requires & EXCUSABLE & set(result.stack.absent))


def _checks_of(gate: Gate, result: RunResult) -> list[CheckFinished]:
    return [check for check in result.checks if check.key in CHECKS and CHECKS[check.key].gate is gate]


def _gate_line(gate: Gate, result: RunResult, not_checked: tuple[NotChecked, ...]) -> GateLine:
    checks = _checks_of(gate, result)
    missing = [
        f"not checked: {item.title} ({item.reason})"
        for item in not_checked
        if item.key in CHECKS and CHECKS[item.key].gate is gate and not item.tolerated
    ]
    gaps = [*_gate_gaps(gate, result), *missing]
    failed = any(check.status is CheckStatus.FAILED for check in checks)
    if gate is Gate.PARITY:
        failed = failed or any(finding.flagged for finding in result.findings)
    outcome = Outcome.NO_GO if failed else Outcome.INCOMPLETE if gaps else Outcome.GO
    evidence = [f"{check.status.value.replace('_', ' ')}: {check.check_id}" for check in checks]
    return GateLine(
        gate=gate, title=GATE_TITLES[gate], outcome=outcome, gaps=tuple(gaps), evidence=tuple(evidence)
    )


def _basis(result: RunResult) -> str:
    if result.stack is None:
        return "nothing: no stack was reached"
    if not {Capability.POSTGRES, Capability.LAKE} & set(result.stack.absent):
        return "our own reading of Postgres and of the lake's files, and the controller's API"
    return (
        "the controller's own counts: Postgres and the lake were not both readable to us, so no count here is "
        "independent of the software under validation"
    )
