import doctest
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from tsse_validation.domain.instants import DAY, MICROSECOND, from_micros, to_micros, utc_day
from tsse_validation.domain.windows import Window
from tsse_validation.parity import landmarks as landmarks_module
from tsse_validation.parity import strategies
from tsse_validation.parity.landmarks import EDGES, Landmarks
from tsse_validation.parity.strategies import LONGEST_RANDOM_DAYS, windows

_FIRST = to_micros(datetime(2025, 12, 30, tzinfo=UTC))
_MIDNIGHT = to_micros(datetime(2026, 1, 1, tzinfo=UTC))
_LENGTHS = st.integers(0, 3) | st.integers(0, 100 * (DAY // MICROSECOND))
_STARTS = st.integers(_MIDNIGHT - 3, _MIDNIGHT + 3) | st.integers(_FIRST, _FIRST + 10 * (DAY // MICROSECOND))
COVERED = st.builds(lambda at, length: Window(from_micros(at), from_micros(at + length)), _STARTS, _LENGTHS)


@st.composite
def landmarks(draw: st.DrawFn, *, rows: bool = True) -> Landmarks:
    covered = draw(COVERED)
    inside = st.integers(to_micros(covered.start), to_micros(covered.end)).map(from_micros)
    edges = st.sampled_from([covered.start, covered.end])
    return Landmarks(covered, draw(st.lists(inside | edges, min_size=1, max_size=5)) if rows else ())


def drawn(data: st.DataObject, marks: Landmarks, edge: str) -> Window:
    return data.draw(windows(marks, edge))


@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize("edge", EDGES)
@given(data=st.data())
def test_every_drawn_window_lies_in_the_covered_window(edge: str, rows: bool, data: st.DataObject) -> None:
    marks = data.draw(landmarks(rows=rows))
    window = drawn(data, marks, edge)
    assert window.clamp(marks.covered) == window
    assert window.end - window.start <= LONGEST_RANDOM_DAYS * DAY


@given(data=st.data())
def test_a_window_at_a_day_boundary_begins_or_ends_beside_midnight(data: st.DataObject) -> None:
    marks = data.draw(landmarks())
    window = drawn(data, marks, "day-boundary")
    if utc_day(marks.covered.start - MICROSECOND) != utc_day(marks.covered.end + MICROSECOND):
        beside = [
            utc_day(end - 2 * MICROSECOND) != utc_day(end + MICROSECOND) for end in (window.start, window.end)
        ]
        assert any(beside)


@given(data=st.data())
def test_a_covered_window_that_ends_with_the_days_last_micro_ends_beside_midnight(data: st.DataObject) -> None:
    end = from_micros(_MIDNIGHT) - MICROSECOND
    window = drawn(data, Landmarks(Window(end - 5 * MICROSECOND, end), ()), "day-boundary")
    assert end in (window.start, window.end)


@given(data=st.data())
def test_a_window_at_the_backfills_start_begins_with_the_first_covered_microseconds(data: st.DataObject) -> None:
    marks = data.draw(landmarks())
    assert drawn(data, marks, "backfill-start").start - marks.covered.start <= 2 * MICROSECOND


@given(data=st.data())
def test_a_window_at_the_watermark_ends_with_the_last_covered_microseconds(data: st.DataObject) -> None:
    marks = data.draw(landmarks())
    assert marks.covered.end - drawn(data, marks, "watermark").end <= 2 * MICROSECOND


@given(data=st.data())
def test_a_window_of_a_single_row_is_the_microsecond_of_a_row(data: st.DataObject) -> None:
    marks = data.draw(landmarks())
    window = drawn(data, marks, "single-row")
    assert window.start == window.end
    assert window.start in marks.row_instants


@given(data=st.data())
def test_a_window_beside_a_row_leaves_it_out_unless_the_covered_window_ends_there(data: st.DataObject) -> None:
    marks = data.draw(landmarks())
    window = drawn(data, marks, "beside-a-row")
    after = window.start - MICROSECOND in marks.row_instants
    before = window.end + MICROSECOND in marks.row_instants
    at_the_edge = marks.covered.start in marks.row_instants or marks.covered.end in marks.row_instants
    assert after or before or at_the_edge


@given(data=st.data())
def test_an_empty_window_is_a_single_microsecond(data: st.DataObject) -> None:
    window = drawn(data, data.draw(landmarks()), "empty")
    assert window.start == window.end


def test_the_edges_are_those_where_copies_go_wrong() -> None:
    assert list(EDGES) == [
        "random",
        "day-boundary",
        "backfill-start",
        "watermark",
        "single-row",
        "beside-a-row",
        "empty",
    ]


# ---- for whoever uses them elsewhere ---------------------------------------------------------------------------


def test_the_example_in_the_documentation_works() -> None:
    of_modules = [doctest.testmod(module, extraglobs={"UTC": UTC}) for module in (strategies, landmarks_module)]
    assert [(found.attempted, found.failed) for found in of_modules] == [(8, 0), (3, 0)]
    assert strategies.__doc__ is not None
    assert all(f"\n`{edge}` " in strategies.__doc__ for edge in EDGES)


@pytest.mark.parametrize("edge", EDGES)
def test_a_window_shrinks_to_the_first_microsecond_that_it_may_begin_with(edge: str) -> None:
    begin = datetime(2026, 1, 1, 6, tzinfo=UTC)
    row = begin + timedelta(hours=2)
    marks = Landmarks(Window(begin, begin + 3 * DAY), [row])
    simplest = find(windows(marks, edge), lambda _: True)
    assert simplest.start == simplest.end
    assert simplest.start == {
        "day-boundary": datetime(2026, 1, 2, tzinfo=UTC) - MICROSECOND,
        "watermark": marks.covered.end,
        "single-row": row,
        "beside-a-row": row + MICROSECOND,
    }.get(edge, begin)


@pytest.mark.parametrize("edge", EDGES)
@given(data=st.data())
def test_a_drawn_window_is_aware_and_in_utc(edge: str, data: st.DataObject) -> None:
    window = drawn(data, data.draw(landmarks()), edge)
    assert window.start.utcoffset() == window.end.utcoffset() == timedelta(0)


def test_an_edge_that_there_is_not_is_named_with_those_that_there_are() -> None:
    marks = Landmarks(Window(from_micros(_FIRST), from_micros(_MIDNIGHT)), ())
    with pytest.raises(ValueError, match="'noon': there are random, day-boundary"):
        windows(marks, "noon")


def test_landmarks_are_aware_and_lie_in_the_covered_window() -> None:
    covered = Window(from_micros(_FIRST), from_micros(_MIDNIGHT))
    with pytest.raises(ValueError, match="naive"):
        Landmarks(covered, [covered.start.replace(tzinfo=None)])
    with pytest.raises(ValueError, match="outside of the covered window"):
        Landmarks(covered, [covered.end + MICROSECOND])
