"""Postgres and we compute one digest, whatever the rows; and no fault keeps it as it was."""

import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm, Row
from tests.support.builders import rows_table
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import DIGEST_SQL, digest_days, row_hashes
from tsse_validation.domain.instants import EPOCH, MICROSECOND
from tsse_validation.domain.slicing import TableKind, TableLayout
from tsse_validation.domain.windows import Window

LAST = datetime(2200, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
ALL = Coverage(EPOCH, LAST + MICROSECOND, LAST)
EVERYTHING = Window(EPOCH, LAST)
SENSORS = ("a", "b", 'odd, "id"\tü', " s ")


def of_bits(bits: int) -> float:
    (value,) = struct.unpack("<d", struct.pack("<Q", bits))
    return float(value)


EXTREMES = [
    0.0,
    -0.0,
    math.inf,
    -math.inf,
    math.nan,
    of_bits(0x7FF8_0000_0000_00AB),
    of_bits(0xFFFF_FFFF_FFFF_FFFF),
    5e-324,
    -5e-324,
    2.2250738585072009e-308,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    2.0**53 + 2,
    0.1 + 0.2,
]
VALUES = st.sampled_from(EXTREMES) | st.integers(0, 2**64 - 1).map(of_bits) | st.floats(width=64)
INSTANTS = st.one_of(
    st.integers(0, (LAST - EPOCH) // MICROSECOND).map(lambda micros: EPOCH + micros * MICROSECOND),
    st.integers(-3, 3).map(lambda micros: NOON.replace(hour=0) + micros * MICROSECOND),
    st.sampled_from([EPOCH, LAST, EPOCH + timedelta(seconds=2**32) + MICROSECOND]),
)
QUALITIES = st.none() | st.integers(-32_768, 32_767)
ROWS = st.dictionaries(
    st.tuples(st.sampled_from(SENSORS), INSTANTS), st.tuples(VALUES, QUALITIES, st.just(NOON)), max_size=40
).map(lambda rows: [(*key, *version) for key, version in rows.items()])
FAR = st.sampled_from([1, 1683, 1714, 1969, 2255, 2286, 9998]).flatmap(
    lambda year: st.integers(0, 10**13).map(lambda micros: datetime(year, 1, 2, tzinfo=UTC) + micros * MICROSECOND)
)
FAR_ROWS = st.dictionaries(st.tuples(st.sampled_from(SENSORS), FAR), st.tuples(VALUES, QUALITIES, st.just(NOON)))
PAIR = [("a", NOON, 1.5, 3, NOON), ("a", NOON + MICROSECOND, -2.5, None, NOON)]
examples = settings(
    max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


def put(farm: Farm, rows: Sequence[Row]) -> None:
    farm.connection.execute("DELETE FROM metrics")
    farm.ingest(rows)


def written(rows: Sequence[Row]) -> list[Row]:
    """Return rows as the lake's writer makes them: no quality is 0 (contract section 4)."""
    return [(sensor, ts, value, quality or 0, at) for sensor, ts, value, quality, at in rows]


def in_order(table: Any) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=lambda row: (row["sensor_id"], row["day"]))


@examples
@given(rows=ROWS | FAR_ROWS.map(lambda rows: [(*key, *version) for key, version in rows.items()]))
def test_postgres_and_we_hash_each_row_alike(farm: Farm, rows: list[Row]) -> None:
    put(farm, rows)
    theirs = farm.connection.execute(
        f"SELECT {DIGEST_SQL} FROM metrics".encode()
        + b' GROUP BY sensor_id, ts ORDER BY sensor_id COLLATE "C", ts'
    ).fetchall()
    ours = row_hashes(rows_table(written(sorted(rows, key=lambda row: (row[0].encode(), row[1])))))
    assert [int(row[0]) % 2**64 for row in theirs] == ours.tolist()


@examples
@given(rows=ROWS, some=st.sets(st.sampled_from(SENSORS)))
def test_postgres_and_we_digest_each_sensor_day_alike(farm: Farm, rows: list[Row], some: set[str]) -> None:
    put(farm, rows)
    with farm.client.snapshot() as snapshot:
        for hashed in (True, False):
            theirs = snapshot.digests(Scope(EVERYTHING, ALL), hashed=hashed)
            assert in_order(theirs) == in_order(digest_days(rows_table(written(rows)), hashed=hashed))
        of_some = snapshot.digests(Scope(EVERYTHING, ALL), sensor_ids=sorted(some))
    of_some_ours = digest_days(rows_table(row for row in written(rows) if row[0] in some))
    assert in_order(of_some) == in_order(of_some_ours)


def test_every_quality_that_there_is_has_a_hash_of_its_own_on_both_sides(farm: Farm) -> None:
    qualities = range(-32_768, 32_768)
    farm.sensors("a")
    farm.connection.execute(
        "INSERT INTO metrics SELECT 'a', %s + (n + 32768) * interval '1 microsecond', 1, n, now()"
        " FROM generate_series(-32768, 32767) n",
        (NOON,),
    )
    one_instant = rows_table(("a", NOON, 1.0, quality, NOON) for quality in [None, *qualities])
    assert len(np.unique(row_hashes(one_instant))) == len(qualities) + 1
    spread = rows_table(("a", NOON + n * MICROSECOND, 1.0, quality, NOON) for n, quality in enumerate(qualities))
    with farm.client.snapshot() as snapshot:
        assert in_order(snapshot.digests(Scope(EVERYTHING, ALL))) == in_order(digest_days(spread))


def test_no_quality_in_postgres_is_0_in_the_lake_and_nothing_else(farm: Farm) -> None:
    put(farm, [("a", NOON, 1.0, None, NOON)])
    with farm.client.snapshot() as snapshot:
        theirs = in_order(snapshot.digests(Scope(EVERYTHING, ALL)))
        kept = snapshot.due_rows(Scope(EVERYTHING, ALL))["quality"].to_pylist()
    alike = [
        quality
        for quality in (0, None, 1, -1, -32_768)
        if theirs == in_order(digest_days(rows_table([("a", NOON, 1.0, quality, NOON)])))
    ]
    assert (alike, kept) == ([0], [0])


@examples
@given(rows=ROWS, which=st.integers(0))
def test_each_of_the_classic_faults_changes_the_digest(farm: Farm, rows: list[Row], which: int) -> None:
    rows = [*(row for row in rows if row[1].date() != NOON.date()), *PAIR]
    put(farm, rows)
    rows, pair = written(rows), written(PAIR)
    sensor, ts, value, quality, at = picked = rows[which % len(rows)]
    others = [row for row in rows if row is not picked]
    one, other = pair
    off = math.nextafter(value, math.inf) if math.isfinite(value) else 0.0
    faults: dict[str, list[Row]] = {
        "one missing": others,
        "one extra": [*rows, (sensor, ts + timedelta(seconds=1), value, quality, at)],
        "one ulp": [*others, (sensor, ts, off, quality, at)],
        "quality lost": [*others, (sensor, ts, value, None, at)],
        "another quality": [*others, (sensor, ts, value, (quality or 0) ^ 1, at)],
        "ts by a microsecond": [
            *others,
            (sensor, ts + MICROSECOND * (1 if ts < LAST else -1), value, quality, at),
        ],
        "a swapped pair": [
            *(row for row in rows if row not in pair),
            (*one[:2], other[2], *one[3:]),
            (*other[:2], one[2], *other[3:]),
        ],
        "a doubled pair": [*rows, *pair],
        "a row doubled, thrice in all": [*rows, picked, picked],
    }
    with farm.client.snapshot() as snapshot:
        right = in_order(snapshot.digests(Scope(EVERYTHING, ALL)))
    for fault, changed in faults.items():
        found = in_order(digest_days(rows_table(changed)))
        assert digests(found) != digests(right), fault
    assert in_order(digest_days(rows_table(rows))) == right


BUCKETS = """
    CREATE SCHEMA IF NOT EXISTS "Extension place";
    CREATE OR REPLACE FUNCTION "Extension place".time_bucket(width interval, ts timestamptz) RETURNS timestamptz
        LANGUAGE sql IMMUTABLE AS $$ SELECT date_bin(width, ts, '0001-01-01 00:00:00+00') $$;
"""
"""Stands in for TimescaleDB's function."""
HYPERTABLE = TableLayout(TableKind.HYPERTABLE, extension_schema="Extension place")
NEAR = st.integers(-4, 4).map(lambda hours: NOON + timedelta(hours=hours))
TIMED_ROWS = st.dictionaries(
    st.tuples(st.sampled_from(SENSORS), NEAR), st.tuples(VALUES, QUALITIES, st.none() | NEAR), max_size=40
).map(lambda rows: [(*key, *version) for key, version in rows.items()])
COVERAGES = st.builds(
    Coverage, NEAR, NEAR, NEAR, late_window=st.integers(1, 4).map(lambda hours: timedelta(hours=hours))
).filter(lambda coverage: coverage.window is not None)


@examples
@given(rows=TIMED_ROWS, coverage=COVERAGES, until=NEAR, since=st.none() | NEAR)
def test_the_due_rows_alone_are_digested_whatever_kind_of_table_they_are_in(
    farm: Farm, rows: list[Row], coverage: Coverage, until: datetime, since: datetime | None
) -> None:
    """A hypertable has a statement of its own, here with a stand-in: no TimescaleDB is asked.

    A window that ends long before the target is asked for in fewer words.
    """
    put(farm, rows)
    farm.connection.execute(BUCKETS)
    whole = Scope.covered_by(coverage)
    window = Window(whole.window.start, max(whole.window.start, min(whole.window.end, until)))
    scope = replace(whole, window=window, since=since)
    due = [row for row in rows if scope.holds(row[1], row[4])]
    with farm.client.snapshot() as snapshot:
        for state in (snapshot, snapshot.laid_out(HYPERTABLE, scope.window)):
            assert in_order(state.digests(scope)) == in_order(digest_days(rows_table(written(due))))


def digests(rows: list[dict[str, Any]]) -> dict[tuple[str, object], int]:
    return {(row["sensor_id"], row["day"]): row["digest"] for row in rows}


def test_the_extremes_survive_the_way_through_the_controller_into_the_lake(farm: Farm) -> None:
    rows = [
        (
            sensor,
            NOON - timedelta(minutes=5 * number, microseconds=number),
            value,
            quality,
            NOON - timedelta(hours=9),
        )
        for sensor in SENSORS
        for number, value in enumerate(EXTREMES)
        for quality in ([None, -32_768, 32_767, 0][number % 4],)
    ]
    farm.ingest(rows)
    farm.backfill(2)
    assert sum(row.postgres for row in farm.digest_days()) == len(rows) - len(SENSORS)  # those of noon are not due
    assert farm.differing_days() == set()
    assert farm.all_differing_rows() == set()


@pytest.mark.parametrize("inserted_at", ["-infinity", "infinity"])
@pytest.mark.parametrize("altered", [False, True])
def test_a_row_inserted_at_no_finite_time_is_compared(inserted_at: str, farm: Farm, *, altered: bool) -> None:
    """The controller takes −infinity for no time at all, and +infinity is never due."""
    farm.ingest([("a", NOON - timedelta(hours=hours), 1.0, 0, NOON - timedelta(hours=9)) for hours in (1, 2, 3)])
    farm.connection.execute(
        "UPDATE metrics SET inserted_at = %s WHERE ts = %s", (inserted_at, NOON - timedelta(hours=2))
    )
    farm.backfill(2)
    if altered:
        farm.connection.execute("UPDATE metrics SET value = 2 WHERE ts = %s", (NOON - timedelta(hours=3),))
    found = farm.differing_rows()
    assert found == farm.all_differing_rows()
    assert [row[2] for row in found] == ["changed_value"] * altered


@pytest.mark.parametrize(
    "sensor", ["two\nlines", "NaN", "NULL", "\\N", "''", '"', ",", "ünïcödé-ü", "true", "1e5", "\r"]
)
def test_every_sensor_id_that_postgres_takes_is_compared_as_it_is(sensor: str, farm: Farm) -> None:
    farm.ingest(
        [(sensor, NOON - timedelta(hours=hours), 1.0, 0, NOON - timedelta(hours=9)) for hours in range(1, 6)]
    )
    farm.backfill(2)
    assert {row.sensor_id for row in farm.digest_days()} == {sensor}
    assert farm.differing_days() == set()
    assert farm.all_differing_rows() == set()
    farm.connection.execute("UPDATE metrics SET value = 2 WHERE ts = %s", (NOON - timedelta(hours=3),))
    assert {(row[0], row[2]) for row in farm.differing_rows()} == {(sensor, "changed_value")}
