"""How much one statement may take: the cuts of a window, and the pace that earlier pieces allow."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.domain.instants import DAY, MICROSECOND
from tsse_validation.domain.slicing import (
    AIM_SECONDS,
    FIRST_LENGTH,
    FIRST_ROWS,
    MOST_CHUNKS,
    MOST_ROWS,
    Chunk,
    Pace,
    TableKind,
    TableLayout,
    next_piece,
)
from tsse_validation.domain.windows import Window

BEGIN = datetime(2026, 1, 1, 7, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
WHOLE = Window(BEGIN, BEGIN + 90 * DAY)
PLAIN = TableLayout(TableKind.PLAIN, rows=1_000)


def chunked(length: timedelta, rows: int = 0, *, lock_room: int = 6_400) -> TableLayout:
    count = round(93 * DAY / length)
    starts = [MIDNIGHT - DAY + place * length for place in range(count)]
    chunks = [Chunk(f"chunk_{place}", start, start + length, rows) for place, start in enumerate(starts)]
    return TableLayout(TableKind.HYPERTABLE, chunks, rows * count, locks_each=4, lock_room=lock_room)


def pieces(layout: TableLayout, pace: Pace, whole: Window = WHOLE, *, seconds: float = 0.1) -> Iterator[Window]:
    left: Window | None = whole
    while left is not None:
        piece = next_piece(left, whole, layout, pace)
        yield piece
        pace.took(piece, seconds, layout.rows_in(piece, whole))
        left = Window(piece.end + MICROSECOND, left.end) if piece.end < left.end else None


@given(
    hours=st.integers(1, 24 * 40),
    rows=st.sampled_from([0, 1, 1_000, 1_000_000, 10_000_000_000]),
    days=st.floats(0, 90),
    seconds=st.floats(0, 200),
    growth=st.floats(1 / 4096, 64),
)
def test_the_pieces_are_the_window_and_none_overlap(
    hours: int, rows: int, days: float, seconds: float, growth: float
) -> None:
    window = Window(BEGIN, BEGIN + timedelta(days=days))
    pace = Pace(growth=growth)
    left, number = window, 0
    while True:
        piece = next_piece(left, window, chunked(timedelta(hours=hours), rows), pace)
        assert piece.start == left.start
        assert piece.end <= left.end
        pace.took(piece, seconds)
        number += 1
        if piece.end == left.end or number > 200:
            break
        left = Window(piece.end + MICROSECOND, left.end)


@pytest.mark.parametrize("length", [timedelta(minutes=10), timedelta(hours=1), DAY, 7 * DAY])
def test_no_piece_has_more_chunks_than_one_statement_may_lock(length: timedelta) -> None:
    layout = chunked(length)
    for piece in pieces(layout, Pace(growth=64)):
        assert len(layout.chunks_in(piece)) <= MOST_CHUNKS
        assert layout.locks(piece) <= (1 + MOST_CHUNKS) * 4


def test_a_small_room_for_locks_bounds_the_chunks_further() -> None:
    layout = chunked(timedelta(hours=1), lock_room=400)
    assert layout.most_chunks == 10
    assert max(len(layout.chunks_in(piece)) for piece in pieces(layout, Pace(growth=64))) <= 10


def test_pieces_end_at_midnights_where_a_day_fits() -> None:
    for piece in list(pieces(chunked(timedelta(hours=1)), Pace()))[:-1]:
        assert (piece.end + MICROSECOND).hour == 0


def test_a_day_of_too_many_chunks_is_cut_within_the_day() -> None:
    found = list(pieces(chunked(timedelta(minutes=1)), Pace(), Window(MIDNIGHT, MIDNIGHT + DAY - MICROSECOND)))
    assert len(found) > 20
    assert found[-1].end == MIDNIGHT + DAY - MICROSECOND


def test_rows_bound_a_piece_first_by_few_then_by_more() -> None:
    layout = chunked(DAY, FIRST_ROWS // 2)
    pace = Pace()
    found = list(pieces(layout, pace))
    assert (found[0].end - found[0].start) <= 2 * DAY
    assert all(layout.rows_in(piece, WHOLE) <= MOST_ROWS for piece in found)
    assert layout.rows_in(found[-2], WHOLE) > 4 * FIRST_ROWS


def test_a_plain_table_is_taken_for_spread_over_the_window() -> None:
    layout = TableLayout(TableKind.PLAIN, rows=90 * FIRST_ROWS)
    assert next_piece(WHOLE, WHOLE, layout, Pace()).end - BEGIN <= DAY


def test_two_thousand_years_are_cut_in_few_pieces_where_there_is_little_in_them() -> None:
    ages = Window(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
    assert len(list(pieces(chunked(timedelta(hours=1)), Pace(), ages))) < 100
    assert len(list(pieces(PLAIN, Pace(), ages))) < 25


def test_a_table_of_unknown_size_is_begun_with_a_fortnight_and_goes_on_with_more() -> None:
    first, second, *_ = pieces(TableLayout(TableKind.PLAIN, rows=0), Pace(), Window(BEGIN, BEGIN + 300 * DAY))
    assert first.end - first.start <= FIRST_LENGTH < second.end - second.start


def test_a_table_of_few_rows_is_read_at_once_however_long_its_time() -> None:
    ages = Window(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
    known = TableLayout(TableKind.PLAIN, rows=FIRST_ROWS)
    assert next_piece(ages, ages, known, Pace()) == ages
    larger = TableLayout(TableKind.PLAIN, rows=3 * FIRST_ROWS)
    assert next_piece(WHOLE, WHOLE, larger, Pace()).end - BEGIN <= 30 * DAY


def test_a_table_that_was_slow_to_read_is_read_in_shorter_parts_whatever_its_rows_are_taken_to_be() -> None:
    pace, found = Pace(), [WHOLE]
    while found[-1].end - BEGIN > DAY:
        pace.failed(found[-1])
        found.append(next_piece(WHOLE, WHOLE, TableLayout(TableKind.PLAIN, rows=1), pace))
    assert len(found) < 10


def test_a_slow_piece_makes_the_next_one_smaller_and_fast_ones_larger_again() -> None:
    pace = Pace()
    piece = next_piece(WHOLE, WHOLE, PLAIN, pace)
    pace.took(piece, 60)
    smaller = next_piece(WHOLE, WHOLE, PLAIN, pace)
    assert smaller.end - smaller.start <= (piece.end - piece.start) / 2
    pace.took(smaller, 1)
    assert next_piece(WHOLE, WHOLE, PLAIN, pace).end > smaller.end


@given(rows=st.integers(100_000, FIRST_ROWS), seconds=st.floats(0.01, 20))
def test_a_piece_tells_how_many_rows_may_take_three_quarters_of_the_aim(rows: int, seconds: float) -> None:
    pace = Pace()
    pace.took(WHOLE, seconds, rows)
    expected = pace.most_rows / FIRST_ROWS * seconds
    assert expected <= max(0.75 * AIM_SECONDS, 2 * seconds) + 0.001
    assert pace.most_rows <= MOST_ROWS


@pytest.mark.parametrize("rows", [0, 99_999])
def test_a_piece_of_few_rows_or_unknown_ones_tells_little(rows: int) -> None:
    pace = Pace()
    pace.took(WHOLE, 0.01, rows)
    assert pace.growth == 2


def test_a_fast_server_s_table_is_read_in_few_pieces() -> None:
    layout = TableLayout(TableKind.PLAIN, rows=26_000_000)
    pace = Pace()
    first = next_piece(WHOLE, WHOLE, layout, pace)
    rows = layout.rows_in(first, WHOLE)
    assert rows <= FIRST_ROWS
    pace.took(first, rows / 4_000_000, rows)
    assert next_piece(Window(first.end + MICROSECOND, WHOLE.end), WHOLE, layout, pace).end == WHOLE.end


def test_a_piece_about_as_long_as_it_should_be_changes_nothing() -> None:
    pace = Pace()
    pace.took(next_piece(WHOLE, WHOLE, PLAIN, pace), 12)
    assert pace.growth == 1


def test_a_piece_that_failed_is_halved_even_where_its_chunks_had_bounded_it() -> None:
    layout, pace = chunked(timedelta(hours=1)), Pace(growth=64)
    piece = next_piece(WHOLE, WHOLE, layout, pace)
    pace.failed(piece)
    again = next_piece(WHOLE, WHOLE, layout, pace)
    assert again.end - again.start <= (piece.end - piece.start) / 2


def test_a_piece_never_gets_so_small_that_nothing_is_read() -> None:
    pace = Pace()
    for _ in range(50):
        pace.failed(next_piece(WHOLE, WHOLE, PLAIN, pace))
    assert next_piece(WHOLE, WHOLE, PLAIN, pace).end > BEGIN


def test_where_smaller_pieces_take_as_long_they_are_made_as_large_as_can_be() -> None:
    """Each statement reads all of a table without an index on `ts`: the fewer there are, the less it is read."""
    pace = Pace()
    pace.took(next_piece(WHOLE, WHOLE, PLAIN, pace), 60)
    pace.took(next_piece(WHOLE, WHOLE, PLAIN, pace), 58)
    assert next_piece(WHOLE, WHOLE, PLAIN, pace) == WHOLE
    pace.took(WHOLE, 60)
    assert next_piece(WHOLE, WHOLE, PLAIN, pace) == WHOLE


def test_some_of_a_table_are_less_than_half_of_its_rows_where_they_lie_together() -> None:
    ordered = TableLayout(TableKind.PLAIN, rows=1_000, in_order=True)
    small, large = Window(BEGIN, BEGIN + 40 * DAY), Window(BEGIN, BEGIN + 50 * DAY)
    assert ordered.is_some(small, WHOLE)
    assert not ordered.is_some(large, WHOLE)
    assert not PLAIN.is_some(small, WHOLE)


@given(ends=st.lists(st.tuples(st.integers(0, 99), st.integers(1, 60)), max_size=30), at=st.integers(0, 99))
def test_the_chunks_of_a_window_are_those_that_it_meets(ends: list[tuple[int, int]], at: int) -> None:
    chunks = [Chunk(str(n), BEGIN + s * DAY, BEGIN + (s + d) * DAY) for n, (s, d) in enumerate(ends)]
    layout = TableLayout(TableKind.PARTITIONED, [*chunks, Chunk("default"), Chunk("old", None, BEGIN)])
    window = Window(BEGIN + at * DAY, BEGIN + (at + 3) * DAY)
    expected = {chunk.name for chunk in layout.chunks if chunk.meets(window)}
    assert {chunk.name for chunk in layout.chunks_in(window)} == expected
    assert "default" in expected


def test_children_that_must_be_read_by_their_parent_are_all_locked() -> None:
    chunks = chunked(DAY).chunks
    window = Window(BEGIN, BEGIN + DAY)
    for by_name, locked in [(True, 2), (False, len(chunks))]:
        layout = TableLayout(TableKind.INHERITED, chunks, locks_each=4, by_name=by_name)
        assert layout.locks(window) == (1 + locked) * 4


def test_the_kind_of_table_is_said_with_its_numbers() -> None:
    one, packed = Chunk("a"), Chunk("b", compressed=True)
    assert str(TableLayout(TableKind.HYPERTABLE, [one, packed])) == "hypertable, 2 chunks, 1 compressed"
    assert str(TableLayout(TableKind.PARTITIONED, [one] * 2_000)) == "partitioned table, 2,000 partitions"
    assert str(TableLayout(TableKind.INHERITED, [one])) == "table with 1 child table"
    assert str(PLAIN) == "plain table"
