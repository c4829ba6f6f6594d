"""GO, NO-GO or INCOMPLETE: pure decisions over a `RunResult`, by the runbook's catalogue.

The rules, the strongest first:

1. A failed check is evidence against the release: NO-GO.
2. A check of the catalogue that the run did not prove (skipped, blocked, deselected, interrupted, crashed,
   timed out, without rows) makes the run INCOMPLETE.
3. GO needs the grade of assurance that is required: proof, unless a lower one was accepted. Which grade a run has
   reached, `grading` says, and what a seal of the lake is worth to it, `seal_account`.
4. A check that needs what the operator could not give (no DSN, no readable lake) does not forbid GO on a live
   controller, where the accepted grade can do without it. The verdict then says what was not checked.
5. A soak that was asked for is a part of the gate: a failed check of it is NO-GO, and one that the run did not
   prove is missed as the runbook's are.
6. GO needs at least one proven check on every gate line, sensors that were compared, and rows that were.
"""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.catalogue import (
    BOTH_SIDES,
    CHECKS,
    GATE_TITLES,
    HELPER_CHECKS,
    OTHER_CHECKS,
    PARITY_STEP,
    SOAK_CHECKS,
    CheckSpec,
    Gate,
    spec_of,
    step_label,
)
from tsse_validation.domain.contract import BACKFILL_GATE_DAYS
from tsse_validation.domain.outcome import EXIT_CODES, Outcome
from tsse_validation.domain.phrasing import count_of, listed
from tsse_validation.domain.stack import Capability
from tsse_validation.faults import faults_of, speaks_against
from tsse_validation.grading import (
    ProvenShare,
    Reached,
    coverage_warnings,
    grade_reached,
    rows_compared,
    share_proven,
    wanting,
)
from tsse_validation.incremental import rests_on
from tsse_validation.runlog.records import CheckFinished, CheckPlanned, CheckStatus
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.setting_record import NOT_SET
from tsse_validation.seal_account import (
    baseline_accepted_by,
    baseline_of,
    lake_by_seal,
    lake_in_words,
    lake_seals,
)
from tsse_validation.soak_account import soak_asked, soak_gaps

EXCUSABLE = frozenset({Capability.POSTGRES, Capability.LAKE, Capability.VIEW_TOKEN, Capability.TOKEN_FILE})
"""What the operator of a live controller may be unable to give: a GO by an accepted lower grade stays possible."""


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
    """One line of TSSE-6 and its checks by status; `rests_on` is `None` in a result of an earlier version."""

    gate: Gate
    title: str
    outcome: Outcome
    gaps: tuple[str, ...]
    evidence: tuple[str, ...]
    rests_on: tuple[str, ...] | None = None


