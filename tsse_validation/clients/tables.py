"""Which tables are meant by `metrics`, `sensors` and `analysis_jobs`, and whether this role sees all of them.

A name is looked for in the role's search path once, in each transaction, and then held: the tables of one schema,
each a real one. A view of that name, or a second `metrics` that comes first, would be compared in good faith.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from tsse_validation.domain.errors import AccessError, NotCheckedError, SuiteError
from tsse_validation.domain.phrasing import listed

METRICS, SENSORS, JOBS = "metrics", "sensors", "analysis_jobs"
_KINDS: Mapping[str, str] = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
    "i": "index",
    "I": "index",
    "c": "type",
}
_REAL = frozenset({"table", "partitioned table"})
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    METRICS: ("sensor_id", "ts", "value", "quality", "inserted_at"),
    SENSORS: ("sensor_id",),
    JOBS: ("id", "job_type", "status", "created_at"),
}
"""What we read (contract section 5)."""
_WRONG_PLACE = "Name the controller's own database; where it is, set this role's search_path to its schema."
_FOUND = """
SELECT of.nspname, rel.relname,
       CASE WHEN rel.relpersistence = 't' THEN 't' ELSE rel.relkind::text END,
       row_security_active(rel.oid),
       ARRAY(SELECT policy.polname::text FROM pg_policy AS policy WHERE policy.polrelid = rel.oid ORDER BY 1),
       ARRAY(SELECT col.attname::text FROM pg_attribute AS col
              WHERE col.attrelid = rel.oid AND col.attnum > 0 AND NOT col.attisdropped
                AND has_column_privilege(rel.oid, col.attnum, 'SELECT')),
       ARRAY(SELECT col.attname::text FROM pg_attribute AS col
              WHERE col.attrelid = rel.oid AND col.attnum > 0 AND NOT col.attisdropped),
       EXISTS (SELECT FROM pg_constraint AS con JOIN pg_class AS other ON other.oid = con.confrelid
                WHERE con.conrelid = rel.oid AND con.contype = 'f' AND con.convalidated
                  AND other.relname = 'sensors' AND other.relnamespace = rel.relnamespace)
  FROM pg_class AS rel JOIN pg_namespace AS of ON of.oid = rel.relnamespace
 WHERE rel.relname = ANY (%(names)s::text[])
   AND (of.nspname !~ '^(pg_|information_schema$)' OR of.nspname = ANY (%(searched)s::text[]))
