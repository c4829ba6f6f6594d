"""How the runs of a folder trend: durations, rows, rates, files and lag, drawn oldest first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tsse_validation.domain.phrasing import number
from tsse_validation.report.html.plots import bars_path
from tsse_validation.report.model import words
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import Figure, figures
from tsse_validation.report.model.view import view_of


@dataclass(frozen=True)
class Run:
    """One run; `link` is its report's address, `borne_out` says that its records give the same verdict again.

    `said_then` is the verdict of a version that knew no grades, where today's is another.
    """

    document: ReportDocument
    link: str
    borne_out: bool
    said_then: str = ""

    @property
    def rate(self) -> float | None:
        """Rows per second of the last backfill that exported any."""
        for seen in reversed(self.document.result.backfills):
            if seen.rows_exported and seen.seconds > 0:
                return seen.rows_exported / seen.seconds
        return None

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """The run's numbers by their keys."""
        return figures(view_of(self.document))

    def measured(self, key: str) -> float | None:
        """Return one of the run's numbers, or `None` if it was not measured."""
        value = self.figures[key].value
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Bars:
    """One quantity over the runs, as bars of a picture 100 high; a run that did not measure it has no bar."""

    name: str
    path: str
    most: str


@dataclass(frozen=True)
class Runs:
    """The runs of a folder, the latest first, and the folders whose result could not be read."""

    runs: tuple[Run, ...]
    unread: tuple[str, ...]

    @property
    def bars(self) -> tuple[Bars, ...]:
        """The trends, if there are two runs or more."""
        if len(self.runs) < 2:
            return ()
        oldest_first = self.runs[::-1]
        oldest_age = "highest_watermark_age_seconds"
        quantities: Sequence[tuple[str, Callable[[Run], float | None], Callable[[float], str]]] = (
            ("Duration", lambda run: run.measured("run_seconds"), words.duration),
            ("Rows compared", lambda run: float(run.document.verdict.rows_compared), _whole),
            ("Rows per second of the backfill", lambda run: run.rate, _whole),
            ("Differing rows", lambda run: run.measured("differing_rows"), _whole),
            ("Files in the lake", lambda run: run.measured("lake_files"), _whole),
            ("Highest age of the watermark", lambda run: run.measured(oldest_age), words.seconds),
        )
        return tuple(_bars(name, list(map(of, oldest_first)), say) for name, of, say in quantities)


def _bars(name: str, values: Sequence[float | None], say: Callable[[float], str]) -> Bars:
    drawn = [value if value and value > 0 else None for value in values]
    most = max((0.0, *(value for value in drawn if value)))
    known = any(value is not None for value in values)
    return Bars(name, bars_path(drawn, 0.8), f"at most {say(most)}" if known else words.NOT_MEASURED)


def _whole(value: float) -> str:
    return number(round(value))
