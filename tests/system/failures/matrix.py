"""The failure matrix as Markdown: which scenario sees which mistake of a controller, and that none cries wolf."""

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.system.failures.mutants import FAILURE_MUTANTS
from tsse_validation.failures.table import SCENARIOS
from tsse_validation.runlog.failure_records import FailureTried

PATH = Path(__file__).parents[3] / "reports/failure-matrix.md"
REMAKE = "python -m tests.system.failures"
HONEST_NAME = "none"
_SIGNS = {"lost": "**seen**", "recovered": "recovered", "not_tried": "not tried"}
_NOT_RUN = "·"
_COLUMNS = ("mistake", "scenario", "outcome", "told as", "struck", "seed")
_HEAD = f"""\
# Failure matrix

Made by `{REMAKE}`, or with the names of the mistakes to try anew (`{HONEST_NAME}`: the reference controller as
it is). [The failure scenarios](../docs/FAILURES.md) are tried on an arena whose reference controller has one
mistake that only a failure shows. As long as nothing fails, each keeps the contract. “Seen” is a scenario that
ended `lost`, which is NO-GO. The same scenarios end `recovered` on the controller without a mistake.
"""


@dataclass(frozen=True)
class MatrixLine:
    """One scenario on one controller: `mistake` is the mutant's name, `told` what the proof said."""

    mistake: str
    scenario: str
    outcome: str
    told: str
    struck: str
    seed: str

    @classmethod
    def of(cls, mistake: str | None, tried: FailureTried) -> "MatrixLine":
        """Return the line of a try."""
        told = [f"{one.diagnosis}: {one.summary}" for one in tried.diagnoses]
        told += [f"before the repair, {one.diagnosis}: {one.summary}" for one in tried.before_repair]
        told = told or [*tried.touched[:1], *([] if tried.outcome == "recovered" else [tried.message])]
        words = "; ".join(filter(None, told))
        outcome = tried.outcome.replace("_", " ")
        return cls(
            mistake or HONEST_NAME, tried.scenario, outcome, words or "–", tried.struck or "–", str(tried.seed)
        )

    @property
    def key(self) -> tuple[str, str]:
        """What tells it apart."""
        return self.mistake, self.scenario


def lines_of(text: str) -> dict[tuple[str, str], MatrixLine]:
    """Return the lines of a page."""
    cells = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines())
    known = {HONEST_NAME, *FAILURE_MUTANTS}
    found = (MatrixLine(*row) for row in cells if len(row) == len(_COLUMNS) and row[0] in known)
    return {line.key: line for line in found}


def render(lines: Iterable[MatrixLine]) -> str:
    """Return the whole page."""
    by_key = {line.key: line for line in lines}
    mistakes = [name for name in (HONEST_NAME, *FAILURE_MUTANTS) if any(key[0] == name for key in by_key)]
    scenarios = [key for key in SCENARIOS if any(line.scenario == key for line in by_key.values())]
    return (
        "\n".join([_HEAD, *_grid(by_key, mistakes, scenarios), *_sentences(), *_details(by_key, mistakes)]) + "\n"
    )


def _grid(by_key: dict[tuple[str, str], MatrixLine], mistakes: list[str], scenarios: list[str]) -> Iterator[str]:
    yield from (
        f"“{_NOT_RUN}” was not run.",
        "",
        _row(("scenario", *mistakes)),
        _row("---" for _ in (*mistakes, "")),
    )
    for scenario in scenarios:
        found = (by_key.get((mistake, scenario)) for mistake in mistakes)
        yield _row((scenario, *(_SIGNS[line.outcome.replace(" ", "_")] if line else _NOT_RUN for line in found)))


def _sentences() -> Iterator[str]:
    yield from ("", "## The mistakes", "", _row(("name", "is")), _row(("---", "---")))
    yield from (_row((name, mutant.sentence)) for name, mutant in FAILURE_MUTANTS.items())


def _details(by_key: dict[tuple[str, str], MatrixLine], mistakes: list[str]) -> Iterator[str]:
    yield from ("", "## What each try found", "", _row(_COLUMNS), _row("---" for _ in _COLUMNS))
    for mistake in mistakes:
        yield from (_row(astuple(line)) for line in by_key.values() if line.mistake == mistake)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
