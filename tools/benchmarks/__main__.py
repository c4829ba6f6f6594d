"""Measures the parity proof against other ways to compare: ``python -m tools.benchmarks [--rows 2]``.

All sizes give a new RESULTS.md and RESULTS.json beside this file, and the tables of docs/SCALE.md, which are made
of the latter; the exit status is 1 when a bound is missed.
"""

import argparse
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from rich.console import Console

from tools.benchmarks import contenders, figures, measuring
from tools.benchmarks.contenders import Contender
from tools.benchmarks.dataset import DataSet, data_set
from tools.benchmarks.faults import plant, verdict
from tools.benchmarks.lines import line_costs
from tools.benchmarks.measuring import Bench, Measurement
from tools.benchmarks.readings import START, TARGET
from tools.benchmarks.server import KeptPostgres
from tools.benchmarks.shard_days import shard_day_costs
from tools.benchmarks.starting import starts
from tools.benchmarks.table import Run, bounds_of, engine_digest, figures_of, markdown
from tools.benchmarks.warming import warm
from tools.documentation.__main__ import DOCS, made_anew
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start
from tsse_validation.domain.windows import Window

SIZES = (2, 10, 26, 100)
RESULTS = Path(__file__).with_name("RESULTS.md")
WHOLE = Window(START, TARGET)
console = Console(stderr=True)


def main() -> int:
    """Make what data is missing, measure, and write the page."""
    options = _options()
    signal.signal(signal.SIGTERM, _leave)  # so that the server is stopped then, too
    options.bench_dir.mkdir(parents=True, exist_ok=True)
    memory_limit = measuring.psutil.virtual_memory().available // 2
    begun, load, engine = datetime.now(UTC), os.getloadavg()[0], engine_digest()
    started, lines, shard_days = starts(), line_costs(), shard_day_costs()
    with KeptPostgres(options.bench_dir / "pg") as server:
        bench = Bench(server, limit_seconds=options.limit, memory_limit=memory_limit)
        data = {millions: _made(server, options.bench_dir, millions) for millions in options.rows}
        results = {millions: _measured(bench, server, one, options.only) for millions, one in data.items()}
        faults = _faults(bench, data[min(data)], options.bench_dir, options.only)
        limits = (options.limit, memory_limit)
        measured = (data, results, faults, started, lines, shard_days)
        run = Run(begun, engine, server.version, load, *measured, *limits)
    if engine_digest() != engine:
        raise AssertionError("the engine was changed while it was measured: run again")
    page = markdown(run)
    if options.output is not None:
        options.output.write_text(page, encoding="utf-8")
    if options.output == RESULTS:
        figures.PATH.write_text(figures_of(run).model_dump_json(indent=1) + "\n", encoding="utf-8")
        scale = DOCS / "SCALE.md"
        scale.write_text(made_anew(scale), encoding="utf-8")
    sys.stdout.write(page)
    return 0 if all(bound.held for bound in bounds_of(run)) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks", description=__doc__)
    parser.add_argument(
        "--rows", type=int, action="append", metavar="MILLIONS", help="a size; default: 2, 10, 26 and 100"
    )
    parser.add_argument(
        "--bench-dir", type=Path, default=cache_directory(), help="where the data is kept (%(default)s)"
    )
    parser.add_argument("--limit", type=float, default=300.0, help="seconds that one run may take (%(default)s)")
    parser.add_argument("--output", type=Path, help="the page; all sizes and contenders write RESULTS.md here")
    parser.add_argument(
        "--only", action="append", choices=[c.module for c in contenders.ALL], help="a contender beside ours"
    )
    options = parser.parse_args()
    if options.output is None and options.rows is None and options.only is None:
        options.output = RESULTS
    options.rows = sorted(options.rows or SIZES)
    chosen = contenders.ALL if options.only is None else [c for c in contenders.ALL if c.module in options.only]
    options.only = [contenders.OURS, *(c for c in chosen if c is not contenders.OURS)]
    return options


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def cache_directory() -> Path:
    """Return where the data outlives a run; root's server runs as `nobody`, who cannot look into root's home."""
    if os.geteuid() == 0:
        return Path("/var/tmp/tsse-bench")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tsse-bench"


def _made(server: KeptPostgres, directory: Path, millions: int) -> DataSet:
    console.print(f"data of {millions} M rows in {directory}")
    return data_set(server, directory, millions)


def _measured(
    bench: Bench, server: KeptPostgres, data: DataSet, chosen: list[Contender]
) -> dict[str, Measurement]:
    results = {}
    warm(server, data)
    for contender in chosen:
        if data.millions > contender.largest:
            continue
        found = bench.measure(contender, data.database, data.hot, WHOLE)
        results[contender.name] = found
        told = f"{found.costs.seconds:.2f} s" if found.costs else found.failure
        console.print(f"{data.millions} M rows, {contender.name}: {told}")
        if found.answer is not None and found.answer.differs:
            msg = f"{contender.name} finds differences in equal data: {found.answer.differences[:3]}"
            raise AssertionError(msg)
    return results


def _faults(bench: Bench, data: DataSet, directory: Path, chosen: list[Contender]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    with TemporaryDirectory(dir=directory, prefix="faults-") as scratch:
        for planted in plant(data.hot, Path(scratch)):
            first = day_start(planted.day)
            window = Window(first, first + DAY - MICROSECOND)
            found[planted.fault] = {}
            for contender in chosen:
                if contender.compares:
                    ran = bench.run(contender, data.database, planted.hot, window)
                    found[planted.fault][contender.name] = (
                        verdict(planted, ran.answer) if ran.answer else ran.failure
                    )
            console.print(f"{planted.fault}: {found[planted.fault]}")
    return found


if __name__ == "__main__":
    sys.exit(main())
