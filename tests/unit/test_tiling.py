"""Counts of tiles add up to those of any windows that they were cut for."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.clients.snapshot import DueCount
from tsse_validation.domain.instants import MICROSECOND, from_micros, to_micros
from tsse_validation.domain.tiling import Tiling
from tsse_validation.domain.windows import Window
from tsse_validation.parity.tile_sums import TileSums

MIDNIGHT = to_micros(datetime(2026, 1, 2, tzinfo=UTC))
DAY_MICROS = 86_400_000_000
INSTANTS = (st.integers(-5, 5) | st.integers(-2 * DAY_MICROS, 2 * DAY_MICROS)).map(
    lambda micros: from_micros(MIDNIGHT + micros)
)
WINDOWS = st.builds(lambda one, other: Window(min(one, other), max(one, other)), INSTANTS, INSTANTS)
TILINGS = st.builds(Tiling, st.lists(WINDOWS, min_size=1, max_size=8))


def tile_of(tiling: Tiling, instant: datetime) -> int:
    return sum(cut <= instant for cut in tiling.cuts) - 1


@given(tiling=TILINGS, rows=st.lists(INSTANTS, max_size=12))
def test_the_tiles_of_a_window_have_just_its_rows(tiling: Tiling, rows: list[datetime]) -> None:
    rows += [instant for window in tiling.windows for instant in (window.start, window.end)]
    for window in tiling.windows:
        assert [tile_of(tiling, row) in tiling.tiles_of(window) for row in rows] == [row in window for row in rows]


@given(tiling=TILINGS, part=WINDOWS, rows=st.lists(INSTANTS, max_size=12))
def test_the_pieces_in_a_part_hold_what_the_windows_cover_of_it_once(
    tiling: Tiling, part: Window, rows: list[datetime]
) -> None:
    rows += [instant for window in tiling.windows for instant in (window.start, window.end + MICROSECOND)]
    for row in rows:
        pieces = [tile for tile, piece in tiling.tiles_in(part) if row in piece]
        covered = row in part and any(row in window for window in tiling.windows)
        assert pieces == ([tile_of(tiling, row)] if covered else [])
        assert covered == any(row in span for span in tiling.spans_in(part))
    assert all(piece.start.date() == piece.end.date() for _, piece in tiling.tiles_in(part))


@given(tiling=TILINGS)
def test_spans_neither_overlap_nor_touch(tiling: Tiling) -> None:
    for earlier, later in zip(tiling.spans, tiling.spans[1:], strict=False):
        assert earlier.end + MICROSECOND < later.start


def test_windows_end_one_after_the_other() -> None:
    begin = from_micros(MIDNIGHT)
    tiling = Tiling([Window(begin, begin + n * MICROSECOND) for n in (3, 1, 2)])
    assert [tiling.ended_by(begin + n * MICROSECOND) for n in range(4)] == [0, 1, 2, 3]


def test_parts_of_a_tile_are_added_up_on_each_side() -> None:
    sums = TileSums()
    for _ in range(2):
        sums.add_postgres({("a", 0): DueCount(2, 1), ("a", 1): DueCount(10, 0), ("b", 1): DueCount(1, 1)})
        sums.add_lake([("a", 0, (3, 1)), ("c", 1, (5, 0)), ("a", 0, (1, 0))])
    assert sums.of([0]) == ({"a": DueCount(4, 2)}, {"a": (8, 2)})
    assert sums.of(range(2)) == (
        {"a": DueCount(24, 2), "b": DueCount(2, 2)},
        {"a": (8, 2), "c": (10, 0)},
    )
    assert sums.of([7]) == ({}, {})
