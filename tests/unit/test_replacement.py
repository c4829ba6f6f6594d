"""What a backfill replaces and takes away, as pure rules over any instants, dates and files."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, utc_day
from tsse_validation.domain.replacement import (
    MOST_DAYS,
    FilesOfDate,
    Loss,
    Replacement,
    gone_from,
    losses_in_words,
    safe_days,
)

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY_ONE = date(2026, 3, 1)
instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    now=instants,
    lag=st.timedeltas(timedelta(0), timedelta(hours=1)),
    wait=st.timedeltas(timedelta(0), timedelta(minutes=4)),
    behind=st.none() | st.timedeltas(timedelta(0), timedelta(days=3)),
    days=st.integers(1, MOST_DAYS),
)
def test_whatever_the_lag_the_rows_outside_of_the_range_are_among_those_at_stake(
    now: datetime, lag: timedelta, wait: timedelta, behind: timedelta | None, days: int
) -> None:
    last_inserted_at = None if behind is None else now - behind
    began = now + wait
    target = max(began - lag, last_inserted_at or began - lag)
    replaced = Replacement.expected(days, now, last_inserted_at)
    begins = target - timedelta(days=days)
    assert set(replaced.dates) >= {utc_day(begins) + timedelta(days=n) for n in range((target - begins).days + 1)}
    if begins > day_start(utc_day(begins)):
        assert replaced.before is not None
        assert begins - MICROSECOND in replaced.before
        assert day_start(utc_day(begins)) in replaced.before
    assert begins <= replaced.within.start
    assert target in replaced.within


def test_what_is_replaced_is_said_with_its_dates_and_the_time_before_which_rows_go() -> None:
    said = str(Replacement(90, NOW, NOW))
    assert said == (
        "91 dates, 2025-12-10 to 2026-03-10, hot and cold; rows of 2025-12-10 before about 12:00 (UTC) would go"
    )


def test_a_range_that_begins_with_its_first_date_cuts_nothing() -> None:
    assert Replacement(3, day_start(DAY_ONE), day_start(DAY_ONE)).before is None


def test_losses_are_told_in_runs_of_dates() -> None:
    lost = [Loss(DAY_ONE + n * DAY, 10, whole=True) for n in (0, 1, 2, 5)]
    said = losses_in_words([*lost, Loss(DAY_ONE + 8 * DAY, 3, before=NOW), Loss(DAY_ONE + 9 * DAY, None)])
    assert said == (
        "3 rows of 2026-03-09 before 12:00 (before the range); "
        "30 rows of 3 days from 2026-03-01 to 2026-03-03, of which Postgres holds nothing; "
        "10 rows of 2026-03-06, of which Postgres holds nothing; "
        "the rows of 2026-03-10 that Postgres does not hold"
    )


lakes = st.sets(st.integers(0, 40), max_size=30)


@given(held=lakes, dropped=lakes, asked=st.integers(1, 40))
def test_the_days_that_are_called_safe_lose_nothing_and_are_the_nearest_such(
    held: set[int], dropped: set[int], asked: int
) -> None:
    """A lake holds dates so many days ago, all day long, and Postgres has dropped some of them."""

    def cuts(of: Replacement) -> bool:
        return of.days in held

    def beyond_postgres(of: Replacement) -> bool:
        return any(ago in dropped for ago in held if ago < of.days)

    def loses(days: int) -> bool:
        return cuts(Replacement(days, NOW, NOW)) or beyond_postgres(Replacement(days, NOW, NOW))

    safe = safe_days(Replacement(asked, NOW, NOW), cuts=cuts, beyond_postgres=beyond_postgres)
    harmless = [days for days in range(1, MOST_DAYS + 1) if days != asked and not loses(days)]
    if safe is None:
        assert harmless == []
    else:
        assert not loses(safe)
        longer = [days for days in harmless if days > asked]
        assert safe == (min(longer) if longer else max(harmless))


ONE: FilesOfDate = {("00", "part-1.parquet"): 10, ("01", "part-1.parquet"): 5}


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        pytest.param(ONE, ONE, 0, id="nothing has changed"),
        pytest.param(ONE, {**ONE, ("00", "part-2.parquet"): 1}, 0, id="replication has added a file"),
        pytest.param(ONE, {}, 15, id="all is gone"),
        pytest.param(ONE, {("00", "part-1.parquet"): 10}, 5, id="a shard is gone"),
        pytest.param(ONE, {**ONE, ("00", "part-1.parquet"): 7}, 3, id="a file has fewer rows"),
        pytest.param(
            {("00", "part-1.parquet"): 10, ("00", "part-2.parquet"): 10},
            {("00", "compact-3.parquet"): 12},
            0,
            id="compaction has merged copies",
        ),
        pytest.param(
            ONE, {("00", "backfill-9.parquet"): 4, ("01", "part-1.parquet"): 5}, 6, id="replaced by fewer"
        ),
        pytest.param(
            ONE, {("00", "backfill-9.parquet"): 10, ("01", "part-1.parquet"): 5}, 0, id="replaced by as many"
        ),
        pytest.param({("00", "files"): None}, {}, None, id="nobody knows how many"),
    ],
)
def test_what_is_gone_of_a_date_is_told_by_its_files(
    before: FilesOfDate, after: FilesOfDate, gone: int | None
) -> None:
    assert gone_from(before, after) == gone
