"""What a log says of a setting: its value, and how a try before the run has ended."""

from enum import StrEnum
from typing import Literal

from tsse_validation.runlog.record_base import Record

NOT_SET = "not set"
"""What a log says of a setting that has no value."""


class SettingValue(Record):
    """One setting and its source; never a secret's value.

    `spelled` gives it on a command line: of a DSN all but its passwords, and nothing where it was not given.
    """

    name: str
    value: str
    source: str
    spelled: str = ""


class TryOutcome(StrEnum):
    """How a try has ended: `wrong` is the setting itself, `not_ok` what it leads to, `unknown` cannot be told."""

    OK = "ok"
    WARNED = "warned"
    UNKNOWN = "unknown"
    NOT_OK = "not_ok"
    WRONG = "wrong"

    @property
    def in_words(self) -> str:
        """The word at the head of a line."""
        return {"warned": "ok, but", "unknown": "not known", "not_ok": "NOT OK", "wrong": "WRONG"}.get(self, self)


class SettingTried(Record):
    """One setting that was tried, or what follows from several: no check, and no part of the verdict.

    `option` names it, `target` is the path or host that it leads to, `source` where its value came from. `found`
    says what was found, or the cause of what is not right; `advice` is what to do then.
    """

    record: Literal["setting_tried"] = "setting_tried"
    option: str
    target: str
    source: str
    outcome: TryOutcome
    found: str
    advice: str = ""

    @property
    def in_words(self) -> str:
        """All of it in one line."""
        source = f" ({self.source})" if self.source else ""
        where = f" {self.target}" if self.target else ""
        return f"{self.outcome.in_words}: {self.option}{where}{source}: {self.found} {self.advice}".rstrip()
