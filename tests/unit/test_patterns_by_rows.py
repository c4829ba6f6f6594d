"""What the differing rows of a sensor-day have in common, told from the rows of both sides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.diagnosis.patterns import Row, RowDiagnosis, tell
from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.parity.comparing import Kept

SENSOR = "a"
BEGIN = datetime(2026, 1, 24, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)

Version = tuple[float | None, int | None]
Side = Mapping[datetime, Version]

MISSING = RowDiagnosis("rows missing")
EXTRA = RowDiagnosis("deleted in Postgres")
CHANGED = RowDiagnosis("changed in place")


def told(
    postgres: Side,
    lake: Side,
    *,
    newer: frozenset[datetime] = frozenset(),
    twice: frozenset[datetime] = frozenset(),
) -> dict[tuple[str, datetime], RowDiagnosis]:
    """Return what is told of each differing row, by its kind and time.

    `newer` are rows that were inserted anew in Postgres, `twice` those that stand twice in the lake.
    """
    rows = [*differing(postgres, lake, newer), *(a_row("duplicate", ts, lake[ts], lake[ts]) for ts in twice)]
    both = sorted(naive(ts) for ts in postgres.keys() & lake.keys())
    found = tell_plain(rows, {SENSOR: Kept(both[0], both[-1])} if both else {})
    assert sorted(map(str, rows)) == sorted(str(row) for row, _ in found), "each row is told, and once"
    return {(row["kind"], row["ts"].replace(tzinfo=UTC)): what for row, what in found}


def tell_plain(rows: Sequence[Row], kept: Mapping[str, Kept]) -> list[tuple[Row, RowDiagnosis]]:
    """Return what is told of each row, without what it fits too."""
    return [(row, replace(what, alike=())) for row, what in tell(rows, kept)]


def differing(postgres: Side, lake: Side, newer: frozenset[datetime] = frozenset()) -> list[Row]:
    rows = []
    for ts in sorted(postgres.keys() | lake.keys()):
        ours, theirs = postgres.get(ts), lake.get(ts)
        if repr(ours) == repr(theirs):
            continue
        if ours is None or theirs is None:
            rows.append(a_row("extra" if ours is None else "missing", ts, ours, theirs))
        else:
            kind = "changed_quality" if repr(ours[0]) == repr(theirs[0]) else "changed_value"
            rows.append(a_row(kind, ts, ours, theirs, stale=ts in newer))
    return rows


def a_row(kind: str, ts: datetime, ours: Version | None, theirs: Version | None, *, stale: bool = False) -> Row:
    pg, in_lake = ours or (None, None), theirs or (None, None)
    return {
        "sensor_id": SENSOR,
        "kind": kind,
        "ts": naive(ts),
        "stale": stale,
        "pg_value": pg[0],
        "pg_quality": pg[1],
        "lake_value": in_lake[0],
        "lake_quality": in_lake[1],
    }


def naive(ts: datetime) -> datetime:
    return ts.replace(tzinfo=None)


def grid(count: int, step: timedelta = HOUR, begin: datetime = BEGIN) -> dict[datetime, Version]:
    """Return rows of different values at equal distances."""
    return {begin + n * step: (20.0 + n / 8, 0) for n in range(count)}


def moved(side: Side, by: timedelta) -> dict[datetime, Version]:
    return {ts + by: of for ts, of in side.items()}


def without(side: Side, *numbers: int) -> dict[datetime, Version]:
    return {ts: of for n, (ts, of) in enumerate(side.items()) if n not in numbers}


def all_as(kind: str, side: Side, what: RowDiagnosis) -> dict[tuple[str, datetime], RowDiagnosis]:
    return dict.fromkeys(((kind, ts) for ts in side), what)


# ---- rows by themselves ----------------------------------------------------------------------------------------


def test_what_is_the_same_on_both_sides_is_not_told() -> None:
    assert told(grid(5), grid(5)) == {}


def test_a_row_alone_is_told_by_its_kind() -> None:
    side = grid(3)
    first, middle, last = side
    changed = {**side, middle: (99.0, 0)}
    assert told(side, without(side, 0)) == {("missing", first): MISSING}
    assert told(side, without(side, 2)) == {("missing", last): MISSING}
    assert told(without(side, 1), side) == {("extra", middle): EXTRA}
    assert told(side, changed) == {("changed_value", middle): CHANGED}
    assert told(side, changed, newer=frozenset({middle})) == {
        ("changed_value", middle): RowDiagnosis("stale value")
    }


def test_a_quality_that_differs_is_told_as_such_or_as_stale() -> None:
    side = grid(2)
    first, last = side
    other = {ts: (value, 1) for ts, (value, _) in side.items()}
    assert told(side, other, newer=frozenset({last})) == {
        ("changed_quality", first): RowDiagnosis("quality differs"),
        ("changed_quality", last): RowDiagnosis("stale value"),
    }


def test_rows_that_stand_twice_in_the_lake_are_told_beside_others() -> None:
    side = grid(4)
    first, second, *_ = side
    found = told(side, without(side, 1), twice=frozenset({first}))
    assert found == {("duplicate", first): RowDiagnosis("duplicate rows"), ("missing", second): MISSING}


# ---- lost up to a time, or from one on -------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [2, 3])
def test_rows_that_are_missing_up_to_a_time_are_the_lost_head_of_the_day(lost: int) -> None:
    side = grid(6)
    found = told(side, without(side, *range(lost)))
    assert set(found.values()) == {RowDiagnosis("day head lost", f"nothing before 0{lost}:00:00")}
    assert len(found) == lost


@pytest.mark.parametrize("lost", [2, 3])
def test_rows_that_are_missing_from_a_time_on_are_the_lost_tail_of_the_day(lost: int) -> None:
    side = grid(6)
    found = told(side, without(side, *range(6 - lost, 6)))
    assert set(found.values()) == {RowDiagnosis("day tail lost", f"nothing after 0{5 - lost}:00:00")}
    assert len(found) == lost


def test_rows_that_are_missing_at_both_ends_or_within_are_just_missing() -> None:
    side = grid(6)
    for lost in ((0, 5), (0, 1, 5), (0, 4, 5), (2, 3), (0, 2), (3, 5)):
        assert set(told(side, without(side, *lost)).values()) == {MISSING}


def test_where_no_row_is_on_both_sides_nothing_is_a_head_or_a_tail() -> None:
    assert set(told(grid(4), {}).values()) == {MISSING}


# ---- at other times --------------------------------------------------------------------------------------------

UNITS = [(MILLISECOND, "millisecond"), (SECOND, "second"), (MINUTE, "minute")]


def jittered(unit: timedelta, count: int = 5) -> dict[datetime, Version]:
    """Return rows that lie a third of a unit behind a whole one."""
    return grid(count, step=7 * unit, begin=BEGIN + unit // 3)


@pytest.mark.parametrize(("unit", "name"), UNITS)
@pytest.mark.parametrize("up", [False, True])
def test_rows_at_rounded_times_are_told_with_unit_on_both_sides(unit: timedelta, name: str, *, up: bool) -> None:
    side = jittered(unit)
    # another value each, so that it is no shift
    rounded = {ts - unit // 3 + up * unit: (value, 1) for ts, (value, _) in side.items()}
    what = RowDiagnosis("timestamps rounded", f"to the {name}")
    assert told(side, rounded) == all_as("missing", side, what) | all_as("extra", rounded, what)


def test_rows_that_are_told_as_rounded_need_not_be_all_but_most() -> None:
    side = jittered(MINUTE)
    rounded = [(ts - MINUTE // 3, (value, 1)) for ts, (value, _) in side.items()]
    what = RowDiagnosis("timestamps rounded", "to the minute")
    three = told(side, dict(rounded[:3]))
    assert [three["missing", ts] for ts in side] == [what] * 3 + [MISSING] * 2
    assert [three["extra", ts] for ts, _ in rounded[:3]] == [what] * 3
    two = told(side, dict(rounded[:2]))
    assert set(two.values()) == {MISSING, EXTRA}


def test_one_row_alone_is_not_told_as_rounded() -> None:
    side = jittered(SECOND, 1)
    assert set(told(side, {BEGIN: (99.0, 0)}).values()) == {MISSING, EXTRA}
    two = jittered(SECOND, 2)
    assert set(told(two, {ts - SECOND // 3: (99.0, 0) for ts in two}).values()) == {
        RowDiagnosis("timestamps rounded", "to the second")
    }


@pytest.mark.parametrize(("unit", "name"), UNITS)
def test_one_row_of_the_lake_at_a_whole_unit_does_not_tell_several_as_rounded(unit: timedelta, name: str) -> None:
    side = {BEGIN + n * unit / 8: (20.0 + n, 0) for n in (1, 2, 4, 9, 11)}
    one = told(side, {BEGIN: (99.0, 0)})
    assert set(one.values()) == {MISSING, EXTRA}
    two = told(side, {BEGIN: (99.0, 0), BEGIN + unit: (99.0, 0)})
    assert set(two.values()) == {RowDiagnosis("timestamps rounded", f"to the {name}")}


def test_what_a_lone_row_fits_too_is_told_once_however_many_could_have_become_it() -> None:
    side = {BEGIN + n * SECOND / 8: (20.0 + n, 0) for n in (1, 2, 3)}
    found = tell(differing(side, {BEGIN: (99.0, 0)}), {})
    alike = (
        RowDiagnosis("timestamps rounded", "to the second"),
        RowDiagnosis("timestamps rounded", "to the minute"),
    )
    assert {what for _, what in found} == {replace(MISSING, alike=alike), replace(EXTRA, alike=alike)}


def test_a_row_at_a_whole_second_was_not_rounded_to_the_next() -> None:
    side = grid(3, step=5 * SECOND)
    assert set(told(side, {ts + SECOND: (99.0, 0) for ts in side}).values()) == {MISSING, EXTRA}


def test_a_row_that_could_be_rounded_down_and_up_is_told_to_stand_below() -> None:
    side = jittered(SECOND, 3)
    below = {ts - SECOND // 3: (99.0, 0) for ts in side}
    above = {ts + SECOND: (99.0, 0) for ts in below}
    found = told(side, below | above)
    assert {found["extra", ts].diagnosis for ts in below} == {"timestamps rounded"}
    assert {found["extra", ts] for ts in above} == {EXTRA}


@pytest.mark.parametrize(
    ("by", "detail"),
    [
        (HOUR, "by +3600.000000 s"),
        (-HOUR, "by -3600.000000 s"),
        (MICROSECOND, "by +0.000001 s"),
        (-SECOND / 2, "by -0.500000 s"),
    ],
)
def test_rows_that_are_off_by_one_constant_are_told_with_it_on_both_sides(by: timedelta, detail: str) -> None:
    side = grid(5, step=7 * MINUTE, begin=BEGIN + 2 * HOUR + 123_457 * MICROSECOND)
    what = RowDiagnosis("timestamps shifted", detail)
    assert told(side, moved(side, by)) == all_as("missing", side, what) | all_as("extra", moved(side, by), what)


@pytest.mark.parametrize("by", [2, -2])
def test_rows_of_a_grid_that_land_on_each_other_are_told_as_shifted(by: int) -> None:
    side = grid(12, begin=BEGIN + 3 * HOUR)
    found = told(side, moved(side, by * HOUR))
    what = RowDiagnosis("timestamps shifted", f"by {by * 3600:+d}.000000 s")
    assert set(found.values()) == {what}
    assert len(found) == 14


def test_most_of_the_rows_that_differ_must_be_shifted_alike() -> None:
    side = grid(5, step=7 * MINUTE)
    there = list(moved(side, MINUTE).items())
    what = RowDiagnosis("timestamps shifted", "by +60.000000 s")
    three = told(side, dict(there[:3]))
    assert [three["missing", ts] for ts in side] == [what] * 3 + [MISSING] * 2
    assert set(told(side, dict(there[:2])).values()) == {MISSING, EXTRA}


def test_the_offset_of_most_rows_is_the_one_that_is_told() -> None:
    side = grid(5, step=7 * MINUTE)
    there = {ts + (2 * MINUTE if n == 0 else MINUTE): of for n, (ts, of) in enumerate(side.items())}
    found = told(side, there)
    first, *others = side
    what = RowDiagnosis("timestamps shifted", "by +60.000000 s")
    assert {found["missing", ts] for ts in others} == {what}
    assert (found["missing", first], found["extra", first + 2 * MINUTE]) == (MISSING, EXTRA)


def test_rows_at_other_times_with_another_value_or_quality_are_not_shifted() -> None:
    side = grid(5, step=7 * MINUTE)
    another_quality = {ts + MINUTE: (value, 1) for ts, (value, _) in side.items()}
    another_value = {ts + MINUTE: (99.0, 0) for ts in side}
    for there in (another_quality, another_value):
        assert set(told(side, there).values()) == {MISSING, EXTRA}


def test_a_shift_of_many_rows_of_one_value_is_found() -> None:
    """A constant value stands at every time: of these only some are tried for an offset."""
    side = {BEGIN + n * MINUTE + n * n * MICROSECOND: (1.0, 0) for n in range(120)}
    found = told(side, moved(side, HOUR))
    assert set(found.values()) == {RowDiagnosis("timestamps shifted", "by +3600.000000 s")}


# ---- values ----------------------------------------------------------------------------------------------------


def with_values(side: Side, *values: float | None) -> dict[datetime, Version]:
    listed = list(side.items())
    changed = {ts: (value, of[1]) for (ts, of), value in zip(listed, values, strict=False)}
    return {**side, **changed}


def test_neighbours_that_have_each_others_value_are_told_with_their_times() -> None:
    side = grid(5, step=SECOND / 2)
    listed = [value for value, _ in side.values()]
    found = told(side, with_values(side, listed[0], listed[2], listed[1]))
    what = RowDiagnosis("values swapped", "00:00:00.500000 with 00:00:01.000000")
    assert found == dict.fromkeys((("changed_value", ts) for ts in list(side)[1:3]), what)


def test_rows_are_swapped_whatever_the_order_they_come_in() -> None:
    side = grid(2, step=SECOND)
    first, second = (value for value, _ in side.values())
    rows = differing(side, with_values(side, second, first))
    assert [what for _, what in tell_plain(rows[::-1], {})] == [
        RowDiagnosis("values swapped", "00:00:00.000000 with 00:00:01.000000")
    ] * 2


def test_a_value_that_goes_one_way_only_is_not_swapped() -> None:
    side = grid(3)
    listed = [value for value, _ in side.values()]
    assert set(told(side, with_values(side, listed[1], 99.0)).values()) == {CHANGED}
    assert set(told(side, with_values(side, 99.0, listed[0])).values()) == {CHANGED}


def test_values_that_were_swapped_are_told_beside_one_that_was_changed() -> None:
    side = grid(4)
    listed = [value for value, _ in side.values()]
    found = told(side, with_values(side, listed[1], listed[0], listed[2], 99.0))
    assert [what.diagnosis for what in found.values()] == ["values swapped", "values swapped", "changed in place"]


EXACT = [1.0 / 3, 2.0 / 7, 123.456789012345]


@pytest.mark.parametrize("decimals", range(10))
def test_values_that_were_rounded_are_told_by_their_decimals(decimals: int) -> None:
    side = with_values(grid(3), *EXACT)
    found = told(side, with_values(side, *(round(value, decimals) for value in EXACT)))
    assert found == all_as("changed_value", side, RowDiagnosis("values rounded", f"to {decimals} decimals"))


@pytest.mark.parametrize("decimals", range(10))
def test_values_that_went_past_the_nearest_of_so_many_decimals_were_not_rounded(decimals: int) -> None:
    unit = 10.0**-decimals
    side = with_values(grid(2), 7 + unit / 3, 9 - unit / 3)
    past = with_values(side, round(7 + unit, decimals), round(9 - unit, decimals))
    assert set(told(side, past).values()) == {CHANGED}


@pytest.mark.filterwarnings("error")
def test_values_that_went_through_single_precision_are_told_so_even_beyond_its_range() -> None:
    for exact in (EXACT, [*EXACT[:2], 1e300]):
        side = with_values(grid(3), *exact)
        with np.errstate(over="ignore"):
            single = [float(np.float32(value)) for value in exact]
        assert set(told(side, with_values(side, *single)).values()) == {
            RowDiagnosis("values rounded", "to single precision")
        }


def test_values_are_rounded_only_where_all_of_two_or_more_are_rounded_alike() -> None:
    side = with_values(grid(3), *EXACT)
    one, other, third = EXACT
    for values in ((round(one, 2),), (round(one, 2), round(other, 3), round(third, 2))):
        assert set(told(side, with_values(side, *values)).values()) == {CHANGED}
    two = told(side, with_values(side, round(one, 2), round(other, 2)))
    assert set(two.values()) == {RowDiagnosis("values rounded", "to 2 decimals")}


def test_a_value_that_is_null_in_the_lake_was_not_rounded_nor_the_others_beside_it() -> None:
    side = with_values(grid(3), *EXACT)
    found = told(side, with_values(side, round(EXACT[0], 2), None, round(EXACT[2], 2)))
    assert list(found.values()) == [CHANGED, RowDiagnosis("changed in place", "NULL in the lake"), CHANGED]


def test_stale_rows_do_not_hide_that_the_others_were_rounded() -> None:
    side = with_values(grid(3), *EXACT)
    first, *others = side
    found = told(
        side, with_values(side, 99.0, *(round(value, 2) for value in EXACT[1:])), newer=frozenset({first})
    )
    assert found["changed_value", first] == RowDiagnosis("stale value")
    assert {found["changed_value", ts] for ts in others} == {RowDiagnosis("values rounded", "to 2 decimals")}


# ---- any two sides ---------------------------------------------------------------------------------------------

TIMES = st.integers(0, 8).map(lambda n: BEGIN + n * SECOND / 4)
VALUES, QUALITIES = st.sampled_from([0.1, 0.25, 1.0]), st.sampled_from([0, None])
POSTGRES = st.dictionaries(TIMES, st.tuples(VALUES, QUALITIES))
LAKE = st.dictionaries(TIMES, st.tuples(VALUES | st.none(), QUALITIES))


@given(POSTGRES, LAKE)
def test_every_differing_row_is_told_once_and_a_missing_one_never_as_changed(postgres: Side, lake: Side) -> None:
    for (kind, ts), what in told(postgres, lake).items():
        assert (kind == "missing") == (ts not in lake)
        assert (kind == "extra") == (ts not in postgres)
        assert (
            what.diagnosis
            in {
                "missing": {
                    "rows missing",
                    "day head lost",
                    "day tail lost",
                    "timestamps rounded",
                    "timestamps shifted",
                },
                "extra": {"deleted in Postgres", "timestamps rounded", "timestamps shifted"},
                "changed_value": {"changed in place", "values swapped", "values rounded", "timestamps shifted"},
                "changed_quality": {"quality differs"},
            }[kind]
        )