"""


@dataclass(frozen=True)
class Relation:
    """What stands in a schema under one of our names.

    `readable` are the columns that this role may read, of all its `columns`. `filtered` says that a row-level
    policy applies to this role, `policies` are those there are. `bound` says that a foreign key holds each
    `sensor_id` to the schema's `sensors`.
    """

    schema: str
    name: str
    kind: str
    filtered: bool
    policies: tuple[str, ...]
    readable: frozenset[str]
    columns: frozenset[str]
    bound: bool

    @property
    def real(self) -> bool:
        """Whether it holds rows itself, or its partitions do."""
        return self.kind in _REAL

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Tables:
    """The controller's tables: `metrics` and `sensors` of one schema, and `jobs` where `analysis_jobs` is there.

    `elsewhere` are the schemas that hold a `metrics` too.
    """

    metrics: Relation
    sensors: Relation
    jobs: Relation | None
    elsewhere: tuple[str, ...]

    @property
    def schema(self) -> str:
        """The schema of all of them."""
        return self.metrics.schema

    @property
    def policies(self) -> tuple[str, ...]:
        """The row-level policies on them, each as ``policy on table``."""
        tables = (self.metrics, self.sensors, *([self.jobs] if self.jobs else []))
        return tuple(f"{policy} on {table.name}" for table in tables for policy in table.policies)


def find_tables(connection: psycopg.Connection, searched: Sequence[str], where: str) -> Tables:
    """Find the tables that a role means by their bare names, which it looks for in the schemas `searched`.

    Raises AccessError when they are not those of a controller, or when this role cannot see all of them.
    """
    found = _relations(connection, searched)
    metrics = _first(found, METRICS, searched)
    if metrics is None:
        raise _nowhere(found, searched, where)
    sensors = found.get((metrics.schema, SENSORS))
    if sensors is None or not (metrics.real and sensors.real):
        raise _not_the_tables(found, metrics, sensors, where)
    for table in (metrics, sensors):
        _hold_to_all(table, where)
    elsewhere = sorted(schema for schema, name in found if name == METRICS and schema != metrics.schema)
    return Tables(metrics, sensors, found.get((metrics.schema, JOBS)), tuple(elsewhere))


def table_flaws(
    connection: psycopg.Connection, searched: Sequence[str], where: str
) -> Mapping[str, SuiteError | None]:
    """Return for each of the controller's tables why this role cannot read all of it, or `None` where it can.

    They are named with their schema, where they are found; the schemas `searched` are as in `find_tables`.
    """
    found = _relations(connection, searched)
    metrics = _first(found, METRICS, searched)
    if metrics is None:
        return {METRICS: _nowhere(found, searched, where)}
    sensors, jobs = (found.get((metrics.schema, name)) for name in (SENSORS, JOBS))
    if sensors is None or not (metrics.real and sensors.real):
        return {str(metrics): _not_the_tables(found, metrics, sensors, where)}
    return {
        str(metrics): _flaw(lambda: _hold_to_all(metrics, where)),
        str(sensors): _flaw(lambda: _hold_to_all(sensors, where)),
        f"{metrics.schema}.{JOBS}": _flaw(lambda: hold_jobs(jobs, metrics, where)),
    }


def _flaw(hold: Callable[[], object]) -> SuiteError | None:
    try:
        hold()
    except SuiteError as error:
        return error
    return None


def hold_jobs(jobs: Relation | None, metrics: Relation, where: str) -> None:
    """Hold that this role may read `analysis_jobs` beside `metrics`; errors as in `identity.shows_job`."""
    if jobs is None or not jobs.real:
        instead = "" if jobs is None else f" (it is a {jobs.kind})"
        msg = f"Beside {metrics} on Postgres at {where} there is no table {JOBS}{instead}."
        raise AccessError(msg, "This is not the controller's database: correct the DSN.")
    hold_unfiltered(jobs, where)
    if hidden := [column for column in _COLUMNS[JOBS] if column not in jobs.readable]:
        msg = (
            f"Postgres at {where} is not proven to be the controller's database: this role may not read"
            f" {listed(hidden)} of {jobs}."
        )
        raise NotCheckedError(msg, f"GRANT SELECT ON {jobs.name} TO the role of the DSN, then run again.")


def _relations(connection: psycopg.Connection, searched: Sequence[str]) -> Mapping[tuple[str, str], Relation]:
    """Return what stands under our names in any schema, by schema and name."""
    rows = connection.execute(_FOUND, {"names": [METRICS, SENSORS, JOBS], "searched": list(searched)}).fetchall()
    return {
        (schema, name): Relation(
            schema,
            name,
            _KINDS.get(kind, "temporary table" if kind == "t" else "relation"),
            filtered,
            tuple(policies),
            frozenset(readable),
            frozenset(columns),
            bound,
        )
        for schema, name, kind, filtered, policies, readable, columns, bound in rows
    }


def _first(found: Mapping[tuple[str, str], Relation], name: str, searched: Sequence[str]) -> Relation | None:
    return next((found[schema, name] for schema in searched if (schema, name) in found), None)


def _nowhere(found: Mapping[tuple[str, str], Relation], searched: Sequence[str], where: str) -> AccessError:
    path = listed([schema for schema in searched if schema != "pg_catalog"]) or "no schema"
    msg = f"Postgres at {where} has no table metrics where this role looks for it, in {path}"
    schemas = _whole_schemas(found)
    if schemas:
        return AccessError(f"{msg}; {listed(schemas)} has metrics and sensors.", _WRONG_PLACE)
    return AccessError(f"{msg}.", "Is this the controller's database, and may this role use its schema?")


def _not_the_tables(
    found: Mapping[tuple[str, str], Relation], metrics: Relation, sensors: Relation | None, where: str
) -> AccessError:
    if not metrics.real:
        what = f"metrics is {metrics}, a {metrics.kind}"
    elif sensors is None:
        what = f"metrics is {metrics}, and there is no sensors beside it"
    else:
        what = f"metrics is {metrics}, and the sensors beside it is a {sensors.kind}"
    schemas = [schema for schema in _whole_schemas(found) if schema != metrics.schema]
    others = f"; both are real tables in {listed(schemas)}" if schemas else ""
    return AccessError(f"For this role on Postgres at {where} {what}{others}.", _WRONG_PLACE)


def _whole_schemas(found: Mapping[tuple[str, str], Relation]) -> list[str]:
    """Return the schemas that hold both tables, as real ones."""
    return sorted(
        schema
        for (schema, name), relation in found.items()
        if name == METRICS and relation.real and (other := found.get((schema, SENSORS))) and other.real
    )


def _hold_to_all(table: Relation, where: str) -> None:
    if unknown := [column for column in _COLUMNS[table.name] if column not in table.columns]:
        msg = f"{table} in Postgres at {where} has no column {listed(unknown)} (contract section 5)."
        raise AccessError(msg, "Is this the controller's database?")
    hold_unfiltered(table, where)
    if hidden := [column for column in _COLUMNS[table.name] if column not in table.readable]:
        msg = f"Postgres at {where} does not let this role read {table} ({listed(hidden)})."
        raise AccessError(msg, f"GRANT SELECT ON {table} TO the role, and USAGE on its schema.")


def hold_unfiltered(table: Relation, where: str) -> None:
    """Raise AccessError when a row-level policy decides which rows of a table this role gets to see."""
    if table.filtered:
        named = f" ({listed(table.policies)})" if table.policies else ""
        msg = f"A row-level security policy{named} on {table} hides rows from this role on Postgres at {where}."
        advice = "Give a role that sees all: the tables' owner, or ALTER ROLE … BYPASSRLS."
        raise AccessError(msg, advice)
