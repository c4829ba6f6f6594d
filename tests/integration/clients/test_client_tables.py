"""`metrics` is found once, and is one real table beside its `sensors`, of which nothing is hidden from us."""

from collections.abc import Iterator

import pytest

from fixtures.postgres import EmbeddedPostgres
from tests.support.databases import READER, SCOPE, as_reader, execute, new_database, put_rows, reading
from tsse_validation.clients.snapshot import DueCount
from tsse_validation.domain.errors import AccessError

SECOND = "CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO reader"
BOTH = f"{SECOND}; CREATE TABLE other.metrics (LIKE metrics); CREATE TABLE other.sensors (LIKE sensors)"
OTHER_FIRST = f"ALTER ROLE {READER} SET search_path = other, public"
ALL_OF_OTHER = f"GRANT SELECT ON ALL TABLES IN SCHEMA other TO {READER}"


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    made = new_database(postgres, "tables")
    put_rows(made, ["a", "b"])
    yield made
    postgres.drop_database("tables")


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (
            [f"{SECOND}; CREATE VIEW other.metrics AS TABLE metrics"],
            "metrics is other.metrics, a view; .* in public",
        ),
        ([f"{SECOND}; CREATE TABLE other.metrics (LIKE metrics)"], "no sensors beside it; .* in public"),
        (
            [f"{SECOND}; CREATE MATERIALIZED VIEW other.metrics AS TABLE metrics"],
            "other.metrics, a materialized view",
        ),
        (
            [BOTH, "DROP TABLE other.sensors; CREATE VIEW other.sensors AS TABLE sensors"],
            "sensors beside it is a view",
        ),
        (
            ["ALTER TABLE metrics RENAME TO rows", "CREATE VIEW metrics AS SELECT * FROM rows"],
            "metrics is public.metrics, a view",
        ),
        (
            ["CREATE SCHEMA other", "ALTER TABLE metrics SET SCHEMA other"],
            "no table metrics where this role looks",
        ),
        (["CREATE SCHEMA other", "ALTER TABLE sensors SET SCHEMA other"], "there is no sensors beside it"),
        (["ALTER TABLE metrics RENAME COLUMN inserted_at TO came_in"], "has no column inserted_at"),
    ],
)
def test_what_is_not_the_controllers_table_is_refused_and_named(
    statements: list[str], said: str, database: str
) -> None:
    with as_reader(database, *statements, OTHER_FIRST) as conninfo, pytest.raises(AccessError, match=said):
        reading(conninfo).snapshot().__enter__()


def test_a_schema_that_has_both_tables_is_named_where_the_role_does_not_look(database: str) -> None:
    moved = [SECOND, *(f"ALTER TABLE {table} SET SCHEMA other" for table in ("metrics", "sensors"))]
    with (
        as_reader(database, *moved) as conninfo,
        pytest.raises(
            AccessError, match=r"looks for it, in public; other has metrics and sensors\. .*search_path"
        ),
        reading(conninfo).snapshot(),
    ):
        pytest.fail("it was read")


def test_the_first_schema_of_the_path_that_has_all_is_read_and_no_other(database: str) -> None:
    with (
        as_reader(database, BOTH, ALL_OF_OTHER, OTHER_FIRST) as conninfo,
        reading(conninfo).snapshot() as snapshot,
    ):
        assert str(snapshot.tables.metrics) == "other.metrics"
        assert snapshot.tables.elsewhere == ("public",)
        assert snapshot.sensor_ids() == []
        assert snapshot.digests(SCOPE).num_rows == 0


def test_functions_and_operators_of_another_schema_are_not_called(database: str) -> None:
    hijacked = "CREATE FUNCTION other.count() RETURNS bigint LANGUAGE sql AS 'SELECT 42'"
    minus = "CREATE FUNCTION other.now() RETURNS timestamptz LANGUAGE sql AS $$SELECT '2001-01-01Z'::timestamptz$$"
    path = f"ALTER ROLE {READER} SET search_path = other, public, pg_catalog"
    with as_reader(database, SECOND, hijacked, minus, path) as conninfo, reading(conninfo).snapshot() as snapshot:
        assert snapshot.now().year > 2001
        assert snapshot.counts(SCOPE) == {"a": DueCount(1, 0), "b": DueCount(1, 0)}