class Verdict(_Model):
    """The decision, why, and what it rests on.

    `assurance` is the grade that was reached (`None`: none), `grade` the same in words; `required` is what GO
    needs, and `accepted_by` the option that asked for less than a proof. `proven` is how much was compared, and
    `None` in a result of an earlier version. `warnings` say what was smaller than it may seem. `baseline` says
    which days of a sealed lake rest on an earlier seal, where the grade was reached with them. The first `faults`
    of the `reasons` speak against the release, the others are gaps; `explained` are the failed checks that the
    faults explain. Both are `None` in a result of an earlier version.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    basis: str
    gates: tuple[GateLine, ...]
    not_checked: tuple[NotChecked, ...]
    sensors_compared: int
    rows_compared: int
    required: Assurance = Assurance.PROOF
    assurance: Assurance | None = None
    grade: str = ""
    accepted_by: str = ""
    proven: ProvenShare | None = None
    warnings: tuple[str, ...] = ()
    baseline: str = ""
    faults: int | None = None
    explained: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """The outcome as every report shows it: a GO below proof, or on a baseline, never without its grade."""
        if self.outcome is not Outcome.GO or (self.assurance is Assurance.PROOF and not self.baseline):
            return self.outcome.value
        return f"{self.outcome} by {self.assurance or 'no known grade'}{' on a baseline' if self.baseline else ''}"

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
    required, reached = result.started.required, grade_reached(result)
    not_checked = tuple(_not_checked(result, reached))
    faults = faults_of(result)
    ungraded = wanting(result, reached)
    gaps = tuple(_gaps(result, not_checked, ungraded))
    outcome = Outcome.NO_GO if faults.lines else Outcome.INCOMPLETE if gaps or ungraded else Outcome.GO
    share = share_proven(result, reached)
    baseline = baseline_of(result) if reached and reached.by_us else ""
    return Verdict(
        outcome=outcome,
        # what speaks against the release is no matter of grades
        reasons=faults.lines + gaps + ((ungraded,) if ungraded and not faults.lines else ())
        or (_all_is_well(reached),),
        basis=_basis(result),
        gates=tuple(_gate_line(gate, result, not_checked, ungraded) for gate in Gate),
        not_checked=not_checked,
        sensors_compared=sensors_compared(result),
        rows_compared=rows_compared(result),
        required=required,
        assurance=reached.assurance if reached else None,
        grade=reached.words if reached else "no grade was reached",
        accepted_by=" and ".join(_accepted_by(result, baseline)),
        proven=share,
        warnings=tuple(coverage_warnings(result, reached, share)),
        baseline=baseline,
        faults=len(faults.lines),
        explained=faults.explained,
    )


def _all_is_well(reached: Reached | None) -> str:
    if reached is None or reached.assurance is Assurance.PROOF:
        return "every check of the runbook that this stack allows is proven"
    return f"every check of the runbook that a GO by {reached.assurance} needs is proven"


def _accepted_by(result: RunResult, baseline: str) -> Iterator[str]:
    """Yield the options that asked for less than a proof, or for one on a baseline."""
    if result.started.required is not Assurance.PROOF:
        yield _require_option(result)
    if baseline:
        yield baseline_accepted_by(result)


def _require_option(result: RunResult) -> str:
    sources = [setting.source for setting in result.started.settings if setting.name == "require"]
    return f"--require {result.started.required}" + "".join(f" ({source})" for source in sources)


_MOST_TITLES = 2
"""Checks of a gate line that are named where they were not made; more are counted."""


def sensors_compared(result: RunResult) -> int:
    """Return how many sensors had a row, on either side, in any count."""
    return len({row.sensor_id for counts in result.counts for row in counts.rows if row.postgres or row.lake})


def _gaps(result: RunResult, not_checked: tuple[NotChecked, ...], ungraded: str) -> Iterator[str]:
    if result.finished is None:
        yield "the run did not end: its log stops in the middle"
    elif result.finished.reason != "completed":
        reason = result.finished.reason.replace("_", " ")
        yield f"the run did not come to its end ({reason}): {result.finished.message}"
    for ended in result.services_ended:
        yield f"{ended.name} ended in the middle of the run, with {ended.how}"
    # what Postgres or lake would have had to be given for is one gap: that of the grade
    left_out = [check for check in result.checks if ungraded and check.status is CheckStatus.NOT_CHECKED]
    told = {check.check_id for check in left_out if _needs_absent(check, result, BOTH_SIDES)}
    yield from _open_steps(missing for missing in not_checked if missing.check_id not in told)
    if not sensors_compared(result):
        yield "no sensor was compared"
    if not rows_compared(result):
        yield "no row was compared"
    for gate in Gate:
        yield from (f"gate “{GATE_TITLES[gate]}”: {gap}" for gap in _gate_gaps(gate, result))


def _open_steps(not_checked: Iterable[NotChecked]) -> Iterator[str]:
    """Yield what is missing, one line for each reason: what blocks three steps is one gap, not twenty."""
    by_reason: dict[str, list[NotChecked]] = {}
    for missing in not_checked:
        if not missing.tolerated:
            by_reason.setdefault(missing.reason, []).append(missing)
    for reason, missed in by_reason.items():
        what = missed[0].title if len(missed) == 1 else f"{len(missed)} checks"
        steps = listed([*dict.fromkeys(step_label(missing.step) for missing in missed)])
        yield f"{steps}: {what}: {reason}"


def _gate_gaps(gate: Gate, result: RunResult) -> Iterator[str]:
    if not any(check.status.proven and check.key in CHECKS for check in _checks_of(gate, result)):
        yield "nothing is proven"
    if gate is Gate.INCREMENTAL:
        yield from soak_gaps(result)
    if gate is Gate.BACKFILL:
        days = max((backfill.days for backfill in result.backfills if backfill.status == "completed"), default=0)
        if days < BACKFILL_GATE_DAYS:
            yield f"{days} of {BACKFILL_GATE_DAYS} days were backfilled"


def _not_checked(result: RunResult, reached: Reached | None) -> Iterator[NotChecked]:
    for spec in _asked_for(result):
        planned = [plan for plan in result.planned if plan.key == spec.key]
        if not planned:
            yield _missing(spec, spec.key, "not part of this run's selection")
        yield from _never_ended(spec, planned, result)
    for spec in OTHER_CHECKS.values():
        if spec in _asked_for(result):
            continue
        asked_for = [plan for plan in result.planned if plan.key == spec.key and plan.selected]
        yield from _never_ended(spec, asked_for, result)
    for check in result.checks:
        if not check.status.proven and check.status is not CheckStatus.FAILED:
            yield _missing(check, check.check_id, check.message, tolerated=_excused(check, result, reached))


def _asked_for(result: RunResult) -> list[CheckSpec]:
    """Return the checks that no selection may leave out: the runbook's, and those that a setting has asked for."""
    helped = result.started.value_of("helpers", NOT_SET) != NOT_SET
    return [
        *CHECKS.values(),
        *(SOAK_CHECKS.values() if soak_asked(result) else ()),
        *(HELPER_CHECKS.values() if helped else ()),
    ]


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


