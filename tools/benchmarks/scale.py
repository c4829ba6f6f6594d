"""Writes the tables of docs/SCALE.md: what was measured, the model beside it, and what it says of larger sizes."""

from collections.abc import Iterable, Iterator, Sequence

from tools.benchmarks.contenders import LAKE_SIDE, OURS, POSTGRES_BY_TWO, POSTGRES_SIDE, Contender
from tools.benchmarks.figures import Figures, Size, committed
from tools.benchmarks.model import Model, Shape, checked
from tools.benchmarks.writing import table

SHAPES = (
    Shape("10⁸", 300, 91, 1e8, 16),
    Shape("10¹⁰", 10_000, 365, 1e10, 16),
    Shape("10¹²", 100_000, 1_095, 1e12, 256),
)
POSTGRES_PROCESSES = (1, 2, 8, 16, 64)
LAKE_CORES = (2, 16, 128, 1_024)
DISK_BYTES_PER_SECOND = 1e9


def scale_tables() -> Iterator[str]:
    """Return all tables, of the figures that are committed."""
    figures = committed()
    model = Model.of(figures)
    parts = (
        ("Measured", _measured(figures)),
        ("What digest lines cost the client", _lines(figures, model)),
        ("What a shard-day costs a worker", _shard_days(figures, model)),
        ("The model", _fitted(model)),
        ("The model beside what was measured", _checks(figures, model)),
        ("Larger sizes", _shapes(model)),
        ("Time of the Postgres side", _postgres(model)),
        ("Time of the lake side", _lake(model)),
    )
    for title, lines in parts:
        yield from ("", f"## {title}", "", *lines)


def _measured(figures: Figures) -> Iterator[str]:
    yield (
        f"On {figures.cores} cores, {figures.begun:%Y-%m-%d %H:%M} UTC, load average before the run"
        f" {figures.load:.1f}; seconds without the start of Python."
    )
    yield ""
    if figures.load > figures.cores:
        yield "The machine was shared: these times, and all that is modelled from them, are far too long."
        yield ""
    yield table(
        (
            "rows",
            "proof",
            "Postgres side",
            "by two workers",
            "lake side",
            "client's memory",
            "from Postgres",
            "table",
            "lake",
        ),
        (_measured_row(figures, size) for size in figures.sizes),
    )


def _measured_row(figures: Figures, size: Size) -> Sequence[str]:
    ours = figures.of(OURS)[size.millions]
    return (
        f"{size.millions} M",
        f"{ours.seconds:.1f} s",
        *(_seconds_of(figures, side, size.millions) for side in (POSTGRES_SIDE, POSTGRES_BY_TWO, LAKE_SIDE)),
        f"{ours.peak_bytes / 2**20:,.0f} MiB",
        "–" if ours.received_bytes is None else _bytes(ours.received_bytes),
        _bytes(size.table_bytes),
        f"{_bytes(size.lake_bytes)}, {size.lake_files:,} files",
    )


def _seconds_of(figures: Figures, side: Contender, millions: int) -> str:
    cost = figures.of(side).get(millions)
    return "–" if cost is None else f"{cost.seconds:.1f} s"


def _lines(figures: Figures, model: Model) -> Iterator[str]:
    yield table(
        ("lines of each side", "time to compare", "memory of the process", "memory by the model"),
        (
            (
                f"{cost.lines:,}",
                f"{cost.seconds:.2f} s",
                f"{cost.peak_bytes / 2**20:,.0f} MiB",
                f"{model.client_bytes(cost.lines) / 2**20:,.0f} MiB",
            )
            for cost in figures.lines
        ),
    )


def _shard_days(figures: Figures, model: Model) -> Iterator[str]:
    yield table(
        ("rows", "files", "time to digest", "memory of the process", "memory by the model"),
        (
            (
                f"{cost.rows:,}",
                f"{cost.files}",
                f"{cost.seconds:.2f} s",
                f"{cost.peak_bytes / 2**20:,.0f} MiB",
                "–" if cost.files == 1 else f"{model.worker_memory.at(cost.rows) / 2**20:,.0f} MiB",
            )
            for cost in figures.shard_days
        ),
    )


