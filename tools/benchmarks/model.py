"""The cost of a proof at sizes that were not measured, from lines through what was. Pure: figures in, figures out.

Each cost is a fixed part and one for each row (or file, or digest line), fitted so that the sum of the squared
relative errors is least: a point at 2 M rows counts as much as one at 100 M.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tools.benchmarks.contenders import LAKE_SIDE, OURS, POSTGRES_BY_TWO, POSTGRES_SIDE, Contender
from tools.benchmarks.figures import Figures

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A cost: `fixed` and `each`, in seconds or bytes."""

    fixed: float
    each: float

    def at(self, number: float) -> float:
        """Return the cost of so many."""
        return self.fixed + self.each * number


def line_through(points: Sequence[Point]) -> Line:
    """Return the line whose relative errors at some points are least; neither part is below zero.

    Raises:
        ValueError: there are fewer than two points.
    """
    if len(points) < 2:
        raise ValueError("a line needs two points")
    number, cost = np.array(points, dtype=np.float64).T
    fixed, each = np.linalg.lstsq(np.column_stack([1 / cost, number / cost]), np.ones(len(points)), rcond=None)[0]
    if fixed < 0:
        slopes = number / cost
        fixed, each = 0.0, slopes.sum() / (slopes * slopes).sum()
    elif each < 0:
        fixed, each = 1 / float((1 / cost).mean()), 0.0
    return Line(float(fixed), float(each))


@dataclass(frozen=True)
class Checked:
    """A measured point beside what the model says of it."""

    what: str
    millions: int
    measured: float
    modelled: float

    @property
    def error(self) -> float:
        """How far the model is off, relative to what was measured."""
        return self.modelled / self.measured - 1


@dataclass(frozen=True)
class Shape:
    """A size to be modelled: rows of so many sensors over so many days, in so many shards' files a day."""

    name: str
    sensors: int
    days: int
    rows: float
    shards: int

    @property
    def lines(self) -> int:
        """Digest lines of one side."""
        return self.sensors * self.days

    @property
    def files(self) -> int:
        """Files of the lake, and its shard-days."""
        return self.shards * self.days


@dataclass(frozen=True)
class Model:
    """Costs by rows: seconds of one server process, processor seconds of the lake's readers, and bytes.

    `file_seconds` are those of one file of the lake beside its rows; `line_memory` and `line_seconds` are by
    digest lines of each side, `worker_memory` by rows of a shard-day in several files.
    """

    postgres: Line
    lake: Line
    table_bytes: Line
    lake_bytes: Line
    line_memory: Line
    line_seconds: Line
    worker_memory: Line
    sent_per_line: float
    file_seconds: float
    efficiency: float

    @classmethod
    def of(cls, figures: Figures) -> "Model":
        """Fit a run's figures."""
        rows = {size.millions: size.rows for size in figures.sizes}
        lake = line_through([(rows[m], cost.cpu_seconds) for m, cost in figures.of(LAKE_SIDE).items()])
        return cls(
            postgres=line_through([(rows[m], cost.seconds) for m, cost in figures.of(POSTGRES_SIDE).items()]),
            lake=lake,
            table_bytes=line_through([(size.rows, size.table_bytes) for size in figures.sizes]),
            lake_bytes=line_through([(size.rows, size.lake_bytes) for size in figures.sizes]),
            line_memory=line_through([(cost.lines, cost.peak_bytes) for cost in figures.lines]),
            line_seconds=line_through([(cost.lines, cost.seconds) for cost in figures.lines]),
            worker_memory=line_through(
                [(cost.rows, cost.peak_bytes) for cost in figures.shard_days if cost.files > 1]
            ),
            sent_per_line=_sent_per_line(figures),
            file_seconds=lake.fixed / figures.sizes[0].lake_files,
            efficiency=_efficiency(figures),
        )

    def postgres_seconds(self, rows: float, processes: int) -> float:
        """Return the Postgres side's seconds by so many processes at once, as efficient as two workers were."""
        one = self.postgres.at(rows)
        return one if processes == 1 else one / (processes * self.efficiency)

    def lake_seconds(self, shape: Shape, cores: int) -> float:
        """Return the lake side's seconds on so many cores, on however many hosts."""
        return (self.file_seconds * shape.files + self.lake.each * shape.rows) / cores

    def client_bytes(self, lines: float) -> float:
        """Return the memory of whoever compares so many lines of each side."""
        return self.line_memory.at(lines)

    def worker_bytes(self, shape: Shape) -> float:
        """Return the memory of a worker, which digests one shard-day of that many rows at a time."""
        return self.worker_memory.at(shape.rows / shape.files)

    def sent_bytes(self, lines: float) -> float:
        """Return what Postgres sends, which does not grow with rows."""
        return self.sent_per_line * lines


def checked(figures: Figures, model: Model) -> Iterator[Checked]:
    """Put every measured point beside the model's."""
    rows = {size.millions: size.rows for size in figures.sizes}
    for m, cost in figures.of(POSTGRES_SIDE).items():
        yield Checked("Postgres side, seconds", m, cost.seconds, model.postgres.at(rows[m]))
    for m, cost in figures.of(LAKE_SIDE).items():
        yield Checked("lake side, processor seconds", m, cost.cpu_seconds, model.lake.at(rows[m]))
    for m, cost in figures.of(OURS).items():
        postgres = model.postgres.at(rows[m])
        both = (postgres + model.lake.at(rows[m])) / figures.cores
        yield Checked("whole proof, seconds", m, cost.seconds, max(postgres, both))


def _of_largest(figures: Figures, contender: Contender) -> int:
    return max(figures.of(contender), default=0)


def _sent_per_line(figures: Figures) -> float:
    lines = {size.millions: size.digest_lines for size in figures.sizes}
    sent = [cost.received_bytes / lines[m] for m, cost in figures.of(OURS).items() if cost.received_bytes]
    return max(sent)


def _efficiency(figures: Figures) -> float:
    """Return what of two processes' time two processes save, as measured at the largest size; never above one."""
    largest = _of_largest(figures, POSTGRES_BY_TWO)
    one, two = figures.of(POSTGRES_SIDE)[largest], figures.of(POSTGRES_BY_TWO)[largest]
    return min(one.seconds / two.seconds / 2, 1.0)
