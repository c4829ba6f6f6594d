from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.domain.contract import Replication
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, utc_day
from tsse_validation.domain.windows import (
    SPOT_WINDOW,
    Window,
    asked_and_promised,
    cut_at,
    in_slices,
    on_days,
    without_days,
)

INSTANTS = st.datetimes(
    min_value=datetime(2025, 12, 1),  # noqa: DTZ001
    max_value=datetime(2026, 3, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
# instants close to each other, and to midnight, are where an end is mistaken
NEAR = st.builds(
    lambda days, micros: day_start(datetime(2026, 1, 1, tzinfo=UTC).date()) + days * DAY + micros * MICROSECOND,
    st.integers(-2, 2),
    st.integers(-2, 2),
)
ANY = INSTANTS | NEAR
WINDOWS = st.builds(lambda one, other: Window(min(one, other), max(one, other)), ANY, ANY)
COVERAGES = st.builds(Coverage, ANY, ANY, ANY)
FEW_DAYS = st.builds(
    lambda window, days: Window(window.start, min(window.end, window.start + days * DAY)),
    WINDOWS,
    st.integers(0, 9),
)
DAYS = st.sets(st.integers(-3, 12).map(lambda n: date(2026, 1, 1) + n * DAY))


@given(ANY, ANY)
def test_a_window_that_ends_before_it_starts_is_refused(one: datetime, other: datetime) -> None:
    if other < one:
        with pytest.raises(ValueError, match="ends before it starts"):
            Window(one, other)
    else:
        assert Window(one, other).end == other


def test_a_naive_end_is_refused() -> None:
    aware = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="naive"):
        Window(aware, aware.replace(tzinfo=None))
    with pytest.raises(ValueError, match="naive"):
        Window(aware.replace(tzinfo=None), aware)


def test_a_window_is_in_utc_whatever_zone_its_ends_are_given_in() -> None:
    at = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    window = Window(at, at + MICROSECOND)
    assert (window.start.tzinfo, window.end.tzinfo) == (UTC, UTC)
    assert window.start == at
    assert str(window) == "2025-12-31T23:00:00.000000+00:00 → 2025-12-31T23:00:00.000001+00:00"


def test_a_window_says_its_ends_to_the_microsecond() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert (
        str(Window(at, at + MICROSECOND)) == "2026-01-01T00:00:00.000000+00:00 → 2026-01-01T00:00:00.000001+00:00"
    )


@given(WINDOWS)
def test_both_ends_of_a_window_are_in_it_and_their_neighbours_are_not(window: Window) -> None:
    assert window.start in window
    assert window.end in window
    assert window.start - MICROSECOND not in window
    assert window.end + MICROSECOND not in window


@given(WINDOWS, WINDOWS, ANY)
def test_a_clamped_window_holds_what_both_hold(one: Window, other: Window, instant: datetime) -> None:
    clamped = one.clamp(other)
    assert clamped == other.clamp(one)
    assert (clamped is not None and instant in clamped) == (instant in one and instant in other)


@given(WINDOWS, WINDOWS)
def test_windows_that_touch_in_a_microsecond_have_it_in_common(one: Window, other: Window) -> None:
    apart = one.end < other.start or other.end < one.start
    assert (one.clamp(other) is None) == apart


@given(WINDOWS)
def test_the_days_of_a_window_are_every_day_it_touches_in_order(window: Window) -> None:
    days = list(window.days())
    assert days[0] == utc_day(window.start)
    assert days[-1] == utc_day(window.end)
    assert all(later - earlier == DAY for earlier, later in pairwise(days))


@given(WINDOWS)
def test_the_parts_of_a_window_are_the_window_and_none_overlap(window: Window) -> None:
    parts = list(window.split_by_day())
    assert parts[0].start == window.start
    assert parts[-1].end == window.end
    assert all(later.start - earlier.end == MICROSECOND for earlier, later in pairwise(parts))
    assert [part.start.date() for part in parts] == list(window.days())
    assert all(part.start.date() == part.end.date() for part in parts)


@given(WINDOWS)
def test_only_the_first_and_the_last_part_can_be_less_than_a_day(window: Window) -> None:
    parts = list(window.split_by_day())
    assert all(part.is_whole_day for part in parts[1:-1])
    assert all(part.is_whole_day == (part.end - part.start == DAY - MICROSECOND) for part in parts)


@given(COVERAGES, ANY, ANY | st.none())
def test_a_row_is_due_when_a_backfill_or_a_pass_since_has_brought_it(
    coverage: Coverage, ts: datetime, inserted_at: datetime | None
) -> None:
    due = coverage.due(ts, inserted_at)
    within = coverage.backfill_from <= ts <= coverage.watermark
    in_time = inserted_at is not None and inserted_at <= coverage.watermark
    exported = ts < coverage.untimed_until if inserted_at is None else ts < coverage.backfill_to and in_time
    passed = inserted_at is not None and inserted_at > coverage.backfill_to and in_time
    assert due == (within and (exported or passed))


def test_the_edges_of_what_is_due_are_to_the_microsecond() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    coverage = Coverage(begin, begin + DAY, begin + 2 * DAY)
    assert coverage.due(begin, begin)
    assert not coverage.due(begin - MICROSECOND, begin)
    assert coverage.due(coverage.watermark, coverage.watermark)
    assert not coverage.due(begin, coverage.watermark + MICROSECOND)
    assert coverage.due(coverage.backfill_to - MICROSECOND, coverage.backfill_to)
    assert not coverage.due(coverage.backfill_to, coverage.backfill_to)
    assert coverage.due(coverage.backfill_to, coverage.backfill_to + MICROSECOND)


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("watermark_after", "untimed_until"),
    [
        (0 * HOUR, 100 * HOUR),
        # a pass has been since: what it found in its late window it has stamped
        (MICROSECOND, 100 * HOUR - 48 * HOUR + MICROSECOND),
        (30 * HOUR, 82 * HOUR),
        (48 * HOUR, 100 * HOUR),
        (500 * HOUR, 100 * HOUR),
    ],
)
def test_a_row_without_insertion_time_is_due_where_no_pass_would_have_stamped_it(
    watermark_after: timedelta, untimed_until: timedelta
) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    coverage = Coverage(begin, begin + 100 * HOUR, begin + 100 * HOUR + watermark_after)
    assert coverage.untimed_until == begin + untimed_until
    assert coverage.due(begin + untimed_until - MICROSECOND, None)
    assert not coverage.due(begin + untimed_until, None)


