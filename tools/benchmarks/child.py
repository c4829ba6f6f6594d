"""Runs one contender in a process that does nothing else: ``python -m tools.benchmarks.child ANSWER_FILE``.

The case comes on standard input, for it holds a password. Time and processor seconds are those of the comparison,
without the start of Python and the imports, which whoever runs it adds; the peak of the resident memory is that of
the whole process.
"""

import json
import os
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.support.memory import peak_bytes
from tools.benchmarks import contenders
from tools.benchmarks.case import Case


def main() -> None:
    """Run the case, and write what it cost and what was found."""
    case = Case.from_json(json.load(sys.stdin))
    prepare, run = contenders.load(case.contender)
    preparing = time.perf_counter()
    prepare(case)
    prepared = time.perf_counter() - preparing
    if case.memory_limit:
        resource.setrlimit(resource.RLIMIT_AS, (case.memory_limit, case.memory_limit))
    cpu, began = _cpu_seconds(), time.perf_counter()
    answer = run(case)
    costs = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": _cpu_seconds() - cpu,
        "peak_bytes": peak_bytes(),
    }
    Path(sys.argv[1]).write_text(json.dumps({"costs": costs, "prepared": prepared, "answer": asdict(answer)}))


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


if __name__ == "__main__":
    main()
