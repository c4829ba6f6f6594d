"""The digest's own logic; that Postgres computes the same is tried where there is a Postgres."""

import math
import struct
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import Row, rows_table
from tsse_validation.domain.digest import (
    DIGEST_SCHEMA,
    SUM_TYPE,
    add_digests,
    digest_days,
    hash_float8,
    modulo_64_bits,
    row_hashes,
)

MIDNIGHT = datetime(2026, 1, 24, tzinfo=UTC)
OTHER_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_00AB))[0]
VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 5e-324])
KEYS = st.tuples(
    st.sampled_from(["a", "b", "ü"]), st.integers(-3, 3).map(lambda n: MIDNIGHT + timedelta(microseconds=n))
)
ROWS = st.dictionaries(KEYS, st.tuples(VALUES, st.sampled_from([None, 0, 1, -1]), st.none()), max_size=8).map(
    lambda rows: [(*key, *version) for key, version in rows.items()]
)


def digests(rows: Sequence[Row]) -> dict[tuple[str, object], Any]:
    table = digest_days(rows_table(rows))
    assert table.schema == DIGEST_SCHEMA
    return {(row["sensor_id"], row["day"]): row for row in table.to_pylist()}


def digest(value: float | None = 1.0, quality: int | None = 0, micros: int = 0) -> int:
    (row,) = digests([("a", MIDNIGHT + timedelta(microseconds=micros), value, quality, None)]).values()
    return int(row["digest"])


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows: list[Row], random: Any) -> None:
    shuffled = rows[:]
    random.shuffle(shuffled)
    assert digests(shuffled) == digests(rows)


@given(ROWS, st.integers(0, 8))
def test_digests_of_parts_add_up_to_the_digest_of_all(rows: list[Row], cut: int) -> None:
    parts = [digest_days(rows_table(part)) for part in (rows[:cut], rows[cut:])]
    added = {(row["sensor_id"], row["day"]): row for row in add_digests(parts).to_pylist()}
    assert added == digests(rows)


@given(ROWS)
def test_the_rows_of_each_sensor_and_day_are_counted(rows: list[Row]) -> None:
    found = {key: of_day["rows"] for key, of_day in digests(rows).items()}
    assert found == Counter((row[0], row[1].date()) for row in rows)


@given(st.lists(st.integers(0, 2**20), min_size=2, max_size=6, unique=True), st.data())
def test_a_sign_that_moves_from_a_zero_to_another_changes_the_digest(
    micros: list[int], data: st.DataObject
) -> None:
    def zeros(negative: set[int]) -> list[Row]:
        return [
            ("a", MIDNIGHT + timedelta(microseconds=number), -0.0 if number in negative else 0.0, 0, None)
            for number in micros
        ]

    one, other = (data.draw(st.sets(st.sampled_from(micros))) for _ in range(2))
    assert (digests(zeros(one)) == digests(zeros(other))) == (one == other)


@given(st.lists(st.integers(-(10**38) + 1, 10**38 - 1), max_size=5), st.integers(0, 5), st.integers(0, 5))
def test_a_sum_is_taken_modulo_64_bits_whatever_its_sign(sums: list[int], begin: int, length: int) -> None:
    table = pa.chunked_array(
        [pa.array([Decimal(one) for one in part], SUM_TYPE).slice(begin, length) for part in (sums, sums[::-1])]
    )
    wanted = [one % 2**64 for part in (sums, sums[::-1]) for one in part[begin : begin + length]]
    assert modulo_64_bits(table).to_pylist() == wanted


@given(ROWS, st.data())
def test_a_row_that_is_lost_doubled_or_changed_changes_the_digest(rows: list[Row], data: st.DataObject) -> None:
    if not rows:
        return
    sensor, ts, value, quality, at = row = data.draw(st.sampled_from(rows))
    others = [other for other in rows if other is not row]
    before = digests(rows)[sensor, ts.date()]["digest"]
    for changed in ([], [row, row], [(sensor, ts, 7.5, quality, at)], [(sensor, ts, value, 7, at)]):
        found = digests([*others, *changed]).get((sensor, ts.date()))
        assert found is None or found["digest"] != before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        (1.0, math.nextafter(1.0, 2.0)),
        (math.inf, -math.inf),
        (math.nan, math.inf),
        (math.nan, None),
        (0.0, None),
    ],
)
def test_values_that_differ_in_a_bit_have_other_digests(one: float, other: float | None) -> None:
    assert digest(one) != digest(other)


