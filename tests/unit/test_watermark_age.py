"""How old a watermark is, at the ends of days, years and Februaries, and while the host's clock is changed.

The host's zone must not matter: a naive instant anywhere on the way would be off by hours, on some nights only.
"""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import FakeClock, replication
from tests.support.clocks import frozen
from tests_validation import test_5_watermark as step_5
from tsse_validation.clients.watch import ControllerClock, ReplicationWatch
from tsse_validation.domain.contract import InspectedDataset, Replication
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError
from tsse_validation.domain.instants import MICROSECOND, format_rfc3339, parse_rfc3339, utc_day, utc_now
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.loading import LoadedSettings, load_settings
from tsse_validation.steps.promises import CURRENT_DAY_ALLOWANCE_FILES, crowded_shards
from tsse_validation.steps.run import Check, begin_run
from tsse_validation.steps.watermark import CLOCK_TOLERANCE_SECONDS

ZONES = ("America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati")
MOMENTS = {
    "the end of a day": datetime(2026, 3, 11, tzinfo=UTC),
    "the end of a year": datetime(2027, 1, 1, tzinfo=UTC),
    "the end of a February": datetime(2026, 3, 1, tzinfo=UTC),
    "the beginning of a leap day": datetime(2028, 2, 29, tzinfo=UTC),
    "the end of a leap day": datetime(2028, 3, 1, tzinfo=UTC),
    "New York put forward": datetime(2026, 3, 8, 7, tzinfo=UTC),
    "New York put back": datetime(2026, 11, 1, 6, tzinfo=UTC),
    "Berlin put forward": datetime(2026, 3, 29, 1, tzinfo=UTC),
    "Berlin put back": datetime(2026, 10, 25, 1, tzinfo=UTC),
    "Lord Howe put back by half an hour": datetime(2026, 4, 4, 15, tzinfo=UTC),
}
TOLERANCE = timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
NEAR = st.integers(-2, 2).map(lambda micros: micros * MICROSECOND)
moments = pytest.mark.parametrize("moment", MOMENTS.values(), ids=list(MOMENTS))


@pytest.fixture(scope="module", params=ZONES, autouse=True)
def host_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let the host's clock show another zone's time."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedSettings:
    directory = tmp_path_factory.mktemp("settings")
    return load_settings({"report_dir": directory, "settle_timeout": 30}, directory, for_run=False)


@pytest.fixture(scope="module")
def settings(loaded: LoadedSettings) -> Settings:
    return loaded.settings


@pytest.fixture(scope="module")
def check(loaded: LoadedSettings) -> Iterator[Check]:
    run = begin_run(loaded, {})
    yield Check(run)
    run.log.close()


def watching(watermark: datetime, looks: list[Replication] | None = None) -> ReplicationWatch:
    """Watch a watermark that stands still; the watch's own clock passes when it sleeps, and no sooner."""
    passing = FakeClock()

    def read() -> Replication:
        state = replication(computed_through_ts=format_rfc3339(watermark))
        if looks is not None:
            looks.append(state)
        return state

    return ReplicationWatch(read, pause=10.0, clock=passing, sleep=passing.sleep)


def hold_recent(
    watch: ReplicationWatch, clock: ControllerClock, postgres_ahead: float, settings: Settings, check: Check
) -> None:
    """Run step 5's check where no other lake job could hold the watermark up."""
    step_5.test_watermark_is_recent(watch, clock, postgres_ahead, list, settings, check)


def allowed(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.watermark_max_age)


# ---- just at and just over the allowed age ---------------------------------------------------------------------


@moments
@pytest.mark.parametrize("micros", [-1, 0, 1])
def test_a_watermark_is_recent_up_to_the_very_microsecond_of_the_allowed_age(
    moment: datetime, micros: int, settings: Settings, check: Check
) -> None:
    now = moment + micros * MICROSECOND
    clock = ControllerClock(None, lambda: now)
    looks: list[Replication] = []
    hold_recent(watching(now - allowed(settings), looks), clock, 0.0, settings, check)
    assert len(looks) == 1
    assert check.facts["age"] == "420 s, gate 420 s"
    with pytest.raises(PromiseBrokenError, match="was older than 420 s"):
        hold_recent(watching(now - allowed(settings) - MICROSECOND), clock, 0.0, settings, check)


