"""Writes a run of the benchmark as Markdown: the figures, the faults, and what held."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import tsse_validation
from tools.benchmarks import bounds, measuring, readings
from tools.benchmarks.contenders import ALL, OURS
from tools.benchmarks.dataset import DataSet
from tools.benchmarks.figures import Cost, Figures, LineCost, ShardDayCost, Size
from tools.benchmarks.measuring import Measurement
from tools.benchmarks.starting import PYTEST, PYTHON
from tools.benchmarks.writing import processor, table

_PACKAGES = ("duckdb", "pyarrow", "psycopg", "numpy", "reladiff", "datacompy", "polars")
_HEAD = (
    "rows",
    "contender",
    "time",
    "of ours",
    "with start",
    "CPU client",
    "CPU server",
    "peak memory",
    "from Postgres",
    "runs",
)


_NO_OTHERS = "the others would take ten minutes and more, or more memory than there is"
_GOOGLE = """\
`google-pso-data-validator` 8.10.1 has no place in the table: it cannot compare row hashes between Postgres and
Parquet files. It was tried on the 2,017 rows of one of the 1,616 files, in an environment of its own, for it needs
numpy below 2 and pyarrow 14:

- `validate row --hash value,quality` ends with `OperationNotDefinedError: Operation is not implemented for this
  backend with signature: execute_node(HashBytes, Series)`. Files are read whole into pandas, by ibis 7.1, where
  its hash has no implementation; it has none between two such files either.
- `--filters` ends with `Binary operation RawSQL not implemented` where one side is a file: a day or some sensors
  cannot be compared, but by a view in Postgres.
- `--concat value,quality` runs, and calls 20 of the 2,017 equal rows wrong: Postgres writes 184 where pandas has
  184.0 (`1840` against `184.00`).
