"""Asks Postgres what `metrics` consists of: partitions, child tables, a hypertable's chunks (contract section 5).

Only catalogues are read, and the sizes of tables without statistics: no row, and no chunk's lock is held.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.domain.slicing import Chunk, TableKind, TableLayout

_BYTES_A_ROW = 80
"""Of a row of `metrics` on the server's disk, about: where no statistics say how many there are."""
_COMPRESSED_RELATIONS = 3
"""A compressed chunk's own table, with its index and what is too long for it (TOAST)."""
_TABLE = """
    SELECT c.relkind::text, n.nspname, c.relname,
        c.reltuples * CASE WHEN c.relkind = 'r' AND c.relpages > 0
            THEN pg_relation_size(c.oid) / (c.relpages * current_setting('block_size')::float8) ELSE 1 END,
        (SELECT count(*) FROM pg_index WHERE indrelid = c.oid),
        (SELECT count(*) FROM pg_inherits WHERE inhparent = c.oid),
        current_setting('max_locks_per_transaction')::bigint
            * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint),
        (SELECT e.nspname FROM pg_extension x JOIN pg_namespace e ON e.oid = x.extnamespace
            WHERE x.extname = 'timescaledb'),
        CASE WHEN c.reltuples < 1 AND c.relkind = 'r' THEN pg_relation_size(c.oid) ELSE 0 END,
        has_table_privilege('pg_stats', 'SELECT')
            AND EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a
                ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                WHERE i.indrelid = c.oid AND a.attname = 'ts' AND i.indisvalid AND i.indpred IS NULL)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'metrics'::regclass
"""
"""Its rows as the planner takes them: by the statistics' rows a page, and the pages that there are now.

Last, whether an index finds them by `ts`, and we may ask whether they lie in its order.
"""
_IN_ORDER = """
    SELECT 1 FROM pg_stats WHERE schemaname = %s AND tablename = %s AND attname = 'ts' AND NOT inherited
        AND correlation NOT BETWEEN -0.9 AND 0.9
"""
_CHILDREN = """
    WITH RECURSIVE tables AS (
        SELECT inhrelid AS oid, inhparent AS parent FROM pg_inherits WHERE inhparent = 'metrics'::regclass
        UNION SELECT inhrelid, inhparent FROM pg_inherits JOIN tables ON inhparent = tables.oid)
    SELECT t.oid::bigint, t.parent::bigint, t.oid::regclass::text, c.relkind::text, c.reltuples,
        CASE WHEN c.reltuples < 1 AND c.relkind = 'r' THEN pg_relation_size(t.oid) ELSE 0 END,
        CASE WHEN c.relispartition AND pg_get_partkeydef(t.parent) = 'RANGE (ts)'
            THEN pg_get_expr(c.relpartbound, t.oid) END,
        ARRAY(SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k
            WHERE k.conrelid = t.oid AND k.contype = 'c' AND k.convalidated AND NOT c.relispartition),
        has_column_privilege(t.oid, 'ts', 'SELECT')
    FROM tables t JOIN pg_class c ON c.oid = t.oid
"""
_IS_HYPERTABLE = """
    SELECT 1 FROM timescaledb_information.hypertables WHERE hypertable_schema = %s AND hypertable_name = %s
"""
_CHUNKS = """
    SELECT format('%%I.%%I', k.chunk_schema, k.chunk_name), k.range_start, k.range_end, k.is_compressed,
        c.reltuples,
        CASE WHEN c.reltuples < 1 AND NOT k.is_compressed THEN pg_relation_size(c.oid) ELSE 0 END
    FROM timescaledb_information.chunks k
    JOIN pg_namespace n ON n.nspname = k.chunk_schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = k.chunk_name
    WHERE k.hypertable_schema = %s AND k.hypertable_name = %s
"""
_INSTANT = r"'([^']+)'"
_PARTITION = re.compile(rf"FOR VALUES FROM \((?:{_INSTANT}|MINVALUE)\) TO \((?:{_INSTANT}|MAXVALUE)\)")
_TYPED = rf"{_INSTANT}::timestamp with time zone"
_CHECK = re.compile(rf"CHECK \(\(\(ts >=? {_TYPED}\) AND \(ts <(=?) {_TYPED}\)\)\)")
"""A constraint on `ts` alone, as Postgres writes it. No other says where a child's rows lie, as far as we know."""