# what PostgreSQL 17 gives for hashfloat8extended(value, seed), taken modulo 2⁶⁴
POSTGRES_HASHES = [
    (0.0, 0, 0),
    (-0.0, 1, 1),
    (1.0, 0, 4_033_440_226_552_636_220),
    (1.0, 1, 13_275_437_362_928_385_492),
    (1.0, 2**64 - 1, 2_963_906_028_543_945_686),
    (-1.0, 2**32, 16_411_876_216_208_436_338),
    (0.1, 0, 14_267_410_499_473_467_953),
    (0.1, 0x0123_4567_89AB_CDEF, 2_155_376_186_205_079_090),
    (1e308, 6_076_291_041_880_604_672, 2_337_224_271_938_281_511),
    (math.inf, 0, 13_472_832_051_981_421_762),
    (-math.inf, 1, 17_849_825_535_483_094_056),
    (math.nan, 0, 4_719_788_943_832_604_568),
    (OTHER_NAN, 0x0123_4567_89AB_CDEF, 17_705_385_147_113_691_960),
    (5e-324, 2**64 - 1, 83_009_847_301_165_024),
]


def test_a_float_has_the_hash_that_postgres_gives_it() -> None:
    values, seeds, hashes = zip(*POSTGRES_HASHES, strict=True)
    found = hash_float8(np.array(values), np.array(seeds, dtype=np.uint64))
    assert found.tolist() == list(hashes)
    for value, seed, wanted in POSTGRES_HASHES:
        assert hash_float8(np.array([value]), np.array([seed], dtype=np.uint64)).tolist() == [wanted]


# the same of DIGEST_SQL for a row alone, but for the second: a NULL of the lake, equal to none of Postgres
LATE = datetime(2026, 1, 24, 12, 34, 56, 789_012, tzinfo=UTC)
POSTGRES_ROW_HASHES = [
    (LATE, 21.5, 0, 10_689_048_688_902_245_956),
    (LATE, -273.15, None, 4_546_194_582_528_061_635),
    (MIDNIGHT, 0.0, 1, 7_885_347_557_447_121_833),
    (MIDNIGHT, -0.0, 1, 9_706_255_935_855_183_972),
    (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), math.nan, -32_768, 12_124_950_242_217_540_938),
    (datetime(2200, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), math.inf, 32_767, 7_886_526_390_249_962_924),
]


def test_a_row_has_the_hash_that_postgres_gives_it() -> None:
    rows = rows_table([("a", ts, value, quality, None) for ts, value, quality, _ in POSTGRES_ROW_HASHES])
    assert row_hashes(rows).tolist() == [wanted for *_, wanted in POSTGRES_ROW_HASHES]


def test_a_row_without_a_value_changes_no_other_rows_hash() -> None:
    ts, value, quality, wanted = POSTGRES_ROW_HASHES[0]
    beside = row_hashes(rows_table([("a", ts, value, quality, None), ("b", ts, None, quality, None)]))
    assert beside[0] == wanted
    assert beside[1] != wanted


def test_every_nan_is_one_nan() -> None:
    assert digest(math.nan) == digest(OTHER_NAN)


def test_null_is_a_quality_of_its_own_and_a_microsecond_another_row() -> None:
    found = {digest(quality=quality) for quality in (None, 0, 1, -1, 32_767, -32_768)}
    assert len(found) == 6
    assert digest(micros=0) != digest(micros=1)


def test_without_hashes_only_counts_are_told() -> None:
    table = digest_days(rows_table([("a", MIDNIGHT, 1.0, 0, None)]), hashed=False)
    assert (table["digest"].to_pylist(), table["rows"].to_pylist()) == ([0], [1])


def test_no_rows_have_no_digest() -> None:
    assert digest_days(rows_table([])).num_rows == 0
    assert add_digests([]).schema == DIGEST_SCHEMA
