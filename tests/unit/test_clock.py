from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import WATERMARK
from tsse_validation.clients.clock import SKEW_SECONDS, ControllerClock

OURS = WATERMARK.replace(microsecond=0)


def http_date(instant: datetime) -> str:
    return format_datetime(instant, usegmt=True)


@given(st.integers(-100_000, 100_000))
def test_an_offset_is_told_once_it_is_more_than_whole_seconds_can_hide(seconds: int) -> None:
    clock = ControllerClock(http_date(OURS + timedelta(seconds=seconds)), lambda: OURS)
    assert clock.skewed == (abs(seconds) > SKEW_SECONDS)
    assert clock.now() == OURS + timedelta(seconds=seconds if clock.skewed else 0)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "yesterday",
        "Sat, 24 Jan 2026",
        "Sat, 24 Jan 2026 16:29:48 -0000",
        "Sat, 99 Jan 2026 16:29:48 GMT",
    ],
)
def test_without_a_date_that_can_be_read_our_own_clock_stands(header: str | None) -> None:
    clock = ControllerClock(header, lambda: OURS)
    assert not clock.skewed
    assert clock.now() == OURS


@given(
    st.text(max_size=40) | st.from_regex(r"\w{3}, \d{1,2} Jan \d{1,5} \d\d:\d\d:\d\d [+-]\d{4}", fullmatch=True)
)
def test_no_header_breaks_the_clock(header: str) -> None:
    assert ControllerClock(header, lambda: OURS).now().tzinfo is not None


def test_an_age_is_measured_by_the_controllers_clock() -> None:
    clock = ControllerClock(http_date(OURS + timedelta(hours=1)), lambda: OURS)
    assert clock.age_seconds(OURS) == 3600
    assert clock.age_seconds(OURS + timedelta(hours=2)) == -3600


def test_what_is_not_known_is_infinitely_old() -> None:
    assert ControllerClock(None, lambda: OURS).age_seconds(None) == float("inf")


@freeze_time(OURS)
def test_our_own_clock_is_the_present() -> None:
    assert ControllerClock(None).now() == OURS
