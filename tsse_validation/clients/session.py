"""What decides how a session reads and writes, fixed in its transaction: nobody's settings can bend what we read.

A zone, a style, an encoding or a time limit may be set for the server, the database or the role, in a service
file, by a `PG…` variable or by a pooler. None of that is assumed, and none of it is asked for when we connect,
where a pooler may refuse or drop it: each transaction sets what it needs, for itself alone, and reads it back.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from tsse_validation.domain.errors import AccessError

IDLE_SECONDS = 60
"""How long a transaction may wait for us: we only take what Postgres answers. After that we are lost."""
WORK_MEMORY_KB = 16 * 1024
"""The memory that one sort or hash of ours may use in the server."""

_READS: Mapping[str, str] = {
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "escape_string_warning": "off",
    "backslash_quote": "safe_encoding",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    # Postgres then refuses a query that a policy would filter, where it filtered unseen
    "row_security": "off",
    # a chunk that is compressed reads as empty without it
    "timescaledb.enable_transparent_decompression": "on",
}
"""Settings that decide what a row looks like, or whether we get to see it."""
_SPARES: Mapping[str, str] = {
    # compiling thousands of functions for thousands of chunks takes longer than what they do
    "jit": "off",
    # without these a statement locks every chunk, whatever its window
    "enable_partition_pruning": "on",
    "constraint_exclusion": "partition",
    "plan_cache_mode": "auto",
    # the planner takes the days of `ts` for as many as there are instants, and would sort all rows on the disk
    "enable_hashagg": "on",
    "enable_sort": "off",
    "enable_incremental_sort": "off",
    # what is asked of a sensor's first rows needs it; what reads all rows of a window does without (`by_pages`)
    "enable_indexscan": "on",
    "enable_seqscan": "on",
    "enable_bitmapscan": "on",
    "work_mem": f"{WORK_MEMORY_KB}",
    "default_transaction_read_only": "on",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS * 1000}",
    "idle_session_timeout": "0",
}
"""Settings that decide what a session may cost, and how long it lives; those of newer servers too."""
_IN_PARALLEL: Mapping[str, str] = {
    "parallel_leader_participation": "on",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0.1",
}
"""What lets workers that were asked for come, and hand on what they have added up rather than rows."""
_BEGUN: Mapping[str, str] = {
    "transaction_isolation": "repeatable read",
    "transaction_read_only": "on",
}
"""What the transaction was begun with."""

_PATH = "SELECT pg_catalog.current_schemas(true)::text[]"
_SET = (
    "SELECT set_config(wanted.name, wanted.value, true)"
    " FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)"
    " WHERE wanted.name = ANY (ARRAY(SELECT name FROM pg_settings))"
)
_SET_PATH = "SELECT pg_catalog.set_config('search_path', %s, true)"
_SET_ONE = "SELECT set_config(%s, %s, true)"
_READ_BACK = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s::text[])"


def fixed_settings(
    *, statement_timeout: float, lock_timeout: float, transaction_timeout: float, workers: int
) -> dict[str, str]:
    """Return what a transaction of ours is held to, as the server reports it; the timeouts are in seconds."""
    return {
        **_READS,
        **_SPARES,
        **(_IN_PARALLEL if workers else {}),
        "search_path": search_path(),
        "statement_timeout": _milliseconds(statement_timeout),
        "lock_timeout": _milliseconds(lock_timeout),
        "transaction_timeout": _milliseconds(transaction_timeout),
        "max_parallel_workers_per_gather": f"{workers}",
    }


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}"


def search_path(*schemas: str) -> str:
    """Return a search path on which neither a function nor a temporary table can come before what is meant."""
    quoted = ['"{}"'.format(schema.replace('"', '""')) for schema in schemas]
    return ", ".join(["pg_catalog", *quoted, "pg_temp"])


def schemas_searched(connection: psycopg.Connection) -> list[str]:
    """Return the schemas in which this role finds a table by its bare name, in their order."""
    row = connection.execute(_PATH).fetchone()
    return list(row[0]) if row is not None else []


def fix(connection: psycopg.Connection, settings: Mapping[str, str], where: str) -> None:
    """Set what this transaction depends on, and read it back; what this server does not know is left out.

    The path comes first: a name of ours then means what the server has under it.

    Raises AccessError when something has not held.
    """
    connection.execute(_SET_PATH, (settings["search_path"],))
    connection.execute(_SET, (list(settings), list(settings.values())))
    wanted = {**settings, **_BEGUN}
    rows = connection.execute(_READ_BACK, (list(wanted),)).fetchall()
    if lost := sorted(name for name, value in rows if value != wanted[name]):
        msg = f"The session on Postgres at {where} has lost its limits: {', '.join(lost)}."
        advice = "A pooler that pools by statement drops them: name the server itself in the DSN."
        raise AccessError(msg, advice)


@contextmanager
def by_pages(connection: psycopg.Connection, *, some: bool) -> Iterator[None]:
    """Let the planner read rows in the order of the table's pages alone: as a bitmap gives them, or the whole.

    The index on `ts` would go from page to page for each instant, at three times the price: the planner takes rows
    that came in by time to lie by time. And it takes `some` rows of a table to be scattered over all of it, and
    would read the whole: where they lie together, a bitmap it is. What fails ends the transaction.
    """
    withheld = ("enable_indexscan", "enable_seqscan") if some else ("enable_indexscan",)
    for name in withheld:
        connection.execute(_SET_ONE, (name, "off"))
    yield
    for name in withheld:
        connection.execute(_SET_ONE, (name, "on"))
