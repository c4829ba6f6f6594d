"""Row comparison, against a naive comparison of Python sets."""

import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.builders import DAY, SECOND, keys_table, rows_table
from tsse_validation.parity.comparing import DayComparison, DayFiles, diff_rows

pytestmark = pytest.mark.usefixtures("_one_duckdb")
AT = datetime(2026, 1, 24, 12, 0, 0, tzinfo=UTC)
FILES = DayFiles({"03": 1})
NO_COPIES = keys_table([])
OTHER_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_00AB))[0]
NEGATIVE_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0000))[0]

Key = tuple[str, datetime]
Version = tuple[float | None, int | None, datetime | None]

VALUES = st.sampled_from(
    [0.0, -0.0, math.nan, OTHER_NAN, NEGATIVE_NAN, math.inf, -math.inf, 1.5, math.nextafter(1.5, 2), 5e-324]
)
LAKE_VALUES = VALUES | st.none()
QUALITIES = st.sampled_from([None, 0, 1, -1])
STAMPS = st.sampled_from([None, AT, AT + SECOND])
KEYS = st.tuples(
    st.sampled_from(["a", "b", "ü", "", 'q"uote,']),
    st.integers(-2, 2).map(lambda micros: AT + timedelta(microseconds=micros)),
)
POSTGRES = st.dictionaries(KEYS, st.tuples(VALUES, QUALITIES, STAMPS), max_size=6)
LAKE = st.dictionaries(KEYS, st.tuples(LAKE_VALUES, QUALITIES, STAMPS), max_size=6)


def compare(postgres: dict[Key, Any], lake: dict[Key, Any], not_due: set[Key] | None = None) -> DayComparison:
    def table(rows: dict[Key, Any]) -> Any:
        return rows_table([(*key, *version) for key, version in rows.items()])

    return diff_rows(DAY, table(postgres), table(lake), keys_table(sorted(not_due or set())), NO_COPIES, FILES)


def found(comparison: DayComparison) -> dict[Key, str]:
    columns = comparison.differences.select(["sensor_id", "ts", "kind"]).to_pydict()
    keys = zip(columns["sensor_id"], [ts.replace(tzinfo=UTC) for ts in columns["ts"]], strict=True)
    differences = dict(zip(keys, columns["kind"], strict=True))
    assert len(differences) == comparison.differences.num_rows
    return differences


def bits(value: float | None) -> object:
    if value is None:
        return None
    return "nan" if math.isnan(value) else struct.pack("<d", value)


def naive(postgres: dict[Key, Version], lake: dict[Key, Version], not_due: set[Key]) -> dict[Key, str]:
    kept = {key: version for key, version in lake.items() if key not in not_due}
    differences = dict.fromkeys(postgres.keys() - kept.keys(), "missing")
    differences |= dict.fromkeys(kept.keys() - postgres.keys(), "extra")
    for key in postgres.keys() & kept.keys():
        if bits(postgres[key][0]) != bits(kept[key][0]):
            differences[key] = "changed_value"
        elif postgres[key][1] != kept[key][1]:
            differences[key] = "changed_quality"
    return differences


