"""One DuckDB for tests that ask it thousands of times: opening it takes longer than all that is asked of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pytest

from tsse_validation.lake.sql import column_engine


@contextmanager
def one_duckdb() -> Iterator[None]:
    """Open DuckDB once; a cursor is a session of its own, so that nothing of a question is left to the next."""
    with column_engine() as kept, pytest.MonkeyPatch.context() as patch:

        def session(*_: Any, **__: Any) -> duckdb.DuckDBPyConnection:
            return kept.cursor()

        patch.setattr(duckdb, "connect", session)
        yield
