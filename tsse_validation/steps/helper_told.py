"""What one of the runbook's helpers has said, from its start to its record. Pure."""

from dataclasses import dataclass, field

from tsse_validation.clients.helper_output import HelperEnd, tail_of
from tsse_validation.domain.catalogue import HELPER_CHECKS
from tsse_validation.domain.errors import SuiteError
from tsse_validation.runlog.helper_record import HelperRan

_TAIL_LINES = 12


@dataclass
class HelperTold:
    """What a helper has said, as far as it is known: `error` is why it proves nothing."""

    helper: str
    step: int
    command: tuple[str, ...] = ()
    end: HelperEnd | None = None
    said: str = ""
    differences: list[str] = field(default_factory=list)
    error: SuiteError | None = None
    tells_the_token: bool = False

    def record(self) -> HelperRan:
        """Return it as a record; the log masks the token."""
        return HelperRan(
            helper=self.helper,
            step=self.step,
            command=self.command,
            exit_code=self.end.exit_code if self.end else None,
            seconds=round(self.end.seconds, 3) if self.end else 0.0,
            said=self.said or (self.error.message if self.error else ""),
            differences=tuple(self.differences),
            output=tail_of(self.end, _TAIL_LINES) if self.end else (),
        )


def step_of_helper(helper: str) -> int:
    """Return the step of the runbook that a helper belongs to."""
    short = helper.removeprefix("tsse_lake_").removesuffix("_check")
    return next(spec.step for key, spec in HELPER_CHECKS.items() if key.startswith(f"test_{short}_helper"))