@settings(max_examples=settings().max_examples * 3 // 2)
@given(POSTGRES, LAKE, st.sets(KEYS, max_size=3))
@example({("a", AT): (1.5, 0, AT)}, {("a", AT): (None, 0, AT)}, set())
@example({("a", AT): (math.nan, 0, AT)}, {("a", AT): (None, 0, AT)}, set())
def test_the_differences_are_those_of_a_naive_comparison(
    postgres: dict[Key, Version], lake: dict[Key, Version], not_due: set[Key]
) -> None:
    postgres = {key: version for key, version in postgres.items() if key not in not_due}
    comparison = compare(postgres, lake, not_due)
    assert found(comparison) == naive(postgres, lake, not_due)
    assert comparison.rows == len(postgres)
    assert dict(comparison.due) == {
        sensor: sum(key[0] == sensor for key in postgres) for sensor in {key[0] for key in postgres}
    }


@given(POSTGRES)
def test_a_side_compared_with_itself_never_differs(rows: dict[Key, Version]) -> None:
    assert compare(rows, rows).differences.num_rows == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (math.nan, math.nan, True),
        (math.nan, OTHER_NAN, True),
        (math.nan, NEGATIVE_NAN, True),
        (0.0, -0.0, False),
        (-0.0, -0.0, True),
        (math.inf, -math.inf, False),
        (1.5, math.nextafter(1.5, 2), False),
        (math.nan, None, False),
        (1.5, None, False),
        (math.nan, 0.0, False),
    ],
)
def test_values_are_compared_by_their_bits(ours: float, theirs: float | None, same: bool) -> None:
    comparison = compare({("a", AT): (ours, 0, AT)}, {("a", AT): (theirs, 0, AT)})
    assert found(comparison) == ({} if same else {("a", AT): "changed_value"})


@pytest.mark.parametrize(("ours", "theirs"), [(0, None), (None, 0), (0, 1)])
def test_a_quality_that_differs_is_told_when_the_value_is_the_same(ours: int | None, theirs: int | None) -> None:
    comparison = compare({("a", AT): (1.0, ours, AT)}, {("a", AT): (1.0, theirs, AT)})
    assert found(comparison) == {("a", AT): "changed_quality"}


def test_a_quality_that_is_null_on_both_sides_is_the_same() -> None:
    assert found(compare({("a", AT): (1.0, None, AT)}, {("a", AT): (1.0, None, AT)})) == {}


@pytest.mark.parametrize(
    ("ours", "theirs", "stale"),
    [(AT + SECOND, AT, True), (AT, AT, False), (AT, AT + SECOND, False), (AT, None, True), (None, AT, False)],
)
def test_a_row_is_stale_in_an_older_copy(ours: datetime | None, theirs: datetime | None, stale: bool) -> None:
    comparison = compare({("a", AT): (1.0, 0, ours)}, {("a", AT): (2.0, 0, theirs)})
    assert comparison.differences["stale"].to_pylist() == [stale]


def test_an_insertion_time_that_differs_alone_is_no_difference() -> None:
    assert found(compare({("a", AT): (1.0, 0, AT)}, {("a", AT): (1.0, 0, None)})) == {}


def test_both_versions_of_a_changed_row_are_shown() -> None:
    comparison = compare({("a", AT): (1.0, 0, AT)}, {("a", AT): (2.0, 1, AT + SECOND)})
    (row,) = comparison.differences.to_pylist()
    assert (row["pg_value"], row["pg_quality"], row["lake_value"], row["lake_quality"]) == (1.0, 0, 2.0, 1)
    assert row["lake_inserted_at"] - row["pg_inserted_at"] == SECOND


def test_both_versions_of_a_changed_row_are_shown_to_the_bit() -> None:
    """A sort by the values would show −0.0 as 0.0: the row would look the same on both sides."""
    ours = {("a", AT): (-0.0, 0, AT), ("b", AT): (0.0, 0, AT), ("c", AT): (-0.0, 0, AT)}
    theirs = {("a", AT): (0.0, 0, AT), ("b", AT): (-0.0, 0, AT)}
    shown = compare(ours, theirs).differences.to_pylist()
    assert [(row["sensor_id"], str(row["pg_value"]), str(row["lake_value"])) for row in shown] == [
        ("a", "-0.0", "0.0"),
        ("b", "0.0", "-0.0"),
        ("c", "-0.0", "None"),
    ]


def test_what_is_not_due_counts_on_neither_side() -> None:
    key = ("a", AT)
    comparison = compare({}, {key: (2.0, 0, AT)}, {key})
    assert found(comparison) == {}
    assert comparison.rows == 0


def test_two_empty_sides_are_compared_and_prove_nothing() -> None:
    comparison = compare({}, {})
    assert (comparison.rows, dict(comparison.due), comparison.differences.num_rows) == (0, {}, 0)
    assert comparison.files == FILES