def _fitted(model: Model) -> Iterator[str]:
    yield table(
        ("cost", "fixed", "for each"),
        (
            ("Postgres side, one process", f"{model.postgres.fixed:.2f} s", _micros(model.postgres.each, "row")),
            (
                "lake side, processor time",
                f"{model.file_seconds * 1e3:.2f} ms a file",
                _micros(model.lake.each, "row"),
            ),
            ("table", "–", f"{model.table_bytes.each:.0f} B a row"),
            ("lake", "–", f"{model.lake_bytes.each:.1f} B a row"),
            ("sent by Postgres", "–", f"{model.sent_per_line:.0f} B a digest line"),
            (
                "client's memory",
                f"{model.line_memory.fixed / 2**20:,.0f} MiB",
                f"{model.line_memory.each:,.0f} B a digest line",
            ),
            (
                "client's time",
                f"{model.line_seconds.fixed:.2f} s",
                _micros(model.line_seconds.each, "digest line"),
            ),
            (
                "a worker's memory",
                f"{model.worker_memory.fixed / 2**20:,.0f} MiB",
                f"{model.worker_memory.each:,.0f} B a row of a shard-day",
            ),
            ("two workers in Postgres, on two cores", "–", f"{model.efficiency:.0%} of twice as fast"),
        ),
    )


def _checks(figures: Figures, model: Model) -> Iterator[str]:
    yield table(
        ("cost", "rows", "measured", "model", "error"),
        (
            (
                check.what,
                f"{check.millions} M",
                f"{check.measured:.2f}",
                f"{check.modelled:.2f}",
                _percent(check.error),
            )
            for check in checked(figures, model)
        ),
    )


def _shapes(model: Model) -> Iterator[str]:
    yield table(
        (
            "rows",
            "sensors × days",
            "digest lines",
            "client's memory",
            "to compare",
            "from Postgres",
            "table to read",
            "lake to read",
            "rows of a shard-day",
            "a worker's memory",
        ),
        (
            (
                shape.name,
                f"{shape.sensors:,} × {shape.days:,}",
                f"{shape.lines:,}",
                _bytes(model.client_bytes(shape.lines)),
                _time(model.line_seconds.at(shape.lines)),
                _bytes(model.sent_bytes(shape.lines)),
                _bytes(model.table_bytes.each * shape.rows),
                f"{_bytes(model.lake_bytes.each * shape.rows)}, {shape.files:,} files",
                f"{shape.rows / shape.files:,.0f}",
                _bytes(model.worker_bytes(shape)),
            )
            for shape in SHAPES
        ),
    )


def _postgres(model: Model) -> Iterator[str]:
    head = [f"{count} process{'' if count == 1 else 'es'}" for count in POSTGRES_PROCESSES]
    yield table(
        ("rows", *head, "to read the table at 1 GB/s"),
        (
            (
                shape.name,
                *_times(model.postgres_seconds(shape.rows, count) for count in POSTGRES_PROCESSES),
                _time(model.table_bytes.each * shape.rows / DISK_BYTES_PER_SECOND),
            )
            for shape in SHAPES
        ),
    )


def _lake(model: Model) -> Iterator[str]:
    yield table(
        ("rows", *(f"{cores:,} cores" for cores in LAKE_CORES), "to read the lake at 1 GB/s"),
        (
            (
                shape.name,
                *_times(model.lake_seconds(shape, cores) for cores in LAKE_CORES),
                _time(model.lake_bytes.each * shape.rows / DISK_BYTES_PER_SECOND),
            )
            for shape in SHAPES
        ),
    )


def _times(seconds: Iterable[float]) -> Iterator[str]:
    return map(_time, seconds)


def _time(seconds: float) -> str:
    for unit, length in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return (
                f"{seconds / length:.2g} {unit}" if seconds < 100 * length else f"{seconds / length:,.0f} {unit}"
            )
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def _percent(error: float) -> str:
    rounded = round(100 * error)
    return f"{rounded:+d} %" if rounded else "0 %"


def _micros(seconds: float, of: str) -> str:
    return f"{seconds * 1e6:.3f} µs a {of}"


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number / 1e3:,.1f} kB"
