"""What the benchmark asserts: ratios within one run, and memory. What is missed is shown as missed."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from tools.benchmarks.contenders import (
    COUNTING,
    JOIN_OF_COPIES,
    OURS,
    POSTGRES_BY_TWO,
    POSTGRES_SIDE,
    RELADIFF,
    SEALING,
    SEALING_AGAIN,
    Contender,
)
from tools.benchmarks.measuring import Costs, Measurement
from tools.benchmarks.starting import COLLECTING, HELP, PYTEST

MOST_TIMES_COUNTING = 1.3
LEAST_TIMES_RELADIFF = 10.0
LEAST_TIMES_JOIN = 2.5
LEAST_TIMES_TWO_WORKERS = 1.6
MOST_OF_A_WHOLE_SEAL = 0.15
LARGE, MIDDLE, SMALL = 26, 10, 2
"""Millions of rows that a bound is of."""
MOST_PEAK_BYTES = 350 * 2**20
MOST_PEAK_GROWTH = 1.3
MOST_TIME_GROWTH = 1.5
MOST_TIMES_PYTEST = {HELP: (2.5, 0.4), COLLECTING: (8.0, 1.5)}
"""Of a start: the ratio to `pytest --version`, and the seconds that this is meant to be on the machine of 2026."""

Results = Mapping[int, Mapping[str, Measurement]]
"""By millions of rows and contender."""


@dataclass(frozen=True)
class Bound:
    """One assertion, and what was measured."""

    claim: str
    measured: str
    held: bool


def bounds(
    results: Results, faults: Mapping[str, Mapping[str, str]], starts: Mapping[str, float] | None = None
) -> list[Bound]:
    """Judge a run; `faults` is by fault and contender, `starts` seconds by what was started."""
    return [*_against_others(results), *_growth(results), *_starts(starts or {}), *_finds(faults)]


def _costs(results: Results, millions: int) -> Costs:
    costs = results[millions][OURS.name].costs
    assert costs is not None
    return costs


def _against_others(results: Results) -> Iterator[Bound]:
    if (ratio := _ratio(results, LARGE, OURS, COUNTING)) is not None:
        claim = f"{LARGE} M rows: at most {MOST_TIMES_COUNTING:g} × the time of counting both sides"
        yield Bound(claim, f"{ratio:.2f} ×", ratio <= MOST_TIMES_COUNTING)
    for millions, slow, fast, least in (
        (LARGE, RELADIFF, OURS, LEAST_TIMES_RELADIFF),
        (MIDDLE, JOIN_OF_COPIES, OURS, LEAST_TIMES_JOIN),
        (LARGE, JOIN_OF_COPIES, OURS, LEAST_TIMES_JOIN),
        (LARGE, POSTGRES_SIDE, POSTGRES_BY_TWO, LEAST_TIMES_TWO_WORKERS),
    ):
        if (ratio := _ratio(results, millions, slow, fast)) is not None:
            claim = f"{millions} M rows: {fast.name} at least {least:g} × faster than {slow.name}"
            # rounded down: what misses its bound by a hair must not seem to reach it
            yield Bound(claim, f"{math.floor(ratio * 100) / 100:.2f} ×", ratio >= least)
    if (ratio := _ratio(results, LARGE, SEALING_AGAIN, SEALING)) is not None:
        claim = f"{LARGE} M rows: {SEALING_AGAIN.name} at most {MOST_OF_A_WHOLE_SEAL:g} × {SEALING.name}"
        yield Bound(claim, f"{ratio:.2f} ×", ratio <= MOST_OF_A_WHOLE_SEAL)
    if (ratio := _ratio(results, SMALL, OURS, JOIN_OF_COPIES, whole=True)) is not None:
        claim = f"{SMALL} M rows: with the start no slower than {JOIN_OF_COPIES.name}"
        yield Bound(claim, f"{ratio:.2f} ×", ratio <= 1)


def _ratio(
    results: Results, millions: int, one: Contender, other: Contender, *, whole: bool = False
) -> float | None:
    """Return how many times the other's seconds one takes, with the start or without; `None` if not measured."""
    of_size = results.get(millions, {})
    costs = [of_size[c.name].costs for c in (one, other) if c.name in of_size]
    seconds = [each.whole_seconds if whole else each.seconds for each in costs if each is not None]
    return seconds[0] / seconds[1] if len(seconds) == 2 else None


def _starts(starts: Mapping[str, float]) -> Iterator[Bound]:
    for what, (most, meant) in MOST_TIMES_PYTEST.items():
        if what in starts:
            ratio = starts[what] / starts[PYTEST]
            claim = f"{what}: at most {most:g} × the time of {PYTEST} (meant: {meant:g} s)"
            yield Bound(claim, f"{ratio:.1f} ×, {starts[what]:.2f} s", ratio <= most)


def _growth(results: Results) -> Iterator[Bound]:
    sizes = sorted(results)
    for millions in sizes:
        peak = _costs(results, millions).peak_bytes
        claim = f"{millions} M rows: at most {MOST_PEAK_BYTES >> 20} MiB of memory"
        yield Bound(claim, f"{peak / 2**20:.0f} MiB", peak <= MOST_PEAK_BYTES)
    if len(sizes) > 1:
        growth = _costs(results, sizes[-1]).peak_bytes / _costs(results, sizes[0]).peak_bytes
        claim = f"{sizes[0]} to {sizes[-1]} M rows: memory grows at most {MOST_PEAK_GROWTH:g} ×"
        yield Bound(claim, f"{growth:.2f} ×", growth <= MOST_PEAK_GROWTH)
    for smaller, larger in pairwise(sizes):
        per_row = [_costs(results, millions).seconds / millions for millions in (smaller, larger)]
        growth = per_row[1] / per_row[0]
        claim = f"{smaller} to {larger} M rows: time per row grows at most {MOST_TIME_GROWTH:g} ×"
        yield Bound(claim, f"{growth:.2f} ×", growth <= MOST_TIME_GROWTH)


def _finds(faults: Mapping[str, Mapping[str, str]]) -> Iterator[Bound]:
    for fault, verdicts in faults.items():
        found = verdicts[OURS.name]
        yield Bound(f"finds and names: {fault}", found, found == "named")
