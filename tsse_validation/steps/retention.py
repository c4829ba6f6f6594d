"""Tells what Postgres's own retention has dropped from what is wrong: those dates are the lake's alone.

Where Postgres has no row at all before an instant, and the lake has, nothing can be compared before it: chunks
were dropped there (contract section 3), or somebody has deleted the beginning. A hole in the middle is none.
"""

from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.diagnosis.count_triage import dropped_by_postgres
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import KEY_SCHEMA, rows_digested
from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.rows import LakeRows
from tsse_validation.parity.beginning import first_within
from tsse_validation.runlog.records import Finding


def without_dropped(covered: Scope, postgres: PostgresClient, lake: LakeReader) -> tuple[Scope, Finding | None]:
    """Return the part of the covered range that Postgres holds, and a finding about what the lake has before.

    The scope comes back as it is where Postgres holds rows from before it, or the lake holds nothing there.
    """
    first = first_within(BoundedReader(postgres), covered)
    if first is None or first <= covered.window.start:
        return covered, None
    before = covered.narrowed(Window(covered.window.start, first - MICROSECOND))
    held = [part for _, part in LakeRows(lake).digests(before, KEY_SCHEMA.empty_table(), hashed=False)]
    rows = sum(map(rows_digested, held))
    if not rows:
        return covered, None
    days = sorted({day for part in held for day in part["day"].to_pylist()})
    return covered.narrowed(Window(first, covered.window.end)), dropped_by_postgres(first, rows, days)
