"""Sensor ids of all kinds come back from Postgres as they went in, in databases of any encoding."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.postgres import EmbeddedPostgres
from tests.support.databases import NOON, SCOPE, execute, new_database, put_rows, reading
from tsse_validation.clients.encodings import storable
from tsse_validation.domain.errors import AccessError

STRANGE = (
    *(
        "two\nlines",
        "\nbegins",
        "ends\n",
        "a\r\nb",
        "\r",
        "\n",
        '"',
        '""',
        "'",
        ",",
        "a,b",
        "\\",
        "\\N",
        "\\.",
        "\\n",
    ),
    *("", " ", " a", "a ", "\t", "NULL", "null", "NaN", "true", "1e5", "007", "-", "=1+1", "\\x00", "%s", "{a,b}"),
    *(
        "\ufeff",
        "\ufeffa",
        "\u00fc",
        "u\u0308",
        "🌡",
        "日本語",
        "\u200b",
        "\u2028",
        "\x01",
        "\x7f",
        "\x85",
        "x" * 24,
    ),
)
IDS = st.one_of(
    st.sampled_from(STRANGE),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=24),
    st.text("\n\r\",\\' .N\ufeff", max_size=24),
)
LATE = NOON - timedelta(minutes=5)


@pytest.fixture(scope="module")
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    yield new_database(postgres, "ids")
    postgres.drop_database("ids")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.sets(IDS, min_size=1, max_size=12))
def test_every_id_comes_back_whole_by_each_way(ids: set[str], database: str) -> None:
    execute(database, "DELETE FROM metrics", "DELETE FROM sensors")
    put_rows(database, ids, [NOON - timedelta(days=1), LATE])
    with reading(database).snapshot() as snapshot:
        assert set(snapshot.sensor_ids()) == ids
        assert sorted(snapshot.digests(SCOPE)["sensor_id"].to_pylist()) == sorted(ids)
        assert sorted(snapshot.digests(SCOPE, sensor_ids=sorted(ids))["sensor_id"].to_pylist()) == sorted(ids)
        assert sorted(snapshot.due_rows(SCOPE, sorted(ids))["sensor_id"].to_pylist()) == sorted(ids)
        assert sorted(snapshot.not_due_keys(SCOPE)["sensor_id"].to_pylist()) == sorted(ids)
        assert set(snapshot.counts(SCOPE)) == ids


def test_each_strange_id_can_be_the_only_one(database: str) -> None:
    for strange in STRANGE:
        execute(database, "DELETE FROM metrics", "DELETE FROM sensors")
        put_rows(database, [strange])
        with reading(database).snapshot() as snapshot:
            assert snapshot.due_rows(SCOPE)["sensor_id"].to_pylist() == [strange], repr(strange)
            assert snapshot.digests(SCOPE)["sensor_id"].to_pylist() == [strange], repr(strange)


@pytest.mark.parametrize(
    ("encoding", "ids"),
    [
        ("LATIN1", {"grün", "ÿ"}),
        ("LATIN9", {"€", "Œ"}),
        ("WIN1251", {"датчик"}),
        ("KOI8R", {"датчик"}),
        ("EUC_JP", {"日本語"}),
        ("SQL_ASCII", {"grün", "日本語"}),
    ],
)
def test_a_database_in_another_encoding_is_read_as_any(
    encoding: str, ids: set[str], postgres: EmbeddedPostgres
) -> None:
    conninfo = new_database(postgres, "encoded", encoding)
    try:
        put_rows(conninfo, ids | {"a"})
        # what the lake may hold besides is no reason to fail: this database cannot have it
        asked = sorted(ids | {"a", "🌡", "no\0text"})
        with reading(conninfo).snapshot() as snapshot:
            assert set(snapshot.due_rows(SCOPE, asked)["sensor_id"].to_pylist()) == ids | {"a"}
            assert set(snapshot.digests(SCOPE, sensor_ids=asked)["sensor_id"].to_pylist()) == ids | {"a"}
            assert set(snapshot.counts(SCOPE)) == ids | {"a"}
    finally:
        postgres.drop_database("encoded")


def test_bytes_that_are_no_text_are_told_in_words(postgres: EmbeddedPostgres) -> None:
    conninfo = new_database(postgres, "encoded", "SQL_ASCII")
    try:
        put_rows(conninfo, ["a"])
        with psycopg.connect(conninfo, autocommit=True, client_encoding="SQL_ASCII") as connection:
            connection.execute(b"ALTER TABLE metrics DROP CONSTRAINT metrics_sensor_id_fkey")
            connection.execute(b"UPDATE metrics SET sensor_id = E'gr\\xfcn'")
        told = pytest.raises(AccessError, match=r"text that cannot be read as UTF-8.*find and correct")
        with told, reading(conninfo).snapshot() as snapshot:
            snapshot.digests(SCOPE)
    finally:
        postgres.drop_database("encoded")


@pytest.mark.parametrize(
    ("encoding", "kept"),
    [
        ("UTF8", ["a", "é", "€", "日"]),
        ("SQL_ASCII", ["a", "é", "€", "日"]),
        ("LATIN1", ["a", "é"]),
        ("WIN1252", ["a", "é", "€"]),
        ("ISO_8859_5", ["a"]),
        ("KOI8U", ["a"]),
        ("EUC_CN", ["a", "日"]),
    ],
)
def test_what_an_encoding_cannot_hold_is_not_asked_for(encoding: str, kept: list[str]) -> None:
    assert [
        text for text in storable(["a", "é", "€", "日", "a\0"], encoding) if text != "é" or "é" in kept
    ] == kept