@moments
@pytest.mark.parametrize("micros", [-1, 0, 1])
def test_a_watermark_may_be_ahead_by_what_a_clock_cannot_tell_and_no_microsecond_more(
    moment: datetime, micros: int, check: Check
) -> None:
    now = moment + micros * MICROSECOND
    clock = ControllerClock(None, lambda: now)
    step_5.test_watermark_is_set_and_not_in_the_future(watching(now + TOLERANCE), clock, check)
    with pytest.raises(PromiseBrokenError, match="lies 2 s in the future"):
        step_5.test_watermark_is_set_and_not_in_the_future(watching(now + TOLERANCE + MICROSECOND), clock, check)


@moments
def test_the_present_of_the_host_is_an_instant_whatever_its_zone(moment: datetime) -> None:
    before = moment - MICROSECOND
    with frozen(before):
        clock = ControllerClock(None)
        assert utc_now() == clock.now() == before
        assert utc_now().utcoffset() == timedelta(0)
        assert clock.age_seconds(before) == 0.0
    with frozen(moment):
        assert clock.now() - before == MICROSECOND
        assert clock.age_seconds(before) == 1e-6
        assert utc_day(before) + timedelta(days=1) == utc_day(moment) or moment.hour


def test_the_present_is_not_the_hosts_wall_clock(host_zone: str) -> None:
    """By the real clock: a frozen one shows the same wall clock in every zone, and a naive present would pass."""
    before = time.time()
    now, controllers = utc_now(), ControllerClock(None).now()
    after = time.time()
    rounded = 1e-6
    assert before - rounded <= now.timestamp() <= controllers.timestamp() <= after + rounded, host_zone


def test_the_last_microsecond_of_a_year_is_one_before_the_next(settings: Settings, check: Check) -> None:
    last = parse_rfc3339("2026-12-31T23:59:59.999999+00:00")
    with frozen("2027-01-01T00:00:00Z"):
        clock = ControllerClock(None)
        assert clock.age_seconds(last) == 1e-6
        hold_recent(watching(last), clock, 0.0, settings, check)
        step_5.test_watermark_is_set_and_not_in_the_future(watching(last), clock, check)
        assert (utc_day(last), utc_day(clock.now())) == (date(2026, 12, 31), date(2027, 1, 1))


@moments
def test_no_hour_is_lost_or_won_over_the_night(moment: datetime, host_zone: str) -> None:
    """Go through six hours by half an hour: the age grows by just that, also while the host's clock jumps."""
    mark = moment - timedelta(hours=3)
    ages = []
    for halves in range(13):
        with frozen(mark + halves * timedelta(minutes=30)):
            ages.append(ControllerClock(None).age_seconds(mark))
    assert ages == [halves * 1800.0 for halves in range(13)], host_zone


# ---- clocks that are off ---------------------------------------------------------------------------------------


@moments
@pytest.mark.parametrize(
    "off", [timedelta(hours=-1), timedelta(seconds=-3), timedelta(seconds=3), timedelta(days=1)]
)
def test_a_watermark_is_judged_by_the_controllers_clock_and_not_by_ours(
    moment: datetime, off: timedelta, settings: Settings, check: Check
) -> None:
    with frozen(moment):
        theirs = moment + off
        clock = ControllerClock(format_datetime(theirs, usegmt=True))
        assert clock.skewed
        hold_recent(watching(theirs - allowed(settings)), clock, 0.0, settings, check)
        with pytest.raises(PromiseBrokenError, match="was older than 420 s"):
            hold_recent(watching(theirs - allowed(settings) - MICROSECOND), clock, 0.0, settings, check)
        with pytest.raises(PromiseBrokenError):
            step_5.test_watermark_is_set_and_not_in_the_future(
                watching(theirs + TOLERANCE + MICROSECOND), clock, check
            )


@moments
def test_a_clock_that_is_behind_ours_sees_its_own_day(moment: datetime) -> None:
    with frozen(moment):
        clock = ControllerClock(format_datetime(moment - timedelta(hours=25), usegmt=True))
        assert utc_day(clock.now()) < utc_day(utc_now())


@pytest.mark.parametrize("ahead", [60.0, -60.0])
def test_clocks_a_lag_guard_apart_tell_nothing_of_an_age(ahead: float, settings: Settings, check: Check) -> None:
    moment = MOMENTS["the end of a year"]
    clock = ControllerClock(None, lambda: moment)
    with pytest.raises(NotCheckedError):
        hold_recent(watching(moment), clock, ahead, settings, check)
    hold_recent(watching(moment), clock, ahead * 0.999999, settings, check)


# ---- nothing naive ---------------------------------------------------------------------------------------------


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.timezones()),  # noqa: DTZ001
    st.sampled_from(list(MOMENTS.values())),
    NEAR,
)
def test_an_age_is_the_same_whatever_the_zone_is(mark: datetime, moment: datetime, near: timedelta) -> None:
    now = moment + near
    clock = ControllerClock(None, lambda: now)
    told = replication(computed_through_ts=mark.astimezone(UTC).isoformat()).computed_through_ts
    assert told is not None
    assert told.utcoffset() == timedelta(0)
    assert clock.age_seconds(told) == clock.age_seconds(mark) == (now - mark.astimezone(UTC)).total_seconds()


