"""The column engine: DuckDB in memory, bounded, in UTC."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

MEMORY_LIMIT = "320MB"


@contextmanager
def column_engine(**tables: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty DuckDB with some Arrow tables in it; it spills to the temp directory beyond its memory."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "threads": 2,
        "temp_directory": tempfile.gettempdir(),
    }
    with duckdb.connect(":memory:", config=config) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        for name, table in tables.items():
            connection.register(name, table)
        yield connection
