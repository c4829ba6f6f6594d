"""Where Postgres begins: the first instant at which it has a row, found by chunks and keys, without a scan."""

from datetime import datetime

from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.domain.coverage import ALL_TIME, Scope
from tsse_validation.domain.instants import DAY, MICROSECOND
from tsse_validation.domain.windows import Window


def first_within(reader: BoundedReader, scope: Scope) -> datetime | None:
    """Return the first instant of Postgres where that lies in a scope; `None` where it lies before, or nowhere."""
    start = scope.window.start
    if _first_in(reader, scope.narrowed(Window(start - DAY, start - MICROSECOND))) is not None:
        return None
    first = _first_in(reader, scope)
    return None if first is None or _has_earlier_rows(reader, scope, start - DAY) else first


def _has_earlier_rows(reader: BoundedReader, scope: Scope, until: datetime) -> bool:
    """Whether Postgres has a row before an instant: by the chunks that lie there, or by one look at the keys."""
    begins = [chunk.start for chunk in reader.layout().chunks]
    known = [begin for begin in begins if begin is not None]
    if begins and len(known) == len(begins):
        first = min(known)
        return first < until and _first_in(reader, scope.narrowed(Window(first, until))) is not None
    window = Window(ALL_TIME.start, until)
    return reader.ask(lambda snapshot: snapshot.first_and_last(window)) is not None


def _first_in(reader: BoundedReader, scope: Scope) -> datetime | None:
    """Ask piece by piece, until a row is found."""
    answers = reader.pieces(scope, lambda snapshot, part: snapshot.first_and_last(part.window))
    return next((ends[0] for _, ends in answers if ends is not None), None)
