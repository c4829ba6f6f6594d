"""One PostgreSQL for all tests that neither stop nor break it, and a database with the contract's tables in it."""

from collections.abc import Iterator

import pytest

from fixtures.postgres import EmbeddedPostgres
from tests.support.duckdbs import one_duckdb
from tests.support.schema import emptied, with_tables


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    # with contrib, as a database of a stack creates pgcrypto where the server offers it
    with EmbeddedPostgres(contrib=True) as server:
        yield server


@pytest.fixture(scope="session")
def farm_database(postgres: EmbeddedPostgres) -> str:
    return with_tables(postgres.create_database("farm"))


@pytest.fixture
def conninfo(farm_database: str) -> str:
    return emptied(farm_database)


@pytest.fixture
def _one_duckdb() -> Iterator[None]:
    with one_duckdb():
        yield
