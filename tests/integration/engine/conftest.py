"""A real PostgreSQL for all, and a fresh farm in it for each."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from fixtures.postgres import EmbeddedPostgres
from tests.integration.engine.farm import Farm
from tests.support.schema import with_tables

NOON = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def farm_database(postgres: EmbeddedPostgres) -> str:
    return with_tables(postgres.create_database("farm"))


@pytest.fixture(scope="session", autouse=True)
def _no_power_cut_is_tried_here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


def empty(conninfo: str) -> None:
    """Empty the farm's tables: faster than a database of one's own."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("TRUNCATE metrics, sensors, nodes")


@pytest.fixture
def conninfo(farm_database: str) -> str:
    empty(farm_database)
    return farm_database


@pytest.fixture
def farm(conninfo: str, tmp_path: Path) -> Iterator[Farm]:
    made = Farm(conninfo, tmp_path, NOON)
    yield made
    made.close()
