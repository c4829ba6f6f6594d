"""Make the kill matrix anew: ``python -m tests.system.faults``; of entries that are named, only their lines."""

import os
import sys
import tempfile
from concurrent.futures import Future, as_completed
from operator import methodcaller
from pathlib import Path

from tests.system.faults.catalogue import BENIGN, FAULTS
from tests.system.faults.matrix import PATH, benign_row, fault_row, render, rows_of, totals
from tests.system.faults.trial import Lanes, Trial, alarm, open_lanes, wrong

LANES = int(os.environ.get("FAULT_LANES", "0")) or 2 * (os.cpu_count() or 1)
"""Trials at once: they wait as long as they work."""


def begin(lanes: Lanes, names: list[str]) -> dict[str, Future[Trial]]:
    """Let entries be tried, as many at once as there are lanes, in this order."""
    tries = {
        **{name: methodcaller("try_fault", fault) for name, fault in FAULTS.items()},
        **{name: methodcaller("try_benign", benign) for name, benign in BENIGN.items()},
    }
    return {name: lanes.submit(tries[name]) for name in names}


def main(names: list[str]) -> int:
    """Try the entries, say what is wrong, and write the lines of those that are as they should be."""
    rows = rows_of(PATH.read_text()) if PATH.exists() else {}
    problems = 0
    with tempfile.TemporaryDirectory(prefix="tsse-matrix-") as base, open_lanes(LANES, Path(base)) as lanes:
        under_way = begin(lanes, names or [*FAULTS, *BENIGN])
        lanes.open_others()
        of = {future: name for name, future in under_way.items()}
        for future in as_completed(of):
            told, row, seconds = _judge(of[future], future)
            problems += bool(told)
            sys.stdout.write(f"{seconds:5.1f} s  {of[future]}: {'; '.join(told) or 'as it should be'}\n")
            sys.stdout.flush()
            if not told:
                rows[of[future]] = row
                PATH.write_text(render(rows))
    sys.stdout.write(f"{problems} problems. {totals(rows.values())}\n")
    return bool(problems)


def _judge(name: str, future: Future[Trial]) -> tuple[list[str], str, float]:
    """Return what is wrong with an entry, its line, and how long it took."""
    try:
        trial = future.result()
        if name in FAULTS:
            return wrong(FAULTS[name], trial), fault_row(FAULTS[name], trial), trial.seconds
        return alarm(BENIGN[name], trial), benign_row(BENIGN[name], trial), trial.seconds
    except Exception as error:  # noqa: BLE001 - the others are to be tried all the same
        return [f"it could not be tried: {type(error).__name__}: {error}"], "", 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
