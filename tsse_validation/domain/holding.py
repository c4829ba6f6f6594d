"""Holds what was found against what must be so."""

from typing import TypeVar

from tsse_validation.domain.errors import BlockedError, NotCheckedError, PromiseBrokenError

_Fact = TypeVar("_Fact")


def hold(holds: object, message: str, advice: str = "") -> None:
    """Hold a promise against what was found; `message` says what was found instead.

    Raises PromiseBrokenError when it does not hold.
    """
    if not holds:
        raise PromiseBrokenError(message, advice)


def need(something: object, message: str, advice: str = "") -> None:
    """Require something to check: without it nothing is proven, and nothing is broken.

    Raises NotCheckedError when there is nothing.
    """
    if not something:
        raise NotCheckedError(message, advice)


def require(value: _Fact | None, what: str) -> _Fact:
    """Return a fact that an earlier check has found out; raises BlockedError when it has not."""
    if value is None:
        msg = f"blocked: {what} is not known, an earlier check did not get that far"
        raise BlockedError(msg)
    return value
