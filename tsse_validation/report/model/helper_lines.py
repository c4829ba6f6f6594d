"""The runbook's own commands as a report shows them: how each was run, and how its check has ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tsse_validation.domain.catalogue import HELPER_CHECKS
from tsse_validation.report.model.checks import CheckLine
from tsse_validation.report.model.commands import line_of
from tsse_validation.runlog.helper_record import HelperRan
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.runlog.result import RunResult


@dataclass(frozen=True)
class HelperLine:
    """One helper that was run, or could not be; `status` is that of its check."""

    ran: HelperRan
    status: CheckStatus

    @property
    def command(self) -> str:
        """Its command as a shell reads it; nothing where it was not run."""
        return line_of(self.ran.command)

    @property
    def exit_code(self) -> str:
        """Its exit code in words."""
        return "none" if self.ran.exit_code is None else str(self.ran.exit_code)

    @property
    def found(self) -> str:
        """What it has said, or where that differs from what the controller says."""
        return "; ".join(self.ran.differences) or self.ran.said


def helper_lines(result: RunResult, checks: Sequence[CheckLine]) -> tuple[HelperLine, ...]:
    """Return the helpers in the order in which they ran."""
    statuses = {check.step: check.status for check in checks if check.key in HELPER_CHECKS}
    return tuple(HelperLine(ran, statuses.get(ran.step, CheckStatus.NOT_CHECKED)) for ran in result.helpers)


def helpers_phrase(lines: Sequence[HelperLine]) -> Iterator[str]:
    """Yield how it went in a line; nothing where no helper was run."""
    if lines:
        agree = sum(line.status.proven for line in lines)
        yield f"The runbook's own commands: {agree} of {len(HELPER_CHECKS)} say what the controller says."
