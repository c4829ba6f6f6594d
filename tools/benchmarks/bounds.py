"""What the benchmark asserts: ratios within one run, never absolute times."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from tools.benchmarks.contenders import COUNTING, OURS, RELADIFF
from tools.benchmarks.measuring import Costs, Measurement

MOST_TIMES_COUNTING = 3.0
LEAST_TIMES_RELADIFF = 10.0
MOST_PEAK_BYTES = 512 * 2**20
MOST_PEAK_GROWTH = 1.3
MOST_TIME_GROWTH = 1.5

Results = Mapping[int, Mapping[str, Measurement]]
"""By millions of rows and contender."""


@dataclass(frozen=True)
class Bound:
    """One assertion, and what was measured."""

    claim: str
    measured: str
    held: bool


def bounds(results: Results, faults: Mapping[str, Mapping[str, str]]) -> list[Bound]:
    """Judge a run; `faults` is by fault and contender."""
    return [*_against_others(results), *_growth(results), *_finds(faults)]


def _costs(results: Results, millions: int) -> Costs:
    costs = results[millions][OURS.name].costs
    assert costs is not None
    return costs


def _against_others(results: Results) -> Iterator[Bound]:
    for millions, of_size in results.items():
        ours = _costs(results, millions)
        if (counting := of_size.get(COUNTING.name)) and counting.costs:
            ratio = ours.seconds / counting.costs.seconds
            claim = f"{millions} M rows: at most {MOST_TIMES_COUNTING:g} × the time of counting both sides"
            yield Bound(claim, f"{ratio:.1f} ×", ratio <= MOST_TIMES_COUNTING)
        reladiff = of_size.get(RELADIFF.name)
        seconds = reladiff and (reladiff.costs.seconds if reladiff.costs else reladiff.timed_out_after)
        if reladiff and seconds:
            ratio = seconds / ours.seconds
            claim = f"{millions} M rows: at least {LEAST_TIMES_RELADIFF:g} × faster than {RELADIFF.name}"
            yield Bound(claim, f"{'' if reladiff.costs else '> '}{ratio:.1f} ×", ratio >= LEAST_TIMES_RELADIFF)


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
