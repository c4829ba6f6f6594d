"""The checks as a report shows them, step by step, with those that never ended."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tsse_validation.domain.catalogue import CHECKS, OTHER_STEP_NAMES, STEP_NAMES, step_name
from tsse_validation.domain.phrasing import number
from tsse_validation.report.model import words
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.runlog.records import CheckFinished, CheckStatus
from tsse_validation.verdict import NotChecked

_RUNBOOK_ORDER: Mapping[str, int] = {key: place for place, key in enumerate(CHECKS)}


class StepState(StrEnum):
    """The state of a step of the runbook."""

    PROVEN = "proven"
    LIMITED = "proven in part"
    FAILED = "failed"
    BLOCKED = "blocked"
    INCOMPLETE = "incomplete"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class CheckLine:
    """One check; `seconds` is `None` where it never ended, `tolerated` says that it does not forbid GO."""

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
        """The parameter that sets it apart from other checks of the same title: ``day-boundary``."""
        _, opened, rest = self.check_id.partition("[")
        return rest.removesuffix("]") if opened else ""

    @property
    def full_title(self) -> str:
        """The title, with the parameter if there is one."""
        return f"{self.title}: {self.case}" if self.case else self.title

    @property
    def needs_attention(self) -> bool:
        """Whether a reader has to look at it, since it forbids GO or warns."""
        return not (self.status.proven or self.tolerated) or bool(self.warnings)

    @property
    def needs_reading(self) -> bool:
        """Whether there is more to read of it than a line: what was left out says its reason, and no more."""
        left_out = self.status in {CheckStatus.NOT_CHECKED, CheckStatus.BLOCKED}
        return self.needs_attention and (not left_out or bool(self.warnings))


@dataclass(frozen=True)
class StepLine:
    """One step of the runbook with its checks."""

    number: int
    name: str
    state: StepState
    checks: tuple[CheckLine, ...]

    @property
    def tally(self) -> str:
        """The number of checks in each status: ``3 passed, 1 not checked``."""
        counts = Counter(check.status for check in self.checks)
        counted = (f"{number(counts[status])} {words.status(status)}" for status in CheckStatus if counts[status])
        return ", ".join(counted) or "no check"

    @property
    def needs_attention(self) -> bool:
        """Whether a reader has to look at one of its checks."""
        return any(check.needs_attention for check in self.checks)

    @property
    def unproven_reasons(self) -> tuple[str, ...]:
        """Why checks of the step prove nothing, each reason once."""
        missing = (check for check in self.checks if not check.status.proven)
        return tuple(dict.fromkeys(f"{words.status(check.status)}: {check.message}" for check in missing))

    @property
    def seconds(self) -> float:
        """The sum of the checks' durations."""
        return sum(check.seconds or 0.0 for check in self.checks)


@dataclass(frozen=True)
class MissingLine:
    """The checks of one step that prove nothing for the same reason; `titles` names each title once."""

    step: int
    reason: str
    tolerated: bool
    checks: tuple[CheckLine, ...]
    titles: tuple[str, ...]


def missing_lines(checks: Iterable[CheckLine]) -> tuple[MissingLine, ...]:
    """Return what was not checked, grouped by step and reason; what forbids GO comes first."""
    groups: dict[tuple[bool, int, str], list[CheckLine]] = {}
    for check in checks:
        if not check.status.proven and check.status is not CheckStatus.FAILED:
            groups.setdefault((check.tolerated, check.step, check.message), []).append(check)
    return tuple(
        MissingLine(step, reason, tolerated, tuple(group), tuple(dict.fromkeys(check.title for check in group)))
        for (tolerated, step, reason), group in sorted(groups.items(), key=lambda item: item[0][:2])
    )


def check_lines(document: ReportDocument) -> tuple[CheckLine, ...]:
    """Return every check of the run in the runbook's order, also those that never ended."""
    result = document.result
    not_checked = document.verdict.not_checked
    ended = {check.check_id for check in result.checks}
    tolerated = {missing.check_id for missing in not_checked if missing.tolerated}
    lines = [_ended(check, check.check_id in tolerated) for check in result.checks]
    lines += [_never_ended(missing, document) for missing in not_checked if missing.check_id not in ended]
    return tuple(sorted(lines, key=lambda line: (line.step, _RUNBOOK_ORDER.get(line.key, len(CHECKS)))))


def step_lines(document: ReportDocument) -> tuple[StepLine, ...]:
    """Return the steps of the runbook with their checks, and those beyond it that were asked for."""
    return tuple(_steps(check_lines(document)))


def _steps(lines: tuple[CheckLine, ...]) -> Iterator[StepLine]:
    asked_for = {line.step for line in lines}
    for step in (*STEP_NAMES, *(other for other in OTHER_STEP_NAMES if other in asked_for)):
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
    given = check.model_dump(
        exclude={"record", "at", "duration_seconds", "for_want_of_posts", "left_to_seal", "triaged", "diagnoses"}
    )
    return CheckLine(**given, seconds=check.duration_seconds, tolerated=tolerated)


def _never_ended(missing: NotChecked, document: ReportDocument) -> CheckLine:
    under_way = {check.check_id: check.at for check in document.result.interrupted}
    since = under_way.get(missing.check_id)
    reason = missing.reason if since is None else f"interrupted: under way since {words.moment(since)}"
    given = missing.model_dump(exclude={"reason"})
    return CheckLine(**given, status=CheckStatus.NOT_CHECKED, message=reason)
