"""A run of the benchmark becomes a page for people and figures for the model, and both say the same."""

from datetime import UTC, datetime
from pathlib import Path

from tools.benchmarks.case import Answer
from tools.benchmarks.contenders import ALL, COUNTING, DATACOMPY, OURS
from tools.benchmarks.dataset import DataSet
from tools.benchmarks.figures import PATH, Figures, LineCost, ShardDayCost, committed
from tools.benchmarks.measuring import Costs, Measurement
from tools.benchmarks.starting import COLLECTING, HELP, PYTEST, PYTHON
from tools.benchmarks.table import Run, bounds_of, figures_of, markdown

FAULT = "a value off by one ulp"


def run() -> Run:
    equal = Answer(26_000_000, differs=False)
    of_large = {
        OURS.name: Measurement(OURS, Costs(12.0, 13.5, 11.0, 310 << 20, 9.0), equal, 3_200_000, runs=3),
        COUNTING.name: Measurement(COUNTING, Costs(8.0, 8.4, 12.0, 2400 << 20, 4.5), equal, 10_000, runs=3),
        DATACOMPY.name: Measurement(DATACOMPY, failure="more than 11 GiB of memory"),
    }
    return Run(
        begun=datetime(2026, 3, 1, 8, tzinfo=UTC),
        engine="0" * 12,
        postgres="18.6",
        load=0.1,
        data={26: DataSet(26, 26_000_000, "bench_26m", Path("hot"), 1_616, 390_000_000, 2_400_000_000)},
        results={26: of_large},
        faults={FAULT: {OURS.name: "named", COUNTING.name: "missed"}},
        starts={PYTHON: 0.02, PYTEST: 0.2, HELP: 0.4, COLLECTING: 3.2},
        lines=(LineCost(lines=27_300, seconds=0.1, peak_bytes=200 << 20),),
        shard_days=(ShardDayCost(rows=100_000, files=8, seconds=0.1, peak_bytes=200 << 20),),
        limit_seconds=300.0,
        memory_limit=11 << 30,
    )


def cells(page: str, start: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(start))
    return line.strip("| ").split(" | ")


def test_the_page_has_each_contender_with_its_start_and_what_it_failed_of() -> None:
    page = markdown(run())
    assert cells(page, f"| 26 M | {OURS.name} |")[2:5] == ["12.00 s", "1.0 ×", "13.50 s"]
    assert cells(page, f"| 26 M | {COUNTING.name} |")[2:5] == ["8.00 s", "0.7 ×", "8.40 s"]
    assert cells(page, f"| 26 M | {DATACOMPY.name} |")[2:4] == ["more than 11 GiB of memory", "–"]


def test_the_page_shows_what_is_missed() -> None:
    page = markdown(run())
    assert cells(page, "| 26 M rows: at most 1.3 ×")[-1] == "**no**"
    assert cells(page, f"| {COLLECTING}: at most")[-1] == "**no**"
    assert sum(not bound.held for bound in bounds_of(run())) == page.count("**no**")


def test_the_figures_are_those_of_the_page_and_read_back() -> None:
    figures = figures_of(run())
    assert [(cost.contender, cost.seconds) for cost in figures.costs] == [(OURS.name, 12.0), (COUNTING.name, 8.0)]
    assert figures.sizes[0].digest_lines == 300 * 91
    assert Figures.model_validate_json(figures.model_dump_json()) == figures


def test_the_committed_figures_are_of_contenders_that_there_are() -> None:
    assert PATH.is_file()
    assert {cost.contender for cost in committed().costs} <= {contender.name for contender in ALL}
