"""The contract's tables in a database of a server that tests share."""

from pathlib import Path

import psycopg
from psycopg import sql

SCHEMA = Path(__file__).parents[2] / "fixtures/schema.sql"


def with_tables(conninfo: str) -> str:
    """Create the contract's tables in an empty database; return where it is."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(SCHEMA.read_bytes())
    return conninfo


def emptied(conninfo: str) -> str:
    """Empty the contract's tables, which is faster than a database of one's own; return where they are."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for table in ("metrics", "sensors", "nodes", "api_tokens", "analysis_jobs", "users"):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    return conninfo
