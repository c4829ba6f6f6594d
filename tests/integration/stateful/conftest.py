"""The machine on the shared PostgreSQL; each example empties the farm's tables."""

import os

import pytest

from fixtures.controller import housekeeping
from tests.integration.stateful.machine import Replication


@pytest.fixture
def machine(farm_database: str, _one_duckdb: None, monkeypatch: pytest.MonkeyPatch) -> type[Replication]:
    """Return the machine on its database, with a compaction that two files of a shard-day bring about."""
    monkeypatch.setattr(Replication, "conninfo", farm_database)
    monkeypatch.setattr(housekeeping, "COMPACTION_THRESHOLD_FILES", 2)
    # a process is killed here, the machine never: what was written stays
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    return Replication
