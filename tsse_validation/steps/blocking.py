"""What the checks before have come to, and so which later ones can be made at all.

A failing extra, such as a wrong password or a dead Qdrant, blocks what needs it and nothing else.
"""

from collections import defaultdict
from typing import NoReturn

from tsse_validation.domain.catalogue import (
    BOTH_SIDES,
    CHECKS,
    TOKEN_STEP,
    CheckSpec,
    builds_on,
    spec_of,
    step_label,
)
from tsse_validation.domain.errors import (
    BlockedError,
    DeadlineError,
    PromiseBrokenError,
    UnreachableError,
)
from tsse_validation.domain.stack import Capability
from tsse_validation.runlog.records import CheckStatus

_WENT_WRONG = frozenset({CheckStatus.FAILED, CheckStatus.UNPROVEN})
_NO_ANSWER = (UnreachableError, DeadlineError)
_NO_BACKFILL = "no backfill is started without it, and all that can do without it is looked at"


class CheckStates:
    """How the checks have ended so far, by their keys."""

    def __init__(self) -> None:
        self._statuses = defaultdict[str, set[CheckStatus]](set)
        self._steps = set[int]()
        self._silent: CheckSpec | None = None
        self._reasons: dict[str, str] = {}

    def add(self, key: str, step: int, status: CheckStatus, error: BaseException | None = None) -> None:
        """Take note of how a check has ended, or a case of it; `error` is what ended it."""
        self._statuses[key].add(status)
        self._steps.add(step)
        spec = spec_of(key)
        if spec and Capability.POSTGRES in spec.requires and isinstance(error, _NO_ANSWER):
            self._silent = spec
        if isinstance(error, BlockedError):
            self._reasons[key] = error.message

    def explained(self, key: str, error: BaseException) -> BaseException:
        """Return what a check's error means: beside a Postgres that does not answer, a token is looked up in vain.

        The controller looks tokens up there (contract section 2). Once it has done so, what it breaks is broken.
        """
        spec = spec_of(key)
        if self._silent is None or spec is None or spec.step != TOKEN_STEP:
            return error
        if not isinstance(error, (PromiseBrokenError, *_NO_ANSWER)):
            return error
        msg = f"blocked by {self._ended(self._silent)}: the controller looks tokens up there"
        return BlockedError(msg, error.message)

    def hold_free(self, key: str) -> None:
        """Raise BlockedError when a check cannot be made; what was left out on purpose blocks nothing.

        The message names the check that began it, and none that was blocked itself.
        """
        spec = spec_of(key)
        if spec is None:
            return
        earlier = list(builds_on(spec))
        for one in earlier:
            if self._statuses[one.key] & _WENT_WRONG:
                self._block(spec, one)
        for one in reversed(earlier):
            if one.step not in self._steps:
                msg = f"blocked by {step_label(one.step)}: it did not run"
                raise BlockedError(msg)
        for one in earlier:
            # a backfill that was never begun leaves the lake as it was
            if CheckStatus.BLOCKED in self._statuses[one.key] and not one.backfills:
                raise BlockedError(self._reasons.get(one.key, f"blocked by {self._ended(one)}"))

    def lost(self) -> dict[Capability, str]:
        """Return which sides were given and cannot be looked at after all, with the first check that says so."""
        found: dict[Capability, str] = {}
        for one in CHECKS.values():
            if one.opens and self._statuses[one.key] & {*_WENT_WRONG, CheckStatus.BLOCKED}:
                for side in one.requires & BOTH_SIDES:
                    found.setdefault(side, self._ended(one))
        return found

    def _block(self, spec: CheckSpec, earlier: CheckSpec) -> NoReturn:
        guarded = f": {_NO_BACKFILL}" if spec.backfills and earlier.requires else ""
        msg = f"blocked by {self._ended(earlier)}{guarded}"
        raise BlockedError(msg)

    def _ended(self, spec: CheckSpec) -> str:
        how = "failed" if CheckStatus.FAILED in self._statuses[spec.key] else "not proven"
        return f"{step_label(spec.step)}: {how}: {spec.title}"
