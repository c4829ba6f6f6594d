"""How the runs of a folder trend: durations, rows, rates, files and lag, drawn oldest first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tsse_validation.domain.phrasing import number
from tsse_validation.report.model import words
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import Figure, figures_by_key
from tsse_validation.report.model.view import view_of

WIDE = 1_000


@dataclass(frozen=True)
class Run:
    """One run; `link` leads to its report, `borne_out` says whether its records bear out its verdict."""

    document: ReportDocument
    link: str
    borne_out: bool

    @property
    def seconds(self) -> float | None:
        """How long it took, where it ended."""
        started, finished = self.document.result.started, self.document.result.finished
        return None if finished is None else (finished.at - started.at).total_seconds()

    @property
    def rate(self) -> float | None:
        """Rows per second of its last backfill, where it exported some."""
        for seen in reversed(self.document.result.backfills):
            if seen.rows_exported and seen.seconds > 0:
                return seen.rows_exported / seen.seconds
        return None

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """The run's numbers by their keys."""
        return figures_by_key(view_of(self.document))

    def measured(self, key: str) -> float | None:
        """Return one of its numbers, where it was measured."""
        value = self.figures[key].value
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Bars:
    """One quantity over the runs, as bars of a picture 100 high; a run that did not measure it has none."""

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
        """The trends, where there are runs enough to have one."""
        if len(self.runs) < 2:
            return ()
        oldest_first = self.runs[::-1]
        return (
            _bars("Duration", [run.seconds for run in oldest_first], words.duration),
            _bars("Rows compared", [float(run.document.verdict.rows_compared) for run in oldest_first], _whole),
            _bars("Rows per second of the backfill", [run.rate for run in oldest_first], _whole),
            *(
                _bars(name, [run.measured(key) for run in oldest_first], say)
                for key, name, say in (
                    ("differing_rows", "Differing rows", _whole),
                    ("lake_files", "Files in the lake", _whole),
                    ("highest_watermark_age_seconds", "Highest age of the watermark", words.seconds),
                )
            ),
        )


def _bars(name: str, values: Sequence[float | None], say: Callable[[float], str]) -> Bars:
    known = [value for value in values if value is not None]
    most, wide = max((0.0, *known)), WIDE / len(values)
    path = "".join(
        f"M{place * wide:.1f} 100v-{100 * value / (most or 1):.1f}h{wide * 0.8:.1f}V100z"
        for place, value in enumerate(values)
        if value and value > 0
    )
    return Bars(name, path, f"at most {say(most)}" if known else words.NOT_MEASURED)


def _whole(value: float) -> str:
    return number(round(value))
