"""Numbers, dates and durations in the words of messages."""

from collections.abc import Sequence
from datetime import date


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where that is due: ``1 row``, ``2,177 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def days_in_words(days: Sequence[date]) -> str:
    """Return one date, or how many there are and the first and last."""
    if len(days) == 1:
        return str(days[0])
    return f"{len(days)} days from {days[0]} to {days[-1]}"


def milliseconds(seconds: float) -> str:
    """Write a short duration for a report: ``3.2 ms``."""
    return f"{seconds * 1000:.1f} ms"
