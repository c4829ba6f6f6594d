"""The readings that the benchmark compares: 300 sensors over 90 days, made by a seed, a day at a time.

They are tame on purpose, so that every tool can read them: ids of 24 hex digits, finite values of two decimals.
What is not tame (NaN, infinities, doubles of full precision, hand-made ids) our own tests are full of.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from fixtures.farm.plan import FarmSensor, FarmSpec, Role
from fixtures.farm.readings import Farm, Series
from tsse_validation.domain.instants import day_start, to_micros, utc_day

SENSORS = 300
DAYS = 90
TARGET = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""Up to here the lake is filled, exclusive; all rows were inserted by then."""
START = TARGET - timedelta(days=DAYS)

_SEED = 20_260_301
_FASTEST, _SLOWEST = 30.0, 1_800.0
_SECOND = 1_000_000
_ODD_QUALITY = 0.02
_NO_INSERTED_AT = 0.05
_LEGACY_DAYS = 45
"""Older rows may have no `inserted_at`."""


@dataclass(frozen=True)
class Sensor:
    """One sensor: its id, and how and how often it reports."""

    sensor_id: str
    interval_micros: int
    whole_seconds: bool
    base: float
    swing: float


def plan(rows: int) -> tuple[Sensor, ...]:
    """Return the sensors that together give about `rows` readings; their intervals span 1 : 60."""
    rng = np.random.default_rng(_SEED)
    ladder = _FASTEST * (_SLOWEST / _FASTEST) ** np.linspace(0, 1, SENSORS)
    expected = (timedelta(days=DAYS).total_seconds() / ladder).sum()
    intervals = rng.permutation(ladder * expected / rows)
    return tuple(
        Sensor(
            rng.bytes(12).hex(),
            round(interval * _SECOND),
            rng.random() < 0.5,
            rng.uniform(-20, 400),
            rng.uniform(1, 30),
        )
        for interval in intervals
    )


def days() -> Iterator[date]:
    """Yield the UTC days that have readings."""
    day = utc_day(START)
    while day_start(day) < TARGET:
        yield day
        day += timedelta(days=1)


def farm_of_day(sensors: tuple[Sensor, ...], day: date) -> Farm:
    """Return one day of all sensors, in the form that a farm is loaded in."""
    return Farm(
        FarmSpec(sensors=len(sensors), days=DAYS, now=TARGET),
        tuple(FarmSensor(s.sensor_id, Role.REGULAR, 30, START) for s in sensors),
        {sensor.sensor_id: _series(sensor, number, day) for number, sensor in enumerate(sensors)},
    )


def _series(sensor: Sensor, number: int, day: date) -> Series:
    rng = np.random.default_rng([_SEED, number, day.toordinal()])
    first, last = to_micros(max(day_start(day), START)), to_micros(min(day_start(day) + timedelta(days=1), TARGET))
    ts = np.arange(first + rng.integers(0, sensor.interval_micros), last, sensor.interval_micros, dtype=np.int64)
    if sensor.whole_seconds:
        ts = np.unique(ts - ts % _SECOND)
    value = sensor.base + sensor.swing * np.sin(ts / (86_400 * _SECOND) * 2 * np.pi)
    value += rng.normal(0, sensor.swing / 20, len(ts))
    odd = rng.random(len(ts)) < _ODD_QUALITY
    inserted = ts + rng.integers(_SECOND // 10, 20 * _SECOND, len(ts))
    legacy = (rng.random(len(ts)) < _NO_INSERTED_AT) & (day < utc_day(TARGET) - timedelta(days=_LEGACY_DAYS))
    return Series(
        ts,
        np.round(value, 2),
        np.where(odd, rng.choice((1, 2, 3, 64, 192, -1), len(ts)), 0).astype(np.int16),
        np.minimum(inserted, to_micros(TARGET)),
        legacy,
    )
