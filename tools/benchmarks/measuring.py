"""Runs a contender in a fresh process, and measures what that costs on both sides of the connection."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from tools.benchmarks.case import Answer, Case
from tools.benchmarks.contenders import OURS, Contender
from tools.benchmarks.dataset import SHARDS
from tools.benchmarks.proxy import counting_proxy
from tools.benchmarks.server import KeptPostgres
from tsse_validation.domain.polling import wait_until
from tsse_validation.domain.windows import Window

psutil: Any = import_module("psutil")  # of the extra `bench`, which the type checker need not have

ROOT = Path(__file__).resolve().parents[2]
SHORT_SECONDS = 20.0
"""A contender that is done in this time is run again, and its best run counts."""
RUNS = 5
_OTHER_SESSIONS = "FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Costs:
    """What one run took. `peak_bytes` is the client's whole process.

    `seconds` are of the comparison alone, `whole_seconds` with the start of Python, the imports and the end.
    """

    seconds: float
    whole_seconds: float
    cpu_seconds: float
    peak_bytes: int
    server_cpu_seconds: float | None = None


@dataclass(frozen=True)
class Measurement:
    """The best of a contender's runs; `failure` says why there is none."""

    contender: Contender
    costs: Costs | None = None
    answer: Answer | None = None
    received_bytes: int | None = None
    failure: str = ""
    runs: int = 1


class Bench:
    """Measures contenders on one server; a run that exceeds `limit_seconds` is ended."""

    def __init__(self, server: KeptPostgres, *, limit_seconds: float, memory_limit: int) -> None:
        self._server = server
        self._limit = limit_seconds
        self._memory_limit = memory_limit

    def measure(self, contender: Contender, database: str, hot: Path, window: Window) -> Measurement:
        """Run a contender, a short one several times, and then once more through the proxy for the bytes.

        A slow one that is not ours is run once in all, and its bytes are not counted.
        """
        best = self.run(contender, database, hot, window)
        if best.costs is None or (best.costs.seconds > SHORT_SECONDS and contender is not OURS):
            return best
        while best.costs.seconds < SHORT_SECONDS and best.runs < RUNS:
            other = self.run(contender, database, hot, window)
            if other.costs is None:
                break
            winner = min(best, other, key=_seconds)
            whole = min(best.costs.whole_seconds, other.costs.whole_seconds)
            best = replace(winner, costs=replace(_costs_of(winner), whole_seconds=whole), runs=best.runs + 1)
            assert best.costs is not None
        with counting_proxy(self._server.port) as proxy:
            self.run(contender, database, hot, window, port=proxy.port)
        return replace(best, received_bytes=proxy.received)

    def run(
        self, contender: Contender, database: str, hot: Path, window: Window, port: int | None = None
    ) -> Measurement:
        """Run a contender once."""
        conninfo = self._server.conninfo_for(database)
        if port is not None:
            conninfo = conninfo.replace(f":{self._server.port}/", f":{port}/")
        with TemporaryDirectory(prefix="tsse-bench-") as scratch:
            case = Case(
                *(contender.module, conninfo, hot, SHARDS, window, Path(scratch)),
                memory_limit=self._memory_limit if contender.bounded_memory else 0,
            )
            result = Path(scratch) / "result.json"
            with self._server_cpu(database) as server_cpu:
                began = time.perf_counter()
                failure = self._in_process(case, result)
                whole = time.perf_counter() - began
            if failure is not None:
                return replace(failure, contender=contender)
            found = json.loads(result.read_text())
        costs = Costs(**found["costs"], whole_seconds=whole - found["prepared"], server_cpu_seconds=server_cpu())
        return Measurement(contender, costs, Answer.from_json(found["answer"]))

    def _in_process(self, case: Case, result: Path) -> Measurement | None:
        """Run a case; return `None` when it has written its result, else what became of it."""
        argv = [sys.executable, "-m", "tools.benchmarks.child", str(result)]
        nobody = Contender("", "")
        try:
            ended = subprocess.run(
                argv,
                cwd=ROOT,
                input=json.dumps(case.as_json()),
                capture_output=True,
                text=True,
                timeout=self._limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Measurement(nobody, failure=f"> {self._limit:,.0f} s")
        if ended.returncode == 0:
            return None
        if _out_of_memory(ended):
            limit = (
                f"{case.memory_limit / 2**30:.0f} GiB of memory" if case.memory_limit else "memory than there is"
            )
            return Measurement(nobody, failure=f"more {'than ' if case.memory_limit else ''}{limit}")
        msg = f"{case.contender} ended with status {ended.returncode}:\n{ended.stderr[-4000:]}"
        raise RuntimeError(msg)

    @contextmanager
    def _server_cpu(self, database: str) -> Iterator[Any]:
        """Yield what returns, afterwards, the processor seconds that the server's processes took meanwhile.

        A backend's time is its parent's once it has ended, so the sessions are waited for (or ended, after a
        limit). Only Linux tells it.
        """
        before = self._cpu_of_tree()
        after: list[float] = []
        yield lambda: after[0] - before if sys.platform == "linux" else None
        with psycopg.connect(self._server.conninfo, autocommit=True) as connection:

            def gone() -> bool:
                row = connection.execute(f"SELECT count(*) {_OTHER_SESSIONS}", (database,)).fetchone()
                return row is None or row[0] == 0

            if not wait_until(gone, seconds=5):
                connection.execute(f"SELECT pg_terminate_backend(pid) {_OTHER_SESSIONS}", (database,))
                wait_until(gone, seconds=30)
        time.sleep(0.3)
        after.append(self._cpu_of_tree())

    def _cpu_of_tree(self) -> float:
        postmaster = psutil.Process(self._server.process.pid)
        times = postmaster.cpu_times()
        total = (
            times.user + times.system + getattr(times, "children_user", 0) + getattr(times, "children_system", 0)
        )
        for child in postmaster.children(recursive=True):
            try:
                of_child = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += of_child.user + of_child.system
        return float(total)


def _costs_of(measurement: Measurement) -> Costs:
    assert measurement.costs is not None
    return measurement.costs


def _seconds(measurement: Measurement) -> float:
    return _costs_of(measurement).seconds


def _out_of_memory(ended: subprocess.CompletedProcess[str]) -> bool:
    """Whether a process ended by lack of memory: Python and DuckDB raise, Rust and C++ abort, the kernel kills."""
    told = ("MemoryError", "memory allocation", "bad_alloc", "failed to allocate", "Out of Memory")
    return ended.returncode < 0 or any(words in ended.stderr for words in told)
