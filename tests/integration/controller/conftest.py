import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from fixtures.controller.database import Database
from fixtures.controller.replication import LakeService
from tests.integration.controller.support import Bed, Clock, FarmRows, SettledStore, lake_service


@pytest.fixture
def connection(conninfo: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        yield connection


@pytest.fixture
def database(conninfo: str) -> Iterator[Database]:
    database = Database(conninfo)
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    """Noon: a range of whole days from here begins and ends within a day."""
    return Clock(datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC))


@pytest.fixture
def farm(connection: psycopg.Connection[tuple[object, ...]]) -> FarmRows:
    return FarmRows(connection)


@pytest.fixture
def service(database: Database, tmp_path: Path, clock: Clock) -> LakeService:
    return lake_service(database, tmp_path, clock)


@pytest.fixture
def bed(connection: psycopg.Connection[tuple[object, ...]], service: LakeService, clock: Clock) -> Bed:
    return Bed(connection, service, clock)


@pytest.fixture
def cold_bed(bed: Bed, database: Database, tmp_path: Path, clock: Clock) -> Bed:
    bed.service = lake_service(database, tmp_path, clock, cold=True)
    return bed


@pytest.fixture
def store(service: LakeService) -> Iterator[SettledStore]:
    store = SettledStore(service)
    yield store
    store.stop()


@pytest.fixture
def add_token(connection: psycopg.Connection[tuple[object, ...]]) -> Callable[..., str]:
    """Register a token; `expires` and `revoked` are SQL."""

    def add(token: str, *capabilities: str, expires: str = "NULL", revoked: str = "NULL") -> str:
        listed = ",".join(f'"{capability}"' for capability in capabilities)
        statement = (
            "INSERT INTO api_tokens (name, token_hash, capabilities, expires_at, revoked_at)"
            f" VALUES (%s, %s, %s::jsonb, {expires}, {revoked})"
        )
        digest = hashlib.sha256(token.encode()).hexdigest()
        connection.execute(statement.encode(), (token, digest, f"[{listed}]"))
        return token

    return add
