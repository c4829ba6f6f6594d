"""Ids of all kinds, in databases of several encodings, compared on both sides at both depths."""

from datetime import timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from fixtures.postgres import EmbeddedPostgres
from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm
from tests.support.databases import new_database

ANY = ["a", "two\nlines", "\r", "a\r\nb", '"', "'", ",", "\\N", "\\.", " ", " a ", "\t", "NULL", "%s", "x" * 24]
BEYOND = ["\ufeff", "\ufeffa", "\u00fc", "u\u0308", "🌡", "日本語", "\u2028"]


@pytest.mark.parametrize(
    ("encoding", "ids"),
    [("UTF8", [*ANY, *BEYOND]), ("SQL_ASCII", [*ANY, *BEYOND]), ("LATIN1", [*ANY, "grün", "ÿ", "\x85", "\xa0"])],
)
def test_every_id_is_compared_as_it_is_and_its_changed_row_is_found(
    encoding: str, ids: list[str], postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    made = make_conninfo(new_database(postgres, "of_ids", encoding), client_encoding="UTF8")
    farm = Farm(made, tmp_path, NOON)
    try:
        hours = [NOON - timedelta(hours=hours) for hours in range(1, 4)]
        farm.ingest([(sensor, ts, 1.0, 0, NOON - timedelta(hours=9)) for sensor in ids for ts in hours])
        farm.backfill(2)
        assert {row.sensor_id for row in farm.digest_days()} == set(ids)
        assert farm.differing_days() == set()
        assert farm.all_differing_rows() == set()
        farm.connection.execute("UPDATE metrics SET value = 2 WHERE ts = %s", (hours[1],))
        wanted = {(sensor, "changed_value") for sensor in ids}
        assert {(row[0], row[2]) for row in farm.differing_rows()} == wanted
        assert {(row[0], row[2]) for row in farm.all_differing_rows()} == wanted
    finally:
        farm.close()
        postgres.drop_database("of_ids")


def test_an_id_of_the_lake_that_the_database_cannot_hold_is_one_row_too_many(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    made = make_conninfo(new_database(postgres, "of_ids", "UTF8"), client_encoding="UTF8")
    farm = Farm(made, tmp_path / "whole", NOON)
    poor = new_database(postgres, "of_latin_ids", "LATIN1")
    try:
        farm.ingest([("🌡", NOON - timedelta(hours=1), 1.0, 0, NOON - timedelta(hours=9))])
        farm.backfill(2)
        elsewhere = Farm(make_conninfo(poor, client_encoding="UTF8"), tmp_path / "poor", NOON)
        elsewhere.reader = farm.reader
        assert {(row[0], row[2]) for row in elsewhere.differing_rows()} == {("🌡", "extra")}
        elsewhere.close()
    finally:
        farm.close()
        postgres.drop_database("of_ids")
        postgres.drop_database("of_latin_ids")