def _excused(check: CheckFinished, result: RunResult, reached: Reached | None) -> bool:
    """Whether GO can do without a check that was left out.

    It can where the check would prove more than the grade that was accepted, where it needs what the operator of a
    live controller could not give for that grade, and where it wanted POSTs, or the lake's files beside a seal of
    them, for what a proof has shown already.
    """
    spec = spec_of(check.key)
    if spec is None or check.status is not CheckStatus.NOT_CHECKED:
        return False
    required = result.started.required
    proves_more = spec.proves is not None and spec.by_our_reading and not required.reaches(spec.proves)
    if proves_more and spec.step == PARITY_STEP:
        return True
    if spec.spare and check.for_want_of_posts and reached and reached.assurance is Assurance.PROOF:
        return True
    if check.left_to_seal and lake_seals(result) and reached and reached.assurance is Assurance.PROOF:
        return True
    return _needs_absent(check, result, EXCUSABLE - BOTH_SIDES if required is Assurance.PROOF else EXCUSABLE)


def _needs_absent(check: CheckFinished, result: RunResult, sides: frozenset[Capability]) -> bool:
    """Whether a check needs one of these, and the operator of a live controller could not give it."""
    spec = spec_of(check.key)
    if spec is None or result.stack is None or result.stack.strict:
        return False
    return bool(spec.requires & sides & set(result.stack.absent))


def _checks_of(gate: Gate, result: RunResult) -> list[CheckFinished]:
    return [check for check in result.checks if (spec := spec_of(check.key)) is not None and spec.gate is gate]


def _gate_line(gate: Gate, result: RunResult, not_checked: tuple[NotChecked, ...], ungraded: str) -> GateLine:
    checks = _checks_of(gate, result)
    missing = [
        item.title
        for item in not_checked
        if (spec := spec_of(item.key)) is not None and spec.gate is gate and not item.tolerated
    ]
    # what is missing, and not why: that is one of the reasons
    grade = [ungraded.partition(":")[0]] if ungraded and gate is Gate.PARITY else []
    gaps = [*_gate_gaps(gate, result), *grade, *_in_short(missing)]
    failed = speaks_against(gate, result) or any(check.status is CheckStatus.FAILED for check in checks)
    outcome = Outcome.NO_GO if failed else Outcome.INCOMPLETE if gaps else Outcome.GO
    return GateLine(
        gate=gate,
        title=GATE_TITLES[gate],
        outcome=outcome,
        gaps=tuple(gaps),
        evidence=tuple(f"{check.status.value.replace('_', ' ')}: {check.check_id}" for check in checks),
        rests_on=rests_on(result) if gate is Gate.INCREMENTAL else (),
    )


def _in_short(titles: Sequence[str]) -> Iterator[str]:
    if len(titles) > _MOST_TITLES:
        yield f"{count_of(len(titles), 'check')} of it not made"
    else:
        yield from (f"not checked: {title}" for title in titles)


def _basis(result: RunResult) -> str:
    if result.stack is None:
        return "nothing: no stack was reached"
    if not BOTH_SIDES & set(result.stack.absent) and not _side_failed(result):
        if lake_by_seal(result):
            return f"our own reading of Postgres, {lake_in_words(result)}, and the controller's API"
        return "our own reading of Postgres and of the lake's files, and the controller's API"
    return (
        "the controller's own counts: Postgres and the lake were not both readable to us, so no count here is "
        "independent of the software under validation"
    )


def _side_failed(result: RunResult) -> bool:
    """Whether Postgres or the lake was given, and could not be looked at."""
    return any(
        spec.opens and spec.requires & BOTH_SIDES and check.status is CheckStatus.UNPROVEN
        for check in result.checks
        if (spec := CHECKS.get(check.key)) is not None
    )
