"""Writes a run of the benchmark as Markdown: the figures, the faults, and what held."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import tsse_validation
from tools.benchmarks import bounds, measuring, readings
from tools.benchmarks.contenders import ALL, RELADIFF
from tools.benchmarks.dataset import DataSet
from tools.benchmarks.measuring import Measurement
from tools.benchmarks.writing import processor, table

_PACKAGES = ("duckdb", "pyarrow", "psycopg", "numpy", "reladiff", "datacompy", "polars")
_HEAD = (
    "rows",
    "contender",
    "time",
    "of ours",
    "CPU client",
    "CPU server",
    "peak memory",
    "from Postgres",
    "runs",
)


@dataclass(frozen=True)
class Run:
    """All that a run has found; `faults` is by fault and contender."""

    begun: datetime
    engine: str
    postgres: str
    load: float
    data: Mapping[int, DataSet]
    results: bounds.Results
    faults: Mapping[str, Mapping[str, str]]
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
        "## Faults",
        f"One at a time, in a copy of the lake of {min(run.data)} M rows; the fault's day is compared.",
        table(
            ("fault", *(c.name for c in ALL if c.compares and c.exact)),
            ((fault, *found.values()) for fault, found in run.faults.items()),
        ),
        "## Bounds",
        table(
            ("bound", "measured", "held"),
            ((b.claim, b.measured, "yes" if b.held else "**no**") for b in bounds.bounds(run.results, run.faults)),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _circumstances(run: Run) -> Iterator[str]:
    yield f"- {run.begun:%Y-%m-%d %H:%M} UTC, load average before the run {run.load:.1f}"
    yield f"- the engine's sources have the digest {run.engine}"
    memory = measuring.psutil.virtual_memory().total / 2**30
    yield f"- {processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; {platform.system()} {platform.release()}"
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    yield f"- PostgreSQL {run.postgres}; Python {platform.python_version()}, {packages}"
    yield f"- {readings.SENSORS} sensors, {readings.DAYS} days; all files in the page cache"
    for data in run.data.values():
        yield (
            f"- {data.millions} M: {data.rows:,} rows, table {data.table_bytes / 1e6:,.0f} MB,"
            f" lake {data.lake_files:,} files, {data.lake_bytes / 1e6:,.0f} MB"
        )


def _cost_row(run: Run, millions: int, measured: Measurement) -> Sequence[str]:
    head = (f"{millions} M", measured.contender.name)
    if measured.costs is None:
        return (*head, measured.failure, *("–" for _ in _HEAD[3:]))
    ours = next(iter(run.results[millions].values())).costs
    costs = measured.costs
    return (
        *head,
        f"{costs.seconds:.2f} s",
        f"{costs.seconds / ours.seconds:.1f} ×" if ours else "–",
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
        "- reladiff takes no timestamp for a key: it is given `ts` as an integer, by a view, with an index on it."
        " As it comes, it rounds doubles to 15 digits, differently on either side, and then reads rows that do not"
        " differ; so the faults are given only to the tuned one. Tuned, it has `value` as text, and the bisection"
        " factor and threads that were found to be the fastest."
    )
    for millions, of_size in run.results.items():
        answer = of_size[RELADIFF.name].answer if RELADIFF.name in of_size else None
        if answer is not None:
            yield f"- {millions} M: reladiff as it comes tells {answer.note} in equal data."
    yield (
        f"- A run is ended after {run.limit_seconds:,.0f} s; datacompy may take {run.memory_limit / 2**30:.0f} GiB"
        " of address space (half of what was free)."
    )


def engine_digest() -> str:
    """Return what tells one state of the engine's sources from another."""
    digest = sha256()
    for path in sorted(Path(tsse_validation.__path__[0]).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
