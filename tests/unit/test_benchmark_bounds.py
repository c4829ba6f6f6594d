"""The benchmark's bounds are the goals, and one that is missed is shown as missed."""

import pytest

from tools.benchmarks.bounds import Bound, bounds
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

MEBIBYTE = 2**20


def measured(contender: Contender, seconds: float, whole: float = 0.0, peak: int = 300) -> dict[str, Measurement]:
    costs = Costs(seconds, whole or seconds, seconds, peak * MEBIBYTE)
    return {contender.name: Measurement(contender, costs)}


def judged(
    *, ours: float = 10.0, whole: float = 1.0, peak: int = 300, two: float = 5.0, again: float = 0.7
) -> dict[str, Bound]:
    results = {
        2: measured(OURS, ours / 13, whole, peak) | measured(JOIN_OF_COPIES, 1.0, 1.2),
        10: measured(OURS, ours / 2.8) | measured(JOIN_OF_COPIES, 10.0),
        26: measured(OURS, ours)
        | measured(COUNTING, 8.0)
        | measured(RELADIFF, 110.0)
        | measured(POSTGRES_SIDE, 9.0)
        | measured(POSTGRES_BY_TWO, two)
        | measured(SEALING, 5.0)
        | measured(SEALING_AGAIN, again),
    }
    return {bound.claim: bound for bound in bounds(results, {})}


def missed(of: dict[str, Bound]) -> set[str]:
    return {claim for claim, bound in of.items() if not bound.held}


def test_a_run_that_reaches_every_goal_misses_none() -> None:
    assert not missed(judged())


@pytest.mark.parametrize(
    ("change", "claims"),
    [
        ({"ours": 10.6}, {"26 M rows: at most 1.3 × the time of counting both sides"}),
        (
            {"ours": 11.5},
            {
                "26 M rows: at most 1.3 × the time of counting both sides",
                "26 M rows: our digest proof at least 10 × faster than reladiff, tuned",
                "10 M rows: our digest proof at least 2.5 × faster than DuckDB join, copies told apart",
            },
        ),
        ({"whole": 1.3}, {"2 M rows: with the start no slower than DuckDB join, copies told apart"}),
        ({"peak": 351}, {"2 M rows: at most 350 MiB of memory"}),
        (
            {"again": 0.8},
            {"26 M rows: our seal of the lake, from a baseline at most 0.15 × our seal of the lake"},
        ),
        ({"two": 6.0}, {"26 M rows: our Postgres side, two workers at least 1.6 × faster than our Postgres side"}),
    ],
)
def test_a_goal_that_is_missed_is_shown_as_missed(change: dict[str, float], claims: set[str]) -> None:
    assert missed(judged(**change)) == claims  # type: ignore[arg-type]


def test_a_size_or_contender_that_was_not_measured_has_no_bound() -> None:
    claims = [bound.claim for bound in bounds({2: measured(OURS, 1.0)}, {})]
    assert claims == ["2 M rows: at most 350 MiB of memory"]


def test_a_start_is_held_to_that_of_pytest() -> None:
    held = {b.claim.partition(":")[0]: b.held for b in bounds({}, {}, {PYTEST: 0.2, HELP: 0.4, COLLECTING: 2.0})}
    assert held == {HELP: True, COLLECTING: False}


def test_a_fault_that_ours_does_not_name_is_a_missed_bound() -> None:
    assert [b.held for b in bounds({}, {"a fault": {OURS.name: "sensor only"}})] == [False]
