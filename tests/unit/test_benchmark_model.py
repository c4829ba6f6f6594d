"""The model of larger sizes gives back what it was fitted to, and is made of the figures that are committed."""

from datetime import UTC, datetime

import pytest

from tools.benchmarks.contenders import LAKE_SIDE, OURS, POSTGRES_BY_TWO, POSTGRES_SIDE
from tools.benchmarks.figures import Cost, Figures, LineCost, ShardDayCost, Size, committed
from tools.benchmarks.model import Model, Shape, checked, line_through

ROWS = {2: 2_000_000, 26: 26_000_000, 100: 100_000_000}
LINES = 27_300
FILES = 1_600


def cost(contender: str, millions: int, seconds: float, cpu: float) -> Cost:
    return Cost(
        millions=millions,
        contender=contender,
        seconds=seconds,
        whole_seconds=seconds + 0.5,
        cpu_seconds=cpu,
        server_cpu_seconds=None,
        peak_bytes=300_000_000,
        received_bytes=LINES * 100,
    )


def figures() -> Figures:
    """Return figures of a Postgres with 1 s + 0.5 µs a row, and a lake with 1 ms a file + 0.3 µs a row."""
    costs = []
    for millions, rows in ROWS.items():
        postgres, lake = 1 + 0.5e-6 * rows, 1e-3 * FILES + 0.3e-6 * rows
        costs += [
            cost(POSTGRES_SIDE.name, millions, postgres, 0.1),
            cost(POSTGRES_BY_TWO.name, millions, postgres / 1.8, 0.1),
            cost(LAKE_SIDE.name, millions, lake / 2, lake),
            cost(OURS.name, millions, postgres, lake),
        ]
    return Figures(
        begun=datetime(2026, 3, 1, tzinfo=UTC),
        load=0.1,
        cores=2,
        sizes=tuple(
            Size(
                millions=millions,
                rows=rows,
                table_bytes=93 * rows,
                lake_files=FILES,
                lake_bytes=15 * rows,
                digest_lines=LINES,
            )
            for millions, rows in ROWS.items()
        ),
        costs=tuple(costs),
        lines=tuple(
            LineCost(lines=n, seconds=1e-5 * n, peak_bytes=100_000_000 + 500 * n) for n in (LINES, 10 * LINES)
        ),
        shard_days=tuple(
            ShardDayCost(rows=n, files=files, seconds=1e-7 * n, peak_bytes=150_000_000 + 5 * files * n)
            for n in (100_000, 4_000_000)
            for files in (1, 8)
        ),
    )


def test_a_line_gives_back_the_points_that_lie_on_it() -> None:
    line = line_through([(x, 3 + 2 * x) for x in (1, 10, 1_000)])
    assert [line.fixed, line.each] == pytest.approx([3, 2])
    assert line.at(5) == pytest.approx(13)


@pytest.mark.parametrize("points", [[(1.0, 1.0), (2.0, 4.0)], [(1.0, 4.0), (100.0, 3.0)]])
def test_no_part_of_a_cost_is_below_zero(points: list[tuple[float, float]]) -> None:
    line = line_through(points)
    assert line.fixed >= 0
    assert line.each >= 0


def test_a_line_needs_two_points() -> None:
    with pytest.raises(ValueError, match="two points"):
        line_through([(1, 1)])


def test_the_model_finds_the_costs_that_the_figures_were_made_of() -> None:
    model = Model.of(figures())
    assert [model.postgres.fixed, model.postgres.each] == pytest.approx([1, 0.5e-6])
    assert [model.file_seconds, model.lake.each] == pytest.approx([1e-3, 0.3e-6])
    assert [model.sent_per_line, model.efficiency] == pytest.approx([100, 0.9])
    assert all(abs(check.error) < 1e-6 for check in checked(figures(), model) if check.what.startswith("Postgres"))


def test_ten_times_the_cores_read_the_lake_in_a_tenth_of_the_time() -> None:
    model, shape = Model.of(figures()), Shape("large", 1_000, 365, 1e10, 16)
    assert model.lake_seconds(shape, 20) == pytest.approx(model.lake_seconds(shape, 2) / 10)
    assert model.lake_seconds(shape, 1) == pytest.approx(1e-3 * 16 * 365 + 3_000)


def test_the_clients_memory_grows_with_sensors_and_days_and_not_with_rows() -> None:
    model = Model.of(figures())
    assert model.client_bytes(1_000_000) == pytest.approx(100_000_000 + 500_000_000)
    assert model.sent_bytes(1_000_000) == pytest.approx(100_000_000)


def test_a_workers_memory_grows_with_the_rows_of_a_shard_day_in_several_files_and_not_with_the_lake() -> None:
    model = Model.of(figures())
    small, large = (Shape("a lake", 1_000, days, 1e6 * 16 * days, 16) for days in (10, 1_000))
    assert model.worker_bytes(small) == pytest.approx(150_000_000 + 40_000_000)
    assert model.worker_bytes(large) == pytest.approx(model.worker_bytes(small))


def test_the_committed_figures_can_be_modelled() -> None:
    assert all(check.modelled > 0 for check in checked(committed(), Model.of(committed())))
