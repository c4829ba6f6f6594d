"""The record of one of the runbook's own commands: how it was run, and whether it says what we found."""

from typing import Literal

from tsse_validation.runlog.record_base import Record


class HelperRan(Record):
    """One of the runbook's helpers (contract section 6), as the runbook writes it.

    `command` is what was run, without secrets, `output` the last lines that it printed. `said` is what was read
    out of it, in words; `differences` what of that does not agree with what we found.
    """

    record: Literal["helper"] = "helper"
    helper: str
    step: int
    command: tuple[str, ...]
    exit_code: int | None
    seconds: float
    said: str = ""
    differences: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
