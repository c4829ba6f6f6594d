"""What a check says while it runs: facts with units, warnings, records, and its one decisive sentence."""

from tsse_validation.domain.holding import hold, need
from tsse_validation.runlog.records import Record
from tsse_validation.steps.run import ValidationRun


class Check:
    """The evidence of one check; what is recorded is in the run log at once."""

    def __init__(self, run: ValidationRun) -> None:
        self._run = run
        self.facts: dict[str, str] = {}
        self.warnings: list[str] = []

    def fact(self, name: str, value: object) -> None:
        """State what was measured, in words and with its unit."""
        self.facts[name] = str(value)

    def warn(self, text: str) -> None:
        """State what is not as it should be, and does not fail the check."""
        self.warnings.append(text)

    def record(self, *records: Record) -> None:
        """Append records to the run log."""
        self._run.record(*records)

    needs = staticmethod(need)
    that = staticmethod(hold)