- `--comparison-fields value,quality` runs, and finds these rows equal: both sides are loaded whole into pandas and
  joined there, copies of a key not told apart. That way stands in the table by datacompy."""


@dataclass(frozen=True)
class Run:
    """All that a run has found; `faults` is by fault and contender, `starts` seconds by what was started."""

    begun: datetime
    engine: str
    postgres: str
    load: float
    data: Mapping[int, DataSet]
    results: bounds.Results
    faults: Mapping[str, Mapping[str, str]]
    starts: Mapping[str, float]
    lines: Sequence[LineCost]
    shard_days: Sequence[ShardDayCost]
    limit_seconds: float
    memory_limit: int


def markdown(run: Run) -> str:
    """Return the whole page."""
    parts = [
        "# Benchmark of the parity proof",
        "Made by `tox -e bench`; do not edit. What is measured and how is said in the modules beside this page.",
        "\n".join(_circumstances(run)),
        "## Cost",
        table(
            _HEAD,
            (
                _cost_row(run, millions, each)
                for millions in run.results
                for each in run.results[millions].values()
            ),
        ),
        "\n".join(_remarks(run)),
        "## Google's data validator",
        _GOOGLE,
        "## Start",
        table(
            ("what", "time", f"of {PYTHON}", f"of {PYTEST}"),
            (
                (
                    what,
                    f"{seconds:.2f} s",
                    f"{seconds / run.starts[PYTHON]:.1f} ×",
                    f"{seconds / run.starts[PYTEST]:.1f} ×",
                )
                for what, seconds in run.starts.items()
            ),
        ),
        "## Faults",
        f"One at a time, in a copy of the lake of {min(run.data)} M rows; the fault's day is compared.",
        table(
            ("fault", *(c.name for c in ALL if c.compares)),
            ((fault, *found.values()) for fault, found in run.faults.items()),
        ),
        "## Bounds",
        table(
            ("bound", "measured", "held"),
            ((b.claim, b.measured, "yes" if b.held else "**no**") for b in bounds_of(run)),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a page can be made of figures alone
        return "not installed"


def _circumstances(run: Run) -> Iterator[str]:
    yield f"- {run.begun:%Y-%m-%d %H:%M} UTC, load average before the run {run.load:.1f}"
    yield f"- the engine's sources have the digest {run.engine}"
    memory = measuring.psutil.virtual_memory().total / 2**30
    yield f"- {processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; {platform.system()} {platform.release()}"
    packages = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    yield f"- PostgreSQL {run.postgres}; Python {platform.python_version()}, {packages}"
    read = "table, index on `ts` and lake are read once before each size"
    yield f"- {readings.SENSORS} sensors, {readings.DAYS} days; {read}"
    for data in run.data.values():
        yield (
            f"- {data.millions} M: {data.rows:,} rows, table {data.table_bytes / 1e6:,.0f} MB,"
            f" lake {data.lake_files:,} files, {data.lake_bytes / 1e6:,.0f} MB"
        )


def _cost_row(run: Run, millions: int, measured: Measurement) -> Sequence[str]:
    head = (f"{millions} M", measured.contender.name)
    if measured.costs is None:
        return (*head, measured.failure, *("–" for _ in _HEAD[3:]))
    ours = run.results[millions][OURS.name].costs
    costs = measured.costs
    return (
        *head,
        f"{costs.seconds:.2f} s",
        f"{costs.seconds / ours.seconds:.1f} ×" if ours else "–",
        f"{costs.whole_seconds:.2f} s",
        f"{costs.cpu_seconds:.1f} s",
        "–" if costs.server_cpu_seconds is None else f"{costs.server_cpu_seconds:.1f} s",
        f"{costs.peak_bytes / 2**20:,.0f} MiB",
        "–" if measured.received_bytes is None else f"{measured.received_bytes / 1e6:,.2f} MB",
        str(measured.runs),
    )


def _remarks(run: Run) -> Iterator[str]:
    yield (
        f"- Times are the best of {measuring.RUNS} runs below {measuring.SHORT_SECONDS:.0f} s, else of one; each"
        " run is a process of its own. Bytes are from one more run, through a counting proxy."
    )
    yield "- Counting reads one side after the other, as the controller's job does; our proof reads both together."
    yield (
        "- With the start is the whole process: Python, imports, comparison and end. What is slower is run once,"
        " and its bytes are not counted, but for ours. Ours is without Arrow's import of pandas, which datacompy"
        " has brought here: ours does not need it."
    )
    yield (
        "- The DuckDB join is by its Postgres extension, one connection for each core, the window pushed down,"
        " unordered. Its copies are told apart by grouping: the newest counts, and a key twice in a file differs."
    )
    yield (
        "- reladiff takes no timestamp for a key: it is given `ts` as an integer, by a view, with an index on it,"
        " and `value` as text, for it rounds doubles otherwise on either side; its bisection factor and threads"
        " are those that were found to be the fastest. It has two processes of the server at work; our proof has"
        " one, and three with two workers. As it comes it took more than 180 s for 2 M rows: it is left out."
    )
    yield f"- 100 M rows are given to ours, counting and the join alone: {_NO_OTHERS}."
    yield (
        f"- A run is ended after {run.limit_seconds:,.0f} s; datacompy may take {run.memory_limit / 2**30:.0f} GiB"
        " of address space (half of what was free)."
    )


def bounds_of(run: Run) -> list[bounds.Bound]:
    """Judge a run."""
    return bounds.bounds(run.results, run.faults, run.starts)


def figures_of(run: Run) -> Figures:
    """Return a run as data."""
    sizes = (
        Size(
            millions=one.millions,
            rows=one.rows,
            table_bytes=one.table_bytes,
            lake_files=one.lake_files,
            lake_bytes=one.lake_bytes,
            digest_lines=readings.SENSORS * len(list(readings.days())),
        )
        for one in run.data.values()
    )
    costs = (
        Cost(millions=millions, contender=name, received_bytes=one.received_bytes, **asdict(one.costs))
        for millions, of_size in run.results.items()
        for name, one in of_size.items()
        if one.costs is not None
    )
    return Figures(
        begun=run.begun,
        load=run.load,
        cores=os.cpu_count() or 1,
        sizes=tuple(sizes),
        costs=tuple(costs),
        lines=tuple(run.lines),
        shard_days=tuple(run.shard_days),
    )


def engine_digest() -> str:
    """Return what tells one state of the engine's sources from another."""
    digest = sha256()
    for path in sorted(Path(tsse_validation.__path__[0]).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
