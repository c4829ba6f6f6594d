"""What a read of the lake that fails says: of a broken file, or of our own lack of rights or memory."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.domain.digest import ROW_SCHEMA
from tsse_validation.domain.errors import AccessError, PromiseBrokenError, SuiteError
from tsse_validation.domain.instants import to_micros
from tsse_validation.lake import sql as lake_sql
from tsse_validation.lake.reader import LakeFile
from tsse_validation.lake.sql import column_engine

STREAMED_ROWS = 250_000
"""Rows taken from a query at a time: the most that are held in memory."""
READ_ERRORS = (duckdb.Error, pa.ArrowException, OSError, UnicodeDecodeError)
"""What a broken file raises: of its footer DuckDB's own, of a page in mid-stream Arrow's or the system's."""
_INSTANTS = ("ts", "inserted_at")
_FIRST, _LAST = (to_micros(end.replace(tzinfo=UTC)) for end in (datetime.min, datetime.max))  # noqa: DTZ901 - it is given
_OUT_OF_MEMORY = "Out of Memory Error"
_NAMED_FILE = re.compile(r"[^\s'\"]+\.parquet")


def why_broken(file: LakeFile) -> str | None:
    """Return the reader's error of a file that is there and may be read, but cannot; or `None`."""
    try:
        with column_engine() as connection:
            rows = connection.execute(lake_sql.ALL_OF_A_FILE, lake_sql.files_only([file]))
            with rows.to_arrow_reader(STREAMED_ROWS) as reader:
                if odd := _odd_instants(reader.schema):
                    return odd
                for batch in reader:
                    if why := _beyond_the_calendar(batch.cast(ROW_SCHEMA)):
                        return why
    except READ_ERRORS as error:
        reason = _in_one_line(error)
        return reason if file.there and not _is_ours(error, reason) else None
    return None


def _odd_instants(schema: pa.Schema) -> str:
    """Say which column of instants has a type that the engine does not compare with one, or nothing."""
    for name in _INSTANTS:
        kind = schema.field(name).type
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            return f"{name} is {kind}, and no timestamp"
    return ""


def _beyond_the_calendar(batch: pa.RecordBatch) -> str:
    """Say which column has instants that no date has a name for, or nothing."""
    for name in _INSTANTS:
        ends = pc.min_max(batch[name])
        if any(end.is_valid and not _FIRST <= end.value <= _LAST for end in (ends["min"], ends["max"])):
            return f"{name} lies beyond the calendar"
    return ""


def unreadable_lake(error: Exception, files: Sequence[LakeFile]) -> SuiteError:
    """Tell a broken file, which is the lake's fault, from our own lack of rights or memory, which is not."""
    days = sorted({file.day for file in files})
    reason = _in_one_line(error)
    if _OUT_OF_MEMORY in reason:
        msg = f"The lake's rows of {days[0]} to {days[-1]} do not fit in our memory."
        return SuiteError(msg, "Free some disk space in the temporary directory, where they spill.")
    if _is_ours(error, reason):
        return AccessError(f"This user may not read the lake: {reason[:200]}.", "Run as the service user.")
    named = _NAMED_FILE.search(reason)
    where = named[0] if named else f"a file of {days[0]} to {days[-1]}"
    msg = f"The lake cannot be read: {where}: {reason[:200]}."
    return PromiseBrokenError(msg, "Re-run the backfill with replace_existing for its date.")


def _is_ours(error: Exception, reason: str) -> bool:
    """Whether an error comes from our own rights or memory, and says nothing of the file."""
    return isinstance(error, PermissionError) or "Permission denied" in reason or _OUT_OF_MEMORY in reason


def _in_one_line(error: Exception) -> str:
    # DuckDB shows the place in its statement after that
    return " ".join(str(error).partition("\nLINE 1: ")[0].split())