@pytest.mark.parametrize(
    "text",
    ["2026-12-31T18:59:59.999999-05:00", "2027-01-01T00:59:59.999999+01:00", "2026-12-31T23:59:59.999999999Z"],
)
def test_a_year_ends_at_one_instant_whoever_writes_it(text: str) -> None:
    told = replication(computed_through_ts=text).computed_through_ts
    clock = ControllerClock(None, lambda: MOMENTS["the end of a year"])
    assert clock.age_seconds(told) == 1e-6


@moments
def test_a_naive_watermark_is_refused_and_never_taken_for_the_hosts_time(moment: datetime) -> None:
    naive = moment.replace(tzinfo=None)
    for told in (naive, naive.isoformat(), f"{naive:%Y-%m-%d %H:%M:%S}"):
        with pytest.raises(ValueError, match=r"naive|with a zone"):
            replication(computed_through_ts=told)
    with pytest.raises(TypeError, match="naive"):
        ControllerClock(None, lambda: moment).age_seconds(naive)


@moments
def test_a_run_is_named_by_utc(moment: datetime, loaded: LoadedSettings) -> None:
    with frozen(moment - MICROSECOND):
        run = begin_run(loaded, {})
    run.log.close()
    assert run.directory.name.startswith(f"{moment - MICROSECOND:%Y%m%dT%H%M%SZ}")


# ---- the days that hang on the present -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "yesterday", "before"),
    [
        ("2027-01-01T00:00:00Z", "2026-12-31", "2026-12-30"),
        ("2026-12-31T23:59:59.999999Z", "2026-12-30", "2026-12-29"),
        ("2028-03-01T00:00:00Z", "2028-02-29", "2028-02-28"),
        ("2027-03-01T00:00:00Z", "2027-02-28", "2027-02-27"),
        ("2028-02-29T23:59:59.999999Z", "2028-02-28", "2028-02-27"),
    ],
)
def test_only_today_and_yesterday_may_hold_unmerged_files(now: str, yesterday: str, before: str) -> None:
    dataset = InspectedDataset.model_validate(
        {
            "computed_through_ts": now,
            "partitions": {
                day: {"location": "hot", "shards": {"00": {"parquet_files": 10 + allowance, "total_bytes": 1}}}
                for day, allowance in ((before, 0), (yesterday, CURRENT_DAY_ALLOWANCE_FILES))
            },
        }
    )
    today: Callable[[], date] = lambda: utc_day(ControllerClock(None).now())  # noqa: E731
    with frozen(now):
        assert crowded_shards(dataset, today()) == []
    with frozen(parse_rfc3339(now) + timedelta(days=1)):
        assert [line.split(":")[0] for line in crowded_shards(dataset, today())] == [f"date={yesterday}/shard=00"]


@pytest.mark.parametrize(
    ("now", "oldest"),
    [
        ("2026-12-31T22:59:59.999999Z", "2026-12-30"),
        ("2026-12-31T23:00:00Z", "2026-12-31"),
        ("2027-01-01T00:00:00Z", "2026-12-31"),
        ("2028-02-28T23:00:00Z", "2028-02-28"),
        ("2028-03-01T00:00:00Z", "2028-02-29"),
        ("2027-03-01T00:00:00Z", "2027-02-28"),
    ],
)
def test_what_retention_will_delete_within_the_hour_is_not_promised(now: str, oldest: str) -> None:
    with frozen(now):
        promised = Coverage.promised_by(replication(backfill_from_ts="2026-01-01T00:00:00Z"))
        found = promised.after_retention(1, now=utc_now())
    assert found.backfill_from == parse_rfc3339(f"{oldest}T00:00:00Z")


def test_the_zone_of_this_test_is_the_hosts(host_zone: str, tmp_path: Path) -> None:
    """Make sure that the zones above are in force: a file's local time is that zone's."""
    path = tmp_path / "file"
    path.touch()
    os.utime(path, (0, 0))
    offset = {"America/New_York": -5, "Australia/Lord_Howe": 10, "Pacific/Kiritimati": -10 - 40 / 60}
    local = datetime.fromtimestamp(path.stat().st_mtime).replace(tzinfo=UTC)  # noqa: DTZ006
    assert local.timestamp() / 3600 == pytest.approx(offset[host_zone], abs=0.01)