@dataclass(frozen=True)
class _Table:
    kind: str
    schema: str
    name: str
    tuples: float
    indexes: int
    children: int
    lock_room: int
    extension_schema: str | None
    size: int
    found_by_time: bool

    def layout(
        self, kind: TableKind, chunks: Sequence[Chunk] = (), *, by_name: bool = False, more_locks: int = 0
    ) -> TableLayout:
        rows = _estimated(self.tuples, self.size) + sum(chunk.rows for chunk in chunks)
        return TableLayout(kind, chunks, rows, 1 + self.indexes + more_locks, self.lock_room, by_name)


@dataclass(frozen=True)
class _Child:
    oid: int
    parent: int
    name: str
    kind: str
    tuples: float
    size: int
    bound: str | None
    constraints: Sequence[str]
    readable: bool


def read_layout(connection: psycopg.Connection) -> TableLayout:
    """Return what `metrics` consists of, with an estimate of its rows; the session's zone must be UTC."""
    row = connection.execute(_TABLE).fetchone()
    assert row is not None  # noqa: S101 - regclass raises where there is none
    table = _Table(*row)
    if table.extension_schema and connection.execute(_IS_HYPERTABLE, (table.schema, table.name)).fetchone():
        return _hypertable(connection, table, table.extension_schema)
    if table.kind == "p":
        return table.layout(TableKind.PARTITIONED, tuple(_chunks_of(_children(connection))))
    if not table.children:
        found = table.found_by_time and connection.execute(_IN_ORDER, (table.schema, table.name)).fetchone()
        return replace(table.layout(TableKind.PLAIN), in_order=bool(found))
    children = _children(connection)
    # the server locks every child of a statement on the parent, but those that the statement names itself
    by_name = all(child.readable for child in children.values())
    return table.layout(TableKind.INHERITED, tuple(_chunks_of(children)), by_name=by_name)


def _children(connection: psycopg.Connection) -> Mapping[int, _Child]:
    return {row[0]: _Child(*row) for row in connection.execute(_CHILDREN)}


def _chunks_of(children: Mapping[int, _Child]) -> Iterator[Chunk]:
    """Yield what holds rows; partitions that are partitioned themselves hold none."""
    for child in children.values():
        if child.kind != "p":
            start, end = _range(child, children)
            yield Chunk(child.name, start, end, _estimated(child.tuples, child.size))


def _range(child: _Child, children: Mapping[int, _Child]) -> tuple[datetime | None, datetime | None]:
    """Return where the rows of a child may lie, as far as its own bounds and those above it say so for certain."""
    starts, ends = [], []
    above: _Child | None = child
    while above is not None:
        for start, end in _bounds(above):
            starts += [start] if start else []
            ends += [end] if end else []
        above = children.get(above.parent)
    return max(starts, default=None), min(ends, default=None)


def _bounds(child: _Child) -> Iterator[tuple[datetime | None, datetime | None]]:
    if match := _PARTITION.fullmatch(child.bound or ""):
        yield _instant(match[1]), _instant(match[2])
    for check in child.constraints:
        if match := _CHECK.fullmatch(check):
            end = _instant(match[3])
            # a chunk's end is the first instant beyond it
            yield _instant(match[1]), end + MICROSECOND if end and match[2] else end


def _instant(text: str | None) -> datetime | None:
    """Read an instant as the catalogue writes it; `None` where it is infinite, or beyond the calendar."""
    try:
        instant = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo else None


def _hypertable(connection: psycopg.Connection, table: _Table, schema: str) -> TableLayout:
    """Read a hypertable's chunks; only the extension can tell how many rows the compressed ones hold."""
    found = connection.execute(_CHUNKS, (table.schema, table.name)).fetchall()
    counted = connection.execute(
        sql.SQL("SELECT {}.approximate_row_count('metrics'::regclass)").format(sql.Identifier(schema))
    ).fetchone()
    plain = sum(_estimated(row[4], row[5]) for row in found if not row[3])
    compressed = sum(1 for row in found if row[3])
    each = max(0, (counted[0] if counted else 0) - plain) // max(1, compressed)
    chunks = tuple(
        Chunk(name, start, end, each if packed else _estimated(tuples, size), packed)
        for name, start, end, packed, tuples, size in found
    )
    layout = table.layout(TableKind.HYPERTABLE, chunks, more_locks=_COMPRESSED_RELATIONS if compressed else 0)
    return replace(layout, extension_schema=schema)


def _estimated(tuples: float, size: int) -> int:
    """Return about how many rows a table has: by its statistics, or by its size where it has none yet."""
    return round(tuples) if tuples >= 1 else size // _BYTES_A_ROW
