"""A fresh farm in the shared PostgreSQL for each test."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.engine.farm import Farm

NOON = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="session", autouse=True)
def _no_power_cut_is_tried_here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


@pytest.fixture
def farm(conninfo: str, tmp_path: Path) -> Iterator[Farm]:
    made = Farm(conninfo, tmp_path, NOON)
    yield made
    made.close()
