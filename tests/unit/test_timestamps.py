"""Instants and shards, as both sides write them."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.support.clocks import frozen
from tsse_validation.domain.instants import (
    DAY,
    MICROSECOND,
    Instant,
    day_start,
    format_rfc3339,
    from_micros,
    latest_meant,
    parse_rfc3339,
    require_utc,
    to_micros,
    utc_day,
    utc_now,
)
from tsse_validation.domain.phrasing import milliseconds
from tsse_validation.lake.shards import shard_of

INSTANTS = st.datetimes(timezones=st.just(UTC))
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
ADAPTER: TypeAdapter[datetime] = TypeAdapter(Instant)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-01-24T16:29:48+00:00", 0),
        ("2026-01-24T16:29:48.358+00:00", 358_000),
        ("2026-01-24T16:29:48.358904+00:00", 358_904),
        ("2026-01-24T16:29:48.358904123+00:00", 358_904),
        ("2026-01-24T16:29:48.3Z", 300_000),
        ("2026-01-24t16:29:48z", 0),
        ("2026-01-24 16:29:48Z", 0),
        (" 2026-01-24T16:29:48Z\n", 0),
        ("2026-01-24T18:29:48.000001+02:00", 1),
        ("2026-01-24T11:29:48-05:00", 0),
    ],
)
def test_every_written_form_of_an_instant_is_read_in_utc(text: str, micros: int) -> None:
    parsed = parse_rfc3339(text)
    assert parsed == datetime(2026, 1, 24, 16, 29, 48, micros, tzinfo=UTC)
    assert parsed.tzinfo is UTC


def test_nanoseconds_are_cut_off_and_never_rounded_up() -> None:
    assert parse_rfc3339("2026-01-24T23:59:59.999999999Z") == datetime(
        2026, 1, 24, 23, 59, 59, 999_999, tzinfo=UTC
    )


@given(INSTANTS, st.integers(0, 999))
def test_the_last_three_of_nine_digits_change_nothing(instant: datetime, nanos: int) -> None:
    text = format_rfc3339(instant).replace("+00:00", f"{nanos:03d}+00:00")
    assert parse_rfc3339(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-24T16:29:48",
        "2026-01-24",
        "2026-01-24T16:29Z",
        "2026-01-24T16:29:48.Z",
        "2026-01-24T16:29:48.1234567890Z",
        "2026-01-24T16:29:48+0000",
        "2026-02-30T00:00:00Z",
        "2026-01-24T24:00:00Z",
        "2026-01-24T16:29:48+25:00",
        "٢٠٢٦-01-24T16:29:48Z",
        "now",
        "",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_what_is_no_instant_with_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_rfc3339(text)


@given(st.text())
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        parsed = parse_rfc3339(text)
    except ValueError:
        return
    assert parsed.tzinfo is UTC


def test_a_refusal_shows_only_the_beginning_of_a_long_text() -> None:
    with pytest.raises(ValueError, match="not an RFC 3339 timestamp") as caught:
        parse_rfc3339("x" * 10_000)
    assert len(str(caught.value)) < 150


@given(INSTANTS)
def test_what_is_written_reads_back_to_the_microsecond(instant: datetime) -> None:
    text = format_rfc3339(instant)
    assert text.endswith("+00:00")
    assert len(text.split(".")[1]) == len("123456+00:00")
    assert parse_rfc3339(text) == instant


@given(INSTANTS)
def test_microseconds_since_the_epoch_are_exact_both_ways(instant: datetime) -> None:
    assert from_micros(to_micros(instant)) == instant


@given(INSTANTS, INSTANTS)
def test_microseconds_keep_the_order_of_instants(one: datetime, other: datetime) -> None:
    assert (one < other) == (to_micros(one) < to_micros(other))


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=OFFSETS))  # noqa: DTZ001
def test_an_instant_of_another_zone_is_the_same_instant_in_utc(instant: datetime) -> None:
    assert require_utc(instant) == instant
    assert require_utc(instant).utcoffset() == timedelta(0)
    assert utc_day(instant) == instant.astimezone(UTC).date()


@pytest.mark.parametrize("use", [require_utc, to_micros, utc_day, format_rfc3339])
def test_a_naive_instant_is_refused_wherever_it_is_given(use: object) -> None:
    assert callable(use)
    with pytest.raises(ValueError, match="naive datetime"):
        use(datetime(2026, 1, 24))  # noqa: DTZ001


@given(st.dates(min_value=date(1, 1, 2), max_value=date(9999, 12, 30)))
def test_a_day_reaches_from_its_first_to_its_last_microsecond(day: date) -> None:
    first = day_start(day)
    assert utc_day(first) == day
    assert utc_day(first - MICROSECOND) == day - DAY
    assert utc_day(first + DAY - MICROSECOND) == day


def test_an_instant_field_takes_text_and_aware_datetimes_and_writes_text() -> None:
    aware = datetime(2026, 1, 24, 18, 0, tzinfo=timezone(timedelta(hours=2)))
    assert ADAPTER.validate_python(aware) == ADAPTER.validate_python("2026-01-24T16:00:00Z")
    assert ADAPTER.dump_python(aware, mode="json") == "2026-01-24T16:00:00.000000+00:00"


@pytest.mark.parametrize("value", [1_769_272_188, 1.5, None, True, datetime(2026, 1, 24), "yesterday"])  # noqa: DTZ001
def test_an_instant_field_refuses_numbers_and_naive_times(value: object) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(value)


def test_an_instant_beyond_the_calendar_is_a_wrong_value_and_no_crash() -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python("0001-01-01T00:00:00+01:00")


@pytest.mark.parametrize(
    ("written", "latest"),
    [
        ("2026-01-24T16:29:48+00:00", "2026-01-24T16:29:48.999999+00:00"),
        ("2026-01-24T16:29:48.358+00:00", "2026-01-24T16:29:48.358999+00:00"),
        ("2026-01-24T16:29:48.358904+00:00", "2026-01-24T16:29:48.358904+00:00"),
        ("2026-01-24T16:29:48.358904999+00:00", "2026-01-24T16:29:48.358904+00:00"),
    ],
)
def test_a_timestamp_may_have_been_cut_to_the_digits_that_it_has(written: str, latest: str) -> None:
    assert latest_meant(parse_rfc3339(written)) == parse_rfc3339(latest)


@frozen("2026-01-24T16:29:48.358904Z")
def test_the_present_is_in_utc_to_the_microsecond() -> None:
    assert format_rfc3339(utc_now()) == "2026-01-24T16:29:48.358904+00:00"


def test_a_short_duration_is_written_in_milliseconds() -> None:
    assert milliseconds(0.00321) == "3.2 ms"


@pytest.mark.parametrize(
    ("sensor_id", "shards", "shard"),
    # xxh3_64 of "" is 0x2d06800538d394c2 and of "a" is 0xe6c632b61e964e1f, by the algorithm's own test vectors
    [("", 16, "02"), ("a", 16, "15"), ("a", 100, f"{0xE6C632B61E964E1F % 100:02d}"), ("anything", 1, "00")],
)
def test_a_shard_is_the_xxh3_hash_of_the_id_modulo_the_shards(sensor_id: str, shards: int, shard: str) -> None:
    assert shard_of(sensor_id, shards) == shard


@given(st.text(alphabet=st.characters(codec="utf-8")), st.integers(1, 100))
def test_every_id_has_one_shard_of_two_digits_below_their_number(sensor_id: str, shards: int) -> None:
    shard = shard_of(sensor_id, shards)
    assert len(shard) == 2
    assert 0 <= int(shard) < shards
    assert shard_of(sensor_id, shards) == shard
