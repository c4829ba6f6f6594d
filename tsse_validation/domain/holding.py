"""Raises when a finding is not as promised, or when there is nothing to check."""

from collections.abc import Iterable
from typing import TypeVar

from tsse_validation.domain.errors import BlockedError, NotCheckedError, PromiseBrokenError, TriagedError

_Fact = TypeVar("_Fact")


def hold(holds: object, message: str, advice: str = "", *, told_by: Iterable[str] | None = None) -> None:
    """Raise PromiseBrokenError when a promise does not hold; `message` says what was found instead.

    Where triage tells why, it is a TriagedError: `told_by` are the diagnoses of the findings that the check fails
    by, or nothing where its records say what differs.
    """
    if not holds and told_by is not None:
        raise TriagedError(message, advice, diagnoses=tuple(dict.fromkeys(told_by)))
    if not holds:
        raise PromiseBrokenError(message, advice)


def need(something: object, message: str, advice: str = "") -> None:
    """Raise NotCheckedError when there is nothing to check: nothing is proven then, and nothing is broken."""
    if not something:
        raise NotCheckedError(message, advice)


def require(value: _Fact | None, what: str) -> _Fact:
    """Return a fact that an earlier check has found out; raises BlockedError when it has not."""
    if value is None:
        msg = f"blocked: {what} is not known, an earlier check did not get that far"
        raise BlockedError(msg)
    return value
