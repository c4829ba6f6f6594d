"""Tells what Postgres's own retention has dropped from what is wrong: those dates are the lake's alone.

Where Postgres has no row at all before an instant, and the lake has, nothing can be compared before it: chunks
were dropped there (contract section 3), or somebody has deleted the beginning. A hole in the middle is none.
"""

from datetime import datetime

from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.diagnosis.count_triage import dropped_by_postgres
from tsse_validation.domain.coverage import ALL_TIME, Scope
from tsse_validation.domain.digest import KEY_SCHEMA, rows_digested
from tsse_validation.domain.instants import DAY, MICROSECOND
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.rows import LakeRows
from tsse_validation.runlog.records import Finding


def without_dropped(covered: Scope, postgres: PostgresClient, lake: LakeReader) -> tuple[Scope, Finding | None]:
    """Return the part of the covered range that Postgres holds, and a finding about what the lake has before.

    The scope comes back as it is where Postgres holds rows from before it, or the lake holds nothing there.
    """
    first = _begins(BoundedReader(postgres), covered)
    if first is None or first <= covered.window.start:
        return covered, None
    before = covered.narrowed(Window(covered.window.start, first - MICROSECOND))
    held = [part for _, part in LakeRows(lake).digests(before, KEY_SCHEMA.empty_table(), hashed=False)]
    rows = sum(map(rows_digested, held))
    if not rows:
        return covered, None
    days = sorted({day for part in held for day in part["day"].to_pylist()})
    return covered.narrowed(Window(first, covered.window.end)), dropped_by_postgres(first, rows, days)


def _begins(reader: BoundedReader, covered: Scope) -> datetime | None:
    """Return the first instant of Postgres, where that lies in a scope; else `None`."""
    start = covered.window.start
    if _first_in(reader, covered.narrowed(Window(start - DAY, start - MICROSECOND))) is not None:
        return None
    first = _first_in(reader, covered)
    return None if first is None or _has_earlier_rows(reader, covered, start - DAY) else first


def _has_earlier_rows(reader: BoundedReader, covered: Scope, until: datetime) -> bool:
    """Whether Postgres has a row before an instant: by the chunks that lie there, or by one look at the keys."""
    begins = [chunk.start for chunk in reader.layout().chunks]
    known = [begin for begin in begins if begin is not None]
    if begins and len(known) == len(begins):
        first = min(known)
        return first < until and _first_in(reader, covered.narrowed(Window(first, until))) is not None
    window = Window(ALL_TIME.start, until)
    return reader.ask(lambda snapshot: snapshot.first_and_last(window)) is not None


def _first_in(reader: BoundedReader, scope: Scope) -> datetime | None:
    """Ask piece by piece, until a row is found."""
    answers = reader.pieces(scope, lambda snapshot, part: snapshot.first_and_last(part.window))
    return next((ends[0] for _, ends in answers if ends is not None), None)
