"""The kill matrix as Markdown: what a run says of each fault, and what a count of five sensors says."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.system.faults.catalogue import BENIGN, FAULTS, UNSEEN
from tests.system.faults.model import Benign, Fault, Place
from tests.system.faults.trial import OldCheck, Trial
from tsse_validation.domain.catalogue import CHECKS, CONFORMANCE_CHECKS

PATH = Path(__file__).parents[3] / "reports/kill-matrix.md"
REMAKE = "python -m tests.system.faults"
_SPECS = {**CHECKS, **CONFORMANCE_CHECKS}
_HEAD = f"""\
# Kill matrix

Made by `{REMAKE}`; `tox -e faults` runs every line of it and fails where one is not as it stands here.

Each fault is planted for real in a controller with a small farm, or in the controller's own logic, and the whole
runbook is run against it in live mode, with all clocks at the same morning. “Red” are the steps with a check that
fails or cannot be brought to an end, “told as” is triage's diagnosis, or what the red check says. The last two
columns are the answer of the check by hand: five sensors, counted by the controller on both sides, over the last
day and over all days of the backfill.
"""


@dataclass(frozen=True)
class Totals:
    """What the matrix comes to."""

    faults: int
    caught: int
    seen_in_a_day: int
    seen_in_all_days: int
    benign: int
    go: int

    def __str__(self) -> str:
        return (
            f"{self.caught} of {self.faults} faults caught, with the right diagnosis; the count of five sensors "
            f"sees {self.seen_in_a_day} of them in the last day and {self.seen_in_all_days} over all days. "
            f"{self.go} of {self.benign} oddities that are no fault are GO, with nothing flagged."
        )


def fault_row(fault: Fault, trial: Trial) -> str:
    """Return the line of a fault."""
    steps = sorted({_step(check_id) for check_id in (*fault.red, *fault.says)})
    told = ", ".join(fault.diagnosis) or "; ".join(f"“{words}”" for words in fault.says.values())
    cells = (
        fault.name,
        fault.models,
        trial.verdict.value,
        ", ".join(map(str, steps)),
        told or ", ".join(fault.red),
        trial.last_day.value,
        trial.all_days.value,
    )
    return _row(cells)


def benign_row(benign: Benign, trial: Trial) -> str:
    """Return the line of what is no fault."""
    return _row((benign.name, benign.models, trial.verdict.value))


def _step(check_id: str) -> int:
    return _SPECS[f"test_{check_id.partition('[')[0]}"].step


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def rows_of(text: str) -> dict[str, str]:
    """Return the lines of a matrix by the entry that each is of."""
    named = {_cells(line)[0]: line for line in text.splitlines() if line.startswith("| ")}
    return {name: line for name, line in named.items() if name in FAULTS or name in BENIGN}


def render(rows: Mapping[str, str]) -> str:
    """Return the whole matrix, of the line of each entry."""
    return "\n".join(_lines(rows)) + "\n"


def _lines(rows: Mapping[str, str]) -> Iterator[str]:
    yield _HEAD
    yield from (str(totals(rows.values())), "", *by_place(rows))
    for place in Place:
        yield from ("", f"## Faults: {place.value}", "")
        yield from (
            "| fault | as | verdict | red | told as | last day | all days |",
            "|---|---|---|---|---|---|---|",
        )
        yield from (rows[name] for name, fault in FAULTS.items() if fault.place is place and name in rows)
    yield from ("", "## No faults", "", "| oddity | as | verdict |", "|---|---|---|")
    yield from (rows[name] for name in BENIGN if name in rows)
    yield from ("", "## What no run can see", "")
    yield from (f"- {what}. {why}" for what, why in UNSEEN.items())


def by_place(rows: Mapping[str, str]) -> Iterator[str]:
    """Return the lines of a table of the totals by where the faults are planted; docs/PROOF.md has it too."""
    yield from (
        "| planted in | faults | told rightly | seen by the count, last day | all days |",
        "|---|--:|--:|--:|--:|",
    )
    for place in Place:
        found = totals(rows[name] for name, fault in FAULTS.items() if fault.place is place and name in rows)
        numbers = (found.faults, found.caught, found.seen_in_a_day, found.seen_in_all_days)
        yield _row((place.value, *map(str, numbers)))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def totals(lines: Iterable[str]) -> Totals:
    """Add up the lines of a matrix."""
    cells = [_cells(line) for line in lines if line.startswith("| ")]
    faults = [row for row in cells if row[0] in FAULTS]
    benign = [row for row in cells if row[0] in BENIGN]
    return Totals(
        faults=len(faults),
        caught=sum(row[2] != "GO" for row in faults),
        seen_in_a_day=sum(row[5] == OldCheck.SEEN for row in faults),
        seen_in_all_days=sum(row[6] == OldCheck.SEEN for row in faults),
        benign=len(benign),
        go=sum(row[2] == "GO" for row in benign),
    )
