"""What a day's differing rows have in common is told for all of them, the lone row of a sparse sensor too."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.support.builders import DAY, Row, keys_table, rows_table
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.lake.shards import shard_of
from tsse_validation.parity.comparing import DayFiles, diff_rows
from tsse_validation.runlog.records import Finding, RowDifference

pytestmark = pytest.mark.usefixtures("_one_duckdb")
SHARDS = 16
DENSE, SPARSE = "006298880cd2dbb66247fdc3", "forecast_temp_01"
AT = datetime(2026, 1, 24, 6, 0, 0, 294_394, tzinfo=UTC)
HOUR = timedelta(hours=1)
NO_KEYS = keys_table([])
Change = Callable[[float], float | None]


def day_of(
    sensor: str, rows: int, values: Sequence[float] = (150.94, 153.18, 158.04, 49.74261653370619)
) -> list[Row]:
    return [(sensor, AT + number * HOUR, values[number % len(values)], 0, AT) for number in range(rows)]


def triaged(postgres: Sequence[Row], lake: Sequence[Row]) -> tuple[dict[str, Finding], list[RowDifference]]:
    shards = {shard_of(row[0], SHARDS): 1 for row in lake}
    triage = RowTriage(SHARDS, most_shown=100)
    triage.add(diff_rows(DAY, rows_table(postgres), rows_table(lake), NO_KEYS, NO_KEYS, DayFiles(shards)))
    return {finding.diagnosis: finding for finding in triage.findings()}, triage.shown


def told(postgres: Sequence[Row], lake: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """Return how many rows of how many sensors each diagnosis has."""
    found, _ = triaged(postgres, lake)
    return {diagnosis: (finding.rows, len(finding.sensors)) for diagnosis, finding in found.items()}


def with_values(rows: Sequence[Row], change: Change) -> list[Row]:
    return [(*row[:2], change(math.nan if row[2] is None else row[2]), *row[3:]) for row in rows]


def with_ts(rows: Sequence[Row], change: Callable[[datetime], datetime]) -> list[Row]:
    return [(sensor, change(ts), value, quality, inserted) for sensor, ts, value, quality, inserted in rows]


def to_single(value: float) -> float:
    return float(np.float32(value))


def to_milli(ts: datetime) -> datetime:
    return ts.replace(microsecond=ts.microsecond // 1000 * 1000)


ALIKE = [
    pytest.param(lambda rows: with_values(rows, to_single), "values rounded", 1, id="float32"),
    pytest.param(
        lambda rows: with_values(rows, lambda value: round(value, 1)), "values rounded", 1, id="one decimal"
    ),
    pytest.param(lambda rows: with_ts(rows, to_milli), "timestamps rounded", 2, id="milliseconds"),
    pytest.param(lambda rows: with_ts(rows, lambda ts: ts + HOUR / 2), "timestamps shifted", 2, id="shifted"),
]


@pytest.mark.parametrize(("change", "diagnosis", "sides"), ALIKE)
def test_a_lone_row_is_told_by_the_pattern_that_others_show(
    change: Callable[[Sequence[Row]], list[Row]], diagnosis: str, sides: int
) -> None:
    rows = [*day_of(DENSE, 4), *day_of(SPARSE, 1)]
    assert told(rows, change(rows)) == {diagnosis: (5 * sides, 2)}


@pytest.mark.parametrize("lone_first", [True, False])
@pytest.mark.parametrize(("change", "diagnosis", "sides"), ALIKE)
def test_a_lone_row_of_a_day_by_itself_is_told_by_the_pattern_of_other_days(
    change: Callable[[Sequence[Row]], list[Row]], diagnosis: str, sides: int, lone_first: bool
) -> None:
    triage = RowTriage(SHARDS, most_shown=100)
    days = [day_of(SPARSE, 1), day_of(DENSE, 4)]
    for number, rows in enumerate(days if lone_first else days[::-1]):
        sides_of = rows_table(rows), rows_table(change(rows))
        files = DayFiles({shard_of(rows[0][0], SHARDS): 1})
        triage.add(diff_rows(DAY + timedelta(days=number), *sides_of, NO_KEYS, NO_KEYS, files))
    (finding,) = triage.findings()
    assert (finding.diagnosis, finding.rows, len(finding.days)) == (diagnosis, 5 * sides, 2)
    assert [row.diagnosis for row in triage.shown] == [diagnosis] * 5 * sides


@pytest.mark.parametrize(("change", "diagnosis", "sides"), ALIKE)
def test_a_lone_row_is_told_by_its_kind_where_no_other_shows_a_pattern(
    change: Callable[[Sequence[Row]], list[Row]], diagnosis: str, sides: int
) -> None:
    rows = day_of(SPARSE, 1)
    assert diagnosis not in told(rows, change(rows))
    assert sum(rows for rows, _ in told(rows, change(rows)).values()) == sides


def test_rows_that_are_told_by_others_count_towards_what_is_told_first_of_a_finding() -> None:
    third, seventh = 1 / 3, 1 / 7
    singles = [
        *day_of("in single", 2, [third, seventh]),
        *day_of("lone", 1, [third]),
        *day_of("lone too", 1, [third]),
    ]
    tenths = day_of("in tenths", 3, [third, seventh, 2 / 7])
    lake = [*with_values(singles, to_single), *with_values(tenths, lambda value: round(value, 1))]
    found, _ = triaged([*singles, *tenths], lake)
    assert [finding.summary for finding in found.values()] == [
        f"7 rows of 4 sensors on {DAY}, to single precision, to 1 decimals"
    ]


def test_a_lone_row_that_does_not_fit_the_pattern_of_others_is_told_by_its_kind() -> None:
    rows = [*day_of(DENSE, 4), *day_of(SPARSE, 1)]
    lake = [*with_values(rows[:4], to_single), *with_values(rows[4:], lambda value: value + 1)]
    assert told(rows, lake) == {"values rounded": (4, 1), "changed in place": (1, 1)}


@pytest.mark.parametrize(("first", "diagnosis"), [(True, "day head lost"), (False, "day tail lost")])
def test_the_lone_row_of_a_lost_head_or_tail_is_told_with_the_rest_of_its_day(first: bool, diagnosis: str) -> None:
    dense, sparse = day_of(DENSE, 8), [day_of(SPARSE, 8)[0], day_of(SPARSE, 8)[-1]]
    lake = [*dense[4:], sparse[1]] if first else [*dense[:4], sparse[0]]
    assert told([*dense, *sparse], lake) == {diagnosis: (5, 2)}


def test_a_row_that_is_missing_alone_at_the_edge_of_its_day_is_no_lost_head() -> None:
    sparse = day_of(SPARSE, 2)
    assert told(sparse, sparse[1:]) == {"rows missing": (1, 1)}


@pytest.mark.parametrize("tie", [173.45, 0.25, 0.35, 2.5, -0.05])
@pytest.mark.parametrize("up", [True, False])
def test_a_tie_may_be_rounded_either_way(tie: float, up: bool) -> None:
    """Arrow, NumPy and Postgres differ in where half of a unit goes."""
    decimals = 0 if tie == 2.5 else 1
    unit = 10**-decimals
    to = round((math.ceil if up else math.floor)(tie / unit) * unit, decimals)
    rows = day_of(DENSE, 2, [tie, 1.26])
    lake = [*with_values(rows[:1], lambda _: to), *with_values(rows[1:], lambda value: round(value, decimals))]
    assert told(rows, lake) == {"values rounded": (2, 1)}


def test_a_tie_is_rounded_across_a_power_of_two_too() -> None:
    """The doubles lie further apart above 2**-13: what is added up there errs by more than those below."""
    assert 0.00012205 < 2**-13 < 0.0001221
    rows = day_of(DENSE, 2, [0.00012205, 1 / 3])
    lake = [*with_values(rows[:1], lambda _: 0.0001221), *with_values(rows[1:], lambda value: round(value, 7))]
    assert told(rows, lake) == {"values rounded": (2, 1)}


@pytest.mark.parametrize("value", [1.5, 20.123, 4e6 + 1 / 3, 1e15 + 0.3, 5e-324])
def test_an_ulp_is_no_rounding(value: float) -> None:
    rows = day_of(DENSE, 4, [value])
    lake = with_values(rows, lambda given: math.nextafter(given, math.inf))
    assert told(rows, lake) == {"changed in place": (4, 1)}


def test_the_sign_of_a_zero_is_told_and_both_signs_are_shown() -> None:
    """DuckDB's sort gives back 0.0 for −0.0, which made two such rows each other's value."""
    rows = day_of(DENSE, 3, [-0.0])
    found, shown = triaged(rows, with_values(rows, lambda value: value + 0.0))
    assert list(found) == ["changed in place"]
    assert found["changed in place"].summary.endswith(f"on {DAY}, the sign of a zero")
    assert [(row.postgres and row.postgres.value, row.lake and row.lake.value) for row in shown] == [
        ("-0.0", "0.0")
    ] * 3


def test_zeros_that_have_each_others_sign_are_told_as_swapped() -> None:
    rows = day_of(DENSE, 2, [-0.0, 0.0])
    assert told(rows, with_values(rows, lambda value: -value)) == {"values swapped": (2, 1)}


def test_a_value_that_is_null_in_the_lake_is_told_so() -> None:
    rows = day_of(DENSE, 2, [math.nan])
    found, _ = triaged(rows, with_values(rows, lambda _: None))
    assert list(found) == ["changed in place"]
    assert "NULL in the lake" in found["changed in place"].summary


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (" pump 7 ", "pump 7"),
        ("Pump-7", "pump-7"),
        ("forecast_temp_01_of_the_north", "forecast_temp_01_of_the_"),
        ("P", "p"),
        ("pumpe-su\u0308d-1", "pumpe-s\u00fcd-1"),
    ],
)
def test_rows_under_an_altered_sensor_id_are_told_so_whatever_shard_that_is_in(ours: str, theirs: str) -> None:
    rows = day_of(ours, 3)
    found, _ = triaged(rows, [(theirs, *row[1:]) for row in rows])
    assert [(finding.diagnosis, finding.rows) for finding in found.values()] == [("sensor id altered", 6)]
    assert f"“{ours}” as “{theirs}”" in found["sensor id altered"].summary
    assert not found["sensor id altered"].heals_by_backfill


def test_another_sensors_rows_of_the_same_time_are_no_altered_id() -> None:
    rows = day_of("pump 7", 2)
    lake = [("valve 3", *row[1:]) for row in rows]
    assert set(told(rows, lake)) == {"shard missing", "deleted in Postgres"}


def test_rows_of_a_like_id_with_other_values_are_no_altered_id() -> None:
    rows = day_of(" pump 7 ", 2)
    lake = with_values([("pump 7", *row[1:]) for row in rows], lambda value: value + 1)
    assert set(told(rows, lake)) == {"shard missing", "deleted in Postgres"}
