"""A duration is read as a person writes it, and written as it is read."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.domain.durations import LONGEST, Duration

WHOLE = st.integers(0, int(LONGEST.total_seconds()))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5_400),
        (" 24H ", 86_400),
        ("7d", 604_800),
        ("1d2h3m4s", 93_784),
    ],
)
def test_a_duration_is_a_number_of_each_unit_the_largest_first(text: str, seconds: int) -> None:
    assert Duration.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "-5m", "1.5h", "10 m", "30m1h", "1w", "ten", "٣m", "h", "1hm"])
def test_anything_else_is_refused_with_what_is_wanted(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration, as in 90s, 10m, 1h30m, 24h or 7d"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["31d", "721h", "999999999d999999999h"])
def test_thirty_days_are_the_most(text: str) -> None:
    with pytest.raises(ValueError, match="is longer than 30 days"):
        Duration.parse(text)


@given(WHOLE)
def test_what_is_written_is_read_back(seconds: int) -> None:
    duration = Duration(seconds=seconds)
    assert Duration.parse(str(duration)) == duration
