"""Instants at the database's microsecond, always UTC-aware.

The controller writes RFC 3339 with 0, 3, 6 or 9 digits of fraction (contract, preamble). Nanoseconds are cut off,
as Postgres keeps microseconds: rounding could lift an instant past a window's end.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_RFC3339 = re.compile(
    r"(?P<head>\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,9}))?(?P<zone>[Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)


def utc_now() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)


def parse_rfc3339(text: str) -> datetime:
    """Return an RFC 3339 instant in UTC, cut to the microsecond; raises ValueError, also when it has no zone."""
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        msg = f"not an RFC 3339 timestamp with a zone: {text[:60]!r}"
        raise ValueError(msg)
    zone = "+00:00" if match["zone"] in "Zz" else match["zone"]
    micros = (match["fraction"] or "")[:6].ljust(6, "0")
    try:
        return datetime.fromisoformat(f"{match['head'].upper()}.{micros}{zone}").astimezone(UTC)
    except OverflowError:
        msg = f"beyond the calendar in UTC: {text[:60]!r}"
        raise ValueError(msg) from None


def latest_meant(instant: datetime) -> datetime:
    """Return the latest instant that a timestamp may stand for: fewer than six digits of fraction may be cut off.

    Digits that happen to end in zeros look the same, which costs a wait of a second at most.
    """
    micros = instant.microsecond
    if micros == 0:
        return instant + timedelta(seconds=1) - MICROSECOND
    return instant + timedelta(milliseconds=1) - MICROSECOND if micros % 1000 == 0 else instant


def to_the_second(at: datetime) -> str:
    """Write an instant for a sentence: ``2026-01-24 16:29:48 UTC``."""
    return f"{require_utc(at):%Y-%m-%d %H:%M:%S} UTC"


def format_rfc3339(instant: datetime) -> str:
    """Write an instant as the controller does: UTC, ``+00:00``, six digits of fraction."""
    return require_utc(instant).isoformat(timespec="microseconds")


def require_utc(instant: datetime) -> datetime:
    """Return the instant in UTC; raises ValueError when the instant is naive."""
    if instant.tzinfo is None:
        msg = f"naive datetime {instant.isoformat()}: every instant must carry its zone"
        raise ValueError(msg)
    return instant.astimezone(UTC)


def without_zone(instant: datetime) -> datetime:
    """Return the instant as tables hold it: in UTC, without a zone."""
    return require_utc(instant).replace(tzinfo=None)


def to_micros(instant: datetime) -> int:
    """Return the microseconds since 1970-01-01T00:00:00Z, exactly."""
    return (require_utc(instant) - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the instant that lies `micros` microseconds after 1970-01-01T00:00:00Z."""
    return EPOCH + timedelta(microseconds=micros)


def day_start(day: date) -> datetime:
    """Return the first microsecond of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def utc_day(instant: datetime) -> date:
    """Return the UTC day of an instant: the lake's partition date (contract section 4)."""
    return require_utc(instant).date()


def _coerce(value: object) -> datetime:
    if isinstance(value, str):
        return parse_rfc3339(value)
    if isinstance(value, datetime):
        return require_utc(value)
    msg = f"a timestamp is text in RFC 3339, not {type(value).__name__}"
    raise ValueError(msg)


Instant = Annotated[
    datetime, BeforeValidator(_coerce), PlainSerializer(format_rfc3339, return_type=str, when_used="json")
]
"""A pydantic field type: RFC 3339 in, an aware UTC `datetime` inside, RFC 3339 out."""
