"""Digests of both sides side by side, against the plainest way to do it."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import keys_table
from tsse_validation.domain.digest import DIGEST_SCHEMA
from tsse_validation.parity.comparing import compare_digests
from tsse_validation.runlog.records import CountRow

SensorDay = tuple[str, date]
Digests = dict[SensorDay, tuple[int, int]]

NEW_YEAR = date(2026, 1, 1)
SENSOR_DAYS = st.tuples(
    st.sampled_from(["a", "B", "ä", "\U0001f600", ""]),
    st.integers(-2, 2).map(lambda days: NEW_YEAR + timedelta(days=days)) | st.sampled_from([date.min, date.max]),
)
DIGESTS = st.dictionaries(SENSOR_DAYS, st.tuples(st.integers(1, 3), st.sampled_from([0, 1, 2**63, 2**64 - 1])))
KEYS = st.lists(SENSOR_DAYS, max_size=8)


def table_of(digests: Digests) -> pa.Table:
    rows = [
        {"sensor_id": sensor, "day": day, "rows": rows, "digest": digest}
        for (sensor, day), (rows, digest) in digests.items()
    ]
    return pa.Table.from_pylist(rows, schema=DIGEST_SCHEMA)


def keys_of(sensor_days: list[SensorDay]) -> pa.Table:
    return keys_table((sensor, datetime.combine(day, time(7), UTC)) for sensor, day in sensor_days)


@given(DIGESTS, DIGESTS, KEYS, KEYS)
def test_each_sensor_day_of_either_side_is_told_once_in_order_and_matches_where_both_are_alike(
    postgres: Digests, lake: Digests, not_due: list[SensorDay], pending: list[SensorDay]
) -> None:
    late, held = Counter(not_due), Counter(pending)
    assert compare_digests(table_of(postgres), table_of(lake), keys_of(not_due), keys_of(pending)) == [
        CountRow(
            *key,
            postgres.get(key, (0, 0))[0],
            lake.get(key, (0, 0))[0],
            late[key],
            held[key],
            matches=postgres.get(key) == lake.get(key),
        )
        for key in sorted({*postgres, *lake, *late, *held})
    ]


@given(DIGESTS.filter(bool), st.booleans())
def test_a_sensor_day_that_stands_twice_on_a_side_is_no_answer(digests: Digests, on_the_left: bool) -> None:
    twice, none = pa.concat_tables([table_of(digests)] * 2), table_of({})
    with pytest.raises(ValueError, match="twice"):
        compare_digests(*((twice, none) if on_the_left else (none, twice)), keys_of([]), keys_of([]))
