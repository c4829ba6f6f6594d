"""The contract's tables in a database of a server that tests share."""

from pathlib import Path

import psycopg

_SCHEMA = Path(__file__).parents[2] / "fixtures/schema.sql"


def with_tables(conninfo: str) -> str:
    """Create the contract's tables in an empty database; return where it is."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(_SCHEMA.read_bytes())
    return conninfo