@pytest.mark.parametrize("kind", ["PARTITION BY RANGE (ts)", ""])
def test_a_partitioned_table_and_one_with_children_are_real(kind: str, database: str) -> None:
    columns = "sensor_id varchar(24), ts timestamptz, value float8, quality smallint, inserted_at timestamptz"
    child = (
        "CREATE TABLE child PARTITION OF metrics DEFAULT" if kind else "CREATE TABLE child () INHERITS (metrics)"
    )
    filled = "INSERT INTO child SELECT * FROM old"
    made = ["ALTER TABLE metrics RENAME TO old", f"CREATE TABLE metrics ({columns}) {kind}", child, filled]
    execute(database, *made)
    with as_reader(database) as conninfo, reading(conninfo).snapshot() as snapshot:
        assert snapshot.counts(SCOPE) == {"a": DueCount(1, 0), "b": DueCount(1, 0)}


@pytest.mark.parametrize("table", ["metrics", "sensors"])
def test_a_row_policy_that_filters_for_this_role_is_refused(table: str, database: str) -> None:
    policy = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY farm_a ON {table} USING (sensor_id = 'a')",
    ]
    said = rf"row-level security policy \(farm_a\) on public.{table} hides rows from this role .*BYPASSRLS"
    with as_reader(database, *policy) as conninfo, pytest.raises(AccessError, match=said):
        reading(conninfo).snapshot().__enter__()
    sees_all = f"ALTER ROLE {READER} BYPASSRLS"
    with as_reader(database, sees_all) as conninfo, reading(conninfo).snapshot() as snapshot:
        assert set(snapshot.counts(SCOPE)) == {"a", "b"}
        assert snapshot.tables.policies == (f"farm_a on {table}",)
    with reading(database).snapshot() as snapshot:  # the owner
        assert set(snapshot.counts(SCOPE)) == {"a", "b"}


def test_a_policy_that_comes_while_we_read_is_told(database: str) -> None:
    told = pytest.raises(AccessError, match="hides rows from this role by a row-level")
    with as_reader(database) as conninfo, told, reading(conninfo).snapshot() as snapshot:
        execute(database, "ALTER TABLE metrics ENABLE ROW LEVEL SECURITY")
        snapshot.digests(SCOPE)


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        (
            "GRANT SELECT ON sensors TO reader",
            "read public.metrics (sensor_id, ts, value, quality and inserted_at)",
        ),
        (
            "GRANT SELECT ON sensors TO reader; GRANT SELECT (sensor_id, ts, inserted_at) ON metrics TO reader",
            "read public.metrics (value and quality). GRANT SELECT ON public.metrics",
        ),
        ("GRANT SELECT ON metrics TO reader", "read public.sensors (sensor_id). GRANT SELECT ON public.sensors"),
    ],
)
def test_columns_that_the_role_may_not_read_are_named(rights: str, said: str, database: str) -> None:
    with as_reader(database, rights=rights) as conninfo, pytest.raises(AccessError) as caught:
        reading(conninfo).snapshot().__enter__()
    assert said in str(caught.value)


def test_rights_on_the_columns_that_are_read_are_enough(database: str) -> None:
    rights = (
        "GRANT SELECT (sensor_id) ON sensors TO reader;"
        " GRANT SELECT (sensor_id, ts, value, quality, inserted_at) ON metrics TO reader"
    )
    with as_reader(database, rights=rights) as conninfo, reading(conninfo).snapshot() as snapshot:
        assert snapshot.digests(SCOPE).num_rows == 2


def test_sensors_that_are_not_listed_are_counted_in_a_window(database: str) -> None:
    execute(
        database,
        "ALTER TABLE metrics DROP CONSTRAINT metrics_sensor_id_fkey",
        "DELETE FROM sensors WHERE sensor_id = 'b'",
    )
    with reading(database).snapshot() as snapshot:
        assert snapshot.sensor_ids() == ["a"]
        assert snapshot.counts(SCOPE) == {"a": DueCount(1, 0), "b": DueCount(1, 0)}


def test_a_foreign_key_that_was_never_validated_does_not_count(database: str) -> None:
    execute(
        database,
        "ALTER TABLE metrics DROP CONSTRAINT metrics_sensor_id_fkey",
        "DELETE FROM sensors WHERE sensor_id = 'b'",
        "ALTER TABLE metrics ADD FOREIGN KEY (sensor_id) REFERENCES sensors (sensor_id) NOT VALID",
    )
    with reading(database).snapshot() as snapshot:
        assert set(snapshot.counts(SCOPE)) == {"a", "b"}
