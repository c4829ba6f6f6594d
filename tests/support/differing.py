"""A differing row to write down, and a disk that runs full meanwhile."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from tsse_validation.runlog.difference_schema import FILE_SCHEMA

Line = dict[str, Any]
LINE: Line = {
    **dict.fromkeys(FILE_SCHEMA.names),
    "sensor_id": "a",
    "ts": datetime(2026, 1, 5, 3, tzinfo=UTC),
    "kind": "missing",
    "other_copies": [],
    "shard_expected": "03",
    "date_expected": date(2026, 1, 5),
}
COLUMNS = pa.schema([field for field in FILE_SCHEMA if field.name != "diagnosis"])


def table(lines: Sequence[Line], schema: pa.Schema = COLUMNS) -> pa.Table:
    return pa.Table.from_pylist(list(lines), schema=schema)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
