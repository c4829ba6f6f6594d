"""The checks as a report shows them: those that ended, and those that never did, step by step."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tsse_validation.domain.catalogue import CHECKS, CONFORMANCE_STEP, STEP_NAMES, step_name
from tsse_validation.domain.phrasing import number
from tsse_validation.report.model import words
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.runlog.records import CheckFinished, CheckStatus
from tsse_validation.verdict import NotChecked

_RUNBOOK_ORDER: Mapping[str, int] = {key: place for place, key in enumerate(CHECKS)}


class StepState(StrEnum):
    """What a step of the runbook has come to."""

    PROVEN = "proven"
    LIMITED = "proven in part"
    FAILED = "failed"
    BLOCKED = "blocked"
    INCOMPLETE = "incomplete"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class CheckLine:
    """One check; `seconds` is `None` when it never ended, `tolerated` when it does not forbid GO."""

    check_id: str
    key: str
    step: int
    title: str
    status: CheckStatus
    message: str
    advice: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: float | None = None
    tolerated: bool = False

    @property
    def case(self) -> str:
        """The parameter that tells it from other checks of the same title: ``day-boundary``."""
        _, opened, rest = self.check_id.partition("[")
        return rest.removesuffix("]") if opened else ""

    @property
    def full_title(self) -> str:
        """Its title, with the parameter where it has one."""
        return f"{self.title}: {self.case}" if self.case else self.title

    @property
    def needs_attention(self) -> bool:
        """Whether a reader has to look at it: it stands in the way of GO, or it warns."""
        return not (self.status.proven or self.tolerated) or bool(self.warnings)


@dataclass(frozen=True)
class StepLine:
    """One step of the runbook with its checks."""

    number: int
    name: str
    state: StepState
    checks: tuple[CheckLine, ...]

    @property
    def tally(self) -> str:
        """How many checks ended how: ``3 passed, 1 not checked``."""
        counts = Counter(check.status for check in self.checks)
        said = (f"{number(counts[status])} {words.status(status)}" for status in CheckStatus if counts[status])
        return ", ".join(said) or "no check"

    @property
    def needs_attention(self) -> bool:
        """Whether a reader has to look at one of its checks."""
        return any(check.needs_attention for check in self.checks)

    @property
    def attention(self) -> tuple[CheckLine, ...]:
        """The checks that a reader has to look at."""
        return tuple(check for check in self.checks if check.needs_attention)

    @property
    def unremarkable(self) -> tuple[CheckLine, ...]:
        """The others."""
        return tuple(check for check in self.checks if not check.needs_attention)

    @property
    def unproven_reasons(self) -> tuple[str, ...]:
        """Why the checks that prove nothing do not, each reason once."""
        reasons = (
            f"{words.status(check.status)}: {check.message}" for check in self.checks if not check.status.proven
        )
        return tuple(dict.fromkeys(reasons))

    @property
    def seconds(self) -> float:
        """How long the step's checks took together."""
        return sum(check.seconds or 0.0 for check in self.checks)


@dataclass(frozen=True)
class MissingLine:
    """The checks of one step that prove nothing for the same reason."""

    step: int
    reason: str
    tolerated: bool
    checks: tuple[CheckLine, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """What the checks are called, each title once."""
        return tuple(dict.fromkeys(check.title for check in self.checks))


def missing_lines(checks: Iterable[CheckLine]) -> tuple[MissingLine, ...]:
    """Return what was not checked, what forbids GO first, the checks of one reason together."""
    groups: dict[tuple[bool, int, str], list[CheckLine]] = {}
    for check in checks:
        if not check.status.proven and check.status is not CheckStatus.FAILED:
            groups.setdefault((check.tolerated, check.step, check.message), []).append(check)
    return tuple(
        MissingLine(step, reason, tolerated, tuple(groups[tolerated, step, reason]))
        for tolerated, step, reason in sorted(groups, key=lambda group: group[:2])
    )


def check_lines(document: ReportDocument) -> tuple[CheckLine, ...]:
    """Return every check of the run in the runbook's order, with those that never ended."""
    result = document.result
    tolerated = {missing.check_id for missing in document.verdict.not_checked if missing.tolerated}
    ended = {check.check_id for check in result.checks}
    lines = [_ended(check, check.check_id in tolerated) for check in result.checks]
    lines.extend(
        _never_ended(missing, document)
        for missing in document.verdict.not_checked
        if missing.check_id not in ended
    )
    return tuple(sorted(lines, key=lambda line: (line.step, _RUNBOOK_ORDER.get(line.key, len(CHECKS)))))


def step_lines(document: ReportDocument) -> tuple[StepLine, ...]:
    """Return the steps of the runbook, each with its checks, and the conformance if it was asked for."""
    return tuple(_steps(check_lines(document)))


def _steps(lines: tuple[CheckLine, ...]) -> Iterator[StepLine]:
    asked_for = any(line.step == CONFORMANCE_STEP for line in lines)
    for step in (*STEP_NAMES, *((CONFORMANCE_STEP,) if asked_for else ())):
        checks = tuple(line for line in lines if line.step == step)
        yield StepLine(step, step_name(step) or "", _state(checks), checks)


def _state(checks: tuple[CheckLine, ...]) -> StepState:
    statuses = {check.status for check in checks}
    proven = any(status.proven for status in statuses)
    missing = {check.status for check in checks if not check.status.proven and not check.tolerated}
    if CheckStatus.FAILED in statuses:
        return StepState.FAILED
    if statuses == {CheckStatus.BLOCKED}:
        return StepState.BLOCKED
    if not proven:
        return StepState.INCOMPLETE if CheckStatus.UNPROVEN in statuses else StepState.NOT_CHECKED
    if missing:
        return StepState.INCOMPLETE
    return StepState.PROVEN if all(status.proven for status in statuses) else StepState.LIMITED


def _ended(check: CheckFinished, tolerated: bool) -> CheckLine:
    return CheckLine(
        check_id=check.check_id,
        key=check.key,
        step=check.step,
        title=check.title,
        status=check.status,
        message=check.message,
        advice=check.advice,
        facts=check.facts,
        warnings=check.warnings,
        seconds=check.duration_seconds,
        tolerated=tolerated,
    )


def _never_ended(missing: NotChecked, document: ReportDocument) -> CheckLine:
    under_way = {check.check_id: check.at for check in document.result.interrupted}
    since = under_way.get(missing.check_id)
    reason = missing.reason if since is None else f"interrupted: under way since {words.moment(since)}"
    return CheckLine(
        check_id=missing.check_id,
        key=missing.key,
        step=missing.step,
        title=missing.title,
        status=CheckStatus.NOT_CHECKED,
        message=reason,
        tolerated=missing.tolerated,
    )
