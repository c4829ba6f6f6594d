"""The parts of a seal: what of a lake's promise is sealed, the same on both sides."""

from datetime import datetime

from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import ALL_TIME, Coverage, Scope, scopes_beyond
from tsse_validation.domain.windows import Window
from tsse_validation.parity.beginning import first_within
from tsse_validation.parity.beyond import OuterReader


def promised_parts(covered: Scope, earlier: Coverage | None = None) -> tuple[Scope, ...]:
    """Return the covered range, and what is promised beyond it; `earlier` is as in `scopes_beyond`."""
    return (covered, *scopes_beyond(covered.coverage, earlier))


def parts_held(postgres: PostgresClient, covered: Scope, earlier: Coverage | None = None) -> tuple[Scope, ...]:
    """Return the parts that Postgres can answer for: those promised, without what lies before its first row.

    Its own retention drops chunks (contract section 3): what the lake holds of before is the lake's alone, and
    nothing is there to compare it with. The covered range is kept whole where Postgres begins after it:
    without it nothing would be proven of it.
    """
    parts = promised_parts(covered, earlier)
    begins = begins_within(postgres, parts)
    if begins is None:
        return parts
    held = Window(begins, ALL_TIME.end)
    covered, *beyond = parts
    left = [covered.narrowed(covered.window.clamp(held) or covered.window)]
    return (*left, *(part.narrowed(window) for part in beyond if (window := part.window.clamp(held)) is not None))


def begins_within(postgres: PostgresClient, parts: tuple[Scope, ...]) -> datetime | None:
    """Return Postgres's first row where that lies after the start of the parts; else `None`.

    The first part is the covered range.
    """
    covered, start = parts[0], min(part.window.start for part in parts)
    first = first_within(BoundedReader(postgres), covered)
    if first is None and start < covered.window.start:
        first = OuterReader(postgres).look_outside(covered.coverage, counted=False).first
    return first if first is not None and first > start else None
