"""Numbers, dates and durations in the words of messages."""

import math
from collections.abc import Sequence
from datetime import date

_MINUTE = 60
_HOUR = 3600
HIGHEST = 2**63
"""The highest number that is written out: no real count is above it."""


def number(value: int) -> str:
    """Write a whole number, its thousands set apart; one that no count can be is not written out."""
    if abs(value) > HIGHEST:
        return f"{'more' if value > 0 else 'less'} than {HIGHEST if value > 0 else -HIGHEST:,}"
    return f"{value:,}"


def count_of(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where that is due: ``1 row``, ``2,177 rows``."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def days_in_words(days: Sequence[date]) -> str:
    """Return one date, or how many there are and the first and last."""
    if len(days) == 1:
        return str(days[0])
    return f"{len(days)} days from {days[0]} to {days[-1]}"


def milliseconds(seconds: float) -> str:
    """Write a short duration for a report: ``3.2 ms``."""
    return f"{seconds * 1000:.1f} ms"


def listed(names: Sequence[str]) -> str:
    """Return names as a person lists them: ``a``, ``a and b``, ``a, b and c``; nothing for none."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def duration(seconds: float) -> str:
    """Write a duration: ``0.42 s``, ``12.3 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if not math.isfinite(seconds) or seconds < 0:
        return "unknown"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
