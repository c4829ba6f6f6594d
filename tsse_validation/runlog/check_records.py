"""The records of a check: planned, started, ended."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import Field

from tsse_validation.domain.instants import Instant
from tsse_validation.runlog.record_base import Record


class CheckStatus(StrEnum):
    """The status of a check. Only `passed` and `warned` prove anything."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    UNPROVEN = "unproven"
    BLOCKED = "blocked"
    NOT_CHECKED = "not_checked"

    @property
    def proven(self) -> bool:
        """Whether the check has proven what it states."""
        return self in {CheckStatus.PASSED, CheckStatus.WARNED}


class CheckPlanned(Record):
    """A check that was collected; `selected` is false if it was then deselected."""

    record: Literal["planned"] = "planned"
    check_id: str
    key: str
    step: int
    selected: bool = True


class CheckStarted(Record):
    """The start of a check. Without a `CheckFinished` the check was interrupted."""

    record: Literal["started"] = "started"
    check_id: str
    at: Instant


class CheckFinished(Record):
    """The end of one check. `facts` are its measurements, in words and with units.

    `for_want_of_posts` says that it was left out because the controller's POST budget was spent. `triaged` says
    that it failed by what triage tells: by findings of these `diagnoses`, or by what the records show to differ.
    `left_to_seal` says that it was left out because a seal tells of the lake, and a proof by that seal shows all
    that the check would.
    """

    record: Literal["check"] = "check"
    check_id: str
    key: str
    step: int
    title: str
    status: CheckStatus
    at: Instant
    duration_seconds: float
    message: str = ""
    advice: str = ""
    facts: Mapping[str, str] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    for_want_of_posts: bool = False
    left_to_seal: bool = False
    triaged: bool = False
    diagnoses: tuple[str, ...] = ()
