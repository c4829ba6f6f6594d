"""The machine on the shared PostgreSQL; each example empties the farm's tables."""

import os
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from fixtures.controller import housekeeping
from tests.integration.stateful.machine import Replication
from tsse_validation.lake.column_engine import column_engine


@pytest.fixture
def _one_duckdb(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Open DuckDB once: opening it takes longer than all that is asked of it here, thousands of times.

    A cursor is a session of its own, so that nothing of a question is left to the next.
    """
    with column_engine() as kept, monkeypatch.context() as patch:

        def session(*_: Any, **__: Any) -> duckdb.DuckDBPyConnection:
            return kept.cursor()

        patch.setattr(duckdb, "connect", session)
        yield


@pytest.fixture
def machine(farm_database: str, _one_duckdb: None, monkeypatch: pytest.MonkeyPatch) -> type[Replication]:
    """Return the machine on its database, with a compaction that two files of a shard-day bring about."""
    monkeypatch.setattr(Replication, "conninfo", farm_database)
    monkeypatch.setattr(housekeeping, "COMPACTION_THRESHOLD_FILES", 2)
    # a process is killed here, the machine never: what was written stays
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    return Replication
