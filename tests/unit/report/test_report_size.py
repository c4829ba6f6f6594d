"""The page stays one that can be mailed and opened, whatever the run's size."""

from tools.benchmarks.report import LARGE_FARM, MOST_BYTES, ours


def test_five_thousand_checks_and_ninety_days_of_a_thousand_sensors_stay_below_the_bound() -> None:
    assert len(ours(5_000, LARGE_FARM)) < MOST_BYTES