@pytest.mark.parametrize(("hours", "taken"), [(None, 48), (0, 48), (-5, 48), (1, 1), (72, 72), (10**12, 48)])
def test_the_late_window_is_the_states_where_it_can_be_believed(hours: int | None, taken: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    state = Replication(
        backfill_from_ts=begin,
        backfill_to_ts=begin + DAY,
        computed_through_ts=begin + DAY,
        last_late_window_hours=hours,
    )
    assert Coverage.promised_by(state).late_window == taken * HOUR


def test_a_late_window_that_reaches_before_all_time_is_no_error() -> None:
    begin = datetime.min.replace(tzinfo=UTC)
    assert Coverage(begin, begin, begin + HOUR).untimed_until == begin


def test_a_watermark_before_the_backfill_covers_nothing() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    coverage = Coverage(begin, begin + DAY, begin - MICROSECOND)
    assert coverage.window is None
    assert not coverage.due(begin, None)


def test_a_watermark_at_the_first_microsecond_covers_that_one() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    assert Coverage(begin, begin + DAY, begin).window == Window(begin, begin)


def test_windows_are_ordered_by_their_start() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    later = Window(begin + timedelta(hours=1), begin + timedelta(hours=1))
    assert sorted([later, Window(begin, begin + DAY)])[1] == later


@given(WINDOWS)
def test_the_halves_of_a_window_are_the_window_and_as_long_as_each_other(window: Window) -> None:
    if window.start == window.end:
        return
    first, second = window.halves()
    assert (first.start, second.end) == (window.start, window.end)
    assert second.start - first.end == MICROSECOND
    assert abs((first.end - first.start) - (second.end - second.start)) <= MICROSECOND


@given(FEW_DAYS, DAYS, NEAR)
def test_without_some_days_a_window_has_its_others(window: Window, days: set[date], instant: datetime) -> None:
    left = without_days(window, days)
    for at in (instant, window.start, window.end):
        assert any(at in part for part in left) == (at in window and at.date() not in days)
    assert [day for part in left for day in part.days()] == [day for day in window.days() if day not in days]


@given(FEW_DAYS, DAYS)
def test_what_is_left_of_a_window_is_in_as_few_windows_as_can_be(window: Window, days: set[date]) -> None:
    left = without_days(window, days)
    assert all(later.start - earlier.end > MICROSECOND for earlier, later in pairwise(left))


@given(FEW_DAYS, DAYS, NEAR)
def test_on_some_days_a_window_has_those_and_no_others(window: Window, days: set[date], instant: datetime) -> None:
    parts = on_days(window, days)
    for at in (instant, window.start, window.end):
        assert any(at in part for part in parts) == (at in window and at.date() in days)
    assert all(later.start - earlier.end > MICROSECOND for earlier, later in pairwise(parts))


@given(FEW_DAYS, st.lists(NEAR), st.integers(1, 4))
def test_a_window_is_cut_into_pieces_that_touch_few_parts(
    window: Window, starts: list[datetime], parts: int
) -> None:
    pieces = cut_at(window, starts, parts)
    assert (pieces[0].start, pieces[-1].end) == (window.start, window.end)
    assert all(later.start - earlier.end == MICROSECOND for earlier, later in pairwise(pieces))
    assert all(len({start for start in starts if piece.start < start <= piece.end}) < parts for piece in pieces)


@given(FEW_DAYS, st.integers(-1, 12))
def test_slices_of_a_window_are_split_at_midnights_into_equal_numbers_of_days(window: Window, slices: int) -> None:
    found = in_slices(window, slices)
    assert (found[0].start, found[-1].end) == (window.start, window.end)
    for earlier, later in pairwise(found):
        assert later.start == earlier.end + MICROSECOND == day_start(utc_day(later.start))
    lengths = [len(list(piece.days())) for piece in found]
    wanted = max(1, slices)
    assert len(found) <= wanted
    assert len(set(lengths[:-1])) <= 1
    assert lengths[-1] <= lengths[0]
    assert (lengths[0] - 1) * wanted < sum(lengths), "shorter slices would do"


@pytest.mark.parametrize("slices", [-1, 0, 1])
def test_one_slice_or_less_of_a_window_is_the_window(slices: int) -> None:
    window = Window(datetime(2026, 1, 1, 7, tzinfo=UTC), datetime(2026, 1, 5, 7, tzinfo=UTC))
    assert in_slices(window, slices) == [window]


# ---- the window that is asked for ------------------------------------------------------------------------------

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
COVERED = Window(FIRST, FIRST + 10 * DAY)


@pytest.mark.parametrize(
    ("start", "end", "asked"),
    [
        (None, None, Window(COVERED.end - SPOT_WINDOW, COVERED.end)),
        (FIRST + DAY, None, Window(FIRST + DAY, COVERED.end)),
        (None, FIRST + 5 * DAY, Window(FIRST + 5 * DAY - SPOT_WINDOW, FIRST + 5 * DAY)),
        (FIRST + DAY, FIRST + 2 * DAY, Window(FIRST + DAY, FIRST + 2 * DAY)),
    ],
)
def test_a_window_ends_with_the_covered_range_and_is_a_day_long_unless_it_is_asked_otherwise(
    start: datetime | None, end: datetime | None, asked: Window
) -> None:
    assert asked_and_promised(COVERED, start, end) == (asked, asked)
    assert timedelta(hours=24) == SPOT_WINDOW


def test_of_a_window_that_reaches_beyond_the_covered_range_only_what_lies_within_is_promised() -> None:
    beyond = COVERED.end + 5 * DAY
    asked, promised = asked_and_promised(COVERED, None, beyond)
    assert asked == Window(COVERED.end - SPOT_WINDOW, beyond), "it begins a day before the range ends"
    assert promised == Window(COVERED.end - SPOT_WINDOW, COVERED.end)
    assert asked_and_promised(COVERED, FIRST - DAY, beyond) == (Window(FIRST - DAY, beyond), COVERED)


@pytest.mark.parametrize("start", [COVERED.end, COVERED.end + MICROSECOND])
def test_of_a_window_with_an_instant_of_the_covered_range_nothing_is_promised(start: datetime) -> None:
    assert asked_and_promised(COVERED, start, COVERED.end + DAY) == (Window(start, COVERED.end + DAY), None)


def test_a_microsecond_of_the_covered_range_is_promised() -> None:
    last = Window(COVERED.end - MICROSECOND, COVERED.end)
    assert asked_and_promised(COVERED, last.start, COVERED.end + DAY)[1] == last


# ---- what is asked for, and what of it is promised -------------------------------------------------------------


@given(WINDOWS, ANY | st.none(), ANY | st.none())
def test_what_is_promised_is_what_is_asked_for_within_the_covered_window(
    covered: Window, start: datetime | None, end: datetime | None
) -> None:
    if start is not None and (end or covered.end) < start:
        return
    asked, promised = asked_and_promised(covered, start, end)
    assert asked.end == (end or covered.end)
    assert asked.start == (start or min(asked.end, covered.end) - SPOT_WINDOW)
    if promised is not None:
        assert promised == asked.clamp(covered)
        assert promised.start < promised.end or promised == asked


def test_a_single_microsecond_is_compared_where_it_is_asked_for_and_no_leftover_of_a_window_is() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    covered = Window(begin, begin + DAY)
    for instant in (begin, begin + timedelta(hours=1), covered.end):
        assert asked_and_promised(covered, instant, instant)[1] == Window(instant, instant)
    assert asked_and_promised(covered, covered.end, covered.end + DAY)[1] is None
    assert asked_and_promised(covered, covered.end + MICROSECOND, covered.end + MICROSECOND)[1] is None
