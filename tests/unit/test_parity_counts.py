from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import DAY, count_row, run_started
from tsse_validation.clients.snapshot import DueCount
from tsse_validation.domain.instants import MICROSECOND, day_start
from tsse_validation.domain.windows import Window
from tsse_validation.parity.comparing import compare_counts, proven_days, sum_by_sensor
from tsse_validation.runlog.records import CountRow, CountsTaken, SettingValue
from tsse_validation.runlog.result import RunResult

SENSORS = st.sampled_from(["a", "b", "c", "forecast|0"])
NUMBERS = st.integers(0, 5)
POSTGRES = st.dictionaries(SENSORS, st.builds(DueCount, NUMBERS, NUMBERS))
LAKE = st.dictionaries(SENSORS, st.tuples(NUMBERS, NUMBERS).map(lambda pair: (max(pair), min(pair))))


def test_counts_stand_side_by_side_with_what_is_not_due_on_neither() -> None:
    rows = compare_counts(DAY, {"a": DueCount(10, 3)}, {"a": (12, 2)})
    assert rows == [CountRow("a", DAY, 10, 10, 3, 2, matches=True)]


def test_a_sensor_of_one_side_only_is_counted_zero_on_the_other() -> None:
    rows = compare_counts(None, {"a": DueCount(1, 0)}, {"b": (2, 0)})
    assert rows == [CountRow("a", None, 1, 0, 0, 0, matches=False), CountRow("b", None, 0, 2, 0, 0, matches=False)]


def test_a_pending_row_does_not_make_up_for_a_lost_one() -> None:
    (row,) = compare_counts(None, {"a": DueCount(10, 1)}, {"a": (10, 1)})
    assert (row.postgres, row.lake, row.matches) == (10, 9, False)


@given(POSTGRES, LAKE)
def test_each_sensor_has_one_row_in_order(postgres: dict[str, DueCount], lake: dict[str, tuple[int, int]]) -> None:
    rows = compare_counts(None, postgres, lake)
    assert [row.sensor_id for row in rows] == sorted(postgres.keys() | lake.keys())
    assert all(row.matches == (row.postgres == row.lake) for row in rows)
    assert sum(row.postgres for row in rows) == sum(count.due for count in postgres.values())
    assert sum(row.lake + row.pending for row in rows) == sum(keys for keys, _pending in lake.values())


# ---- the sum over days -----------------------------------------------------------------------------------------


def test_a_row_lost_on_one_day_and_one_doubled_on_another_do_not_make_a_sensor_whole() -> None:
    days = [count_row("a", 10, 9, day=DAY), count_row("a", 10, 11, day=DAY + timedelta(days=1))]
    (total,) = sum_by_sensor(days, [])
    assert (total.postgres, total.lake, total.matches) == (20, 20, False)


def test_a_sensor_without_any_row_stands_there_with_zeros() -> None:
    rows = sum_by_sensor([count_row("b", 1, 1, day=DAY)], ["c", "a", "b"])
    assert [(row.sensor_id, row.postgres, row.lake, row.matches) for row in rows] == [
        ("a", 0, 0, True),
        ("b", 1, 1, True),
        ("c", 0, 0, True),
    ]


DAY_ROWS = st.lists(
    st.builds(
        lambda sensor, offset, pg, lake, late: count_row(
            sensor, pg, lake, day=date(2026, 1, 1) + timedelta(days=offset), not_due=late
        ),
        SENSORS,
        st.integers(0, 3),
        NUMBERS,
        NUMBERS,
        NUMBERS,
    )
)


@given(DAY_ROWS, st.lists(SENSORS))
def test_the_sum_of_days_keeps_every_row_and_every_mismatch(days: list[CountRow], sensors: list[str]) -> None:
    totals = sum_by_sensor(days, sensors)
    assert [total.sensor_id for total in totals] == sorted({row.sensor_id for row in days} | set(sensors))
    for total in totals:
        of_sensor = [row for row in days if row.sensor_id == total.sensor_id]
        assert total.day is None
        assert total.postgres == sum(row.postgres for row in of_sensor)
        assert total.lake == sum(row.lake for row in of_sensor)
        assert total.not_due == sum(row.not_due for row in of_sensor)
        assert total.matches == all(row.matches for row in of_sensor)


# ---- what a run to be resumed has proven -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("displayed", "level", "proven"),
    [
        ("digest", None, True),
        ("rows", None, True),
        ("count", None, False),
        (None, None, False),
        ("count", "digest", True),
        (None, "rows", True),
        ("digest", "count", False),
    ],
)
def test_a_day_is_proven_by_its_own_level_and_without_one_by_that_of_the_settings(
    displayed: str | None, level: str | None, proven: bool
) -> None:
    shown = [SettingValue(name="level", value=displayed, source="default")] if displayed else []
    whole = Window(day_start(DAY), day_start(DAY) + timedelta(days=1) - MICROSECOND)
    row = count_row("a", 10, 10, day=DAY)
    taken = CountsTaken(source="direct", window=whole, level=level, rows=(row,))
    result = RunResult.from_records([run_started(settings=tuple(shown)), taken])
    assert proven_days(result) == ({DAY: [row]} if proven else {})
