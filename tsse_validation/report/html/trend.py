"""How the runs of a folder trend: durations, rows, rates, files and lag, drawn oldest first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from tsse_validation.domain.instants import Instant
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.phrasing import duration, number
from tsse_validation.report.html.plots import bars_path
from tsse_validation.report.model import text, words
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import figures
from tsse_validation.report.model.view import view_of

_SHOWN = (
    "run_seconds",
    "differing_rows",
    "lake_files",
    "most_files_in_a_shard_day",
    "highest_watermark_age_seconds",
)
"""The figures that stand on the page over the runs, or trend there."""


class Run(BaseModel):
    """One run of the `folder`, as the page over the runs shows it.

    `linked` says that its report is there, `borne_out` that its records give the same verdict again.
    `said_then` is the verdict of a version that knew no grades, where today's is another. `numbers` and `texts`
    are its figures by their keys; `None` was not measured.
    """

    model_config = ConfigDict(frozen=True)

    folder: str
    linked: bool
    borne_out: bool
    said_then: str
    run_id: str
    started: Instant
    label: str
    tone: str
    failed: bool
    release: str
    assurance: str
    share: str
    validated: str
    sensors: int
    rows: int
    rate: float | None
    reason: str
    numbers: Mapping[str, float | None]
    texts: Mapping[str, str]

    @classmethod
    def of(
        cls, document: ReportDocument, folder: str, *, linked: bool, borne_out: bool, said_then: str = ""
    ) -> "Run":
        """Return what the page says of a run."""
        verdict, shown = document.verdict, figures(view_of(document))
        return cls(
            folder=folder,
            linked=linked,
            borne_out=borne_out,
            said_then=said_then,
            run_id=text.ident(document.run_id),
            started=document.result.started.at,
            label=verdict.label,
            tone=words.verdict_tone(verdict),
            failed=verdict.outcome is Outcome.NO_GO,
            release=text.one_line(document.result.started.release_label),
            assurance=str(verdict.assurance or "none"),
            share=words.share(verdict),
            validated=text.one_line(words.stack_at(document.result.stack)),
            sensors=verdict.sensors_compared,
            rows=verdict.rows_compared,
            rate=_rate(document),
            reason=text.beginning(verdict.reasons[0], 240) if verdict.reasons else "",
            numbers={key: _number(shown[key].value) for key in _SHOWN},
            texts={key: shown[key].text for key in _SHOWN},
        )


def _rate(document: ReportDocument) -> float | None:
    """Return the rows per second of the last backfill that exported any."""
    for seen in reversed(document.result.backfills):
        if seen.rows_exported and seen.seconds > 0:
            return seen.rows_exported / seen.seconds
    return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Bars:
    """One quantity over the runs, as bars of a picture 100 high; a run that did not measure it has no bar."""

    name: str
    path: str
    most: str


@dataclass(frozen=True)
class Runs:
    """The runs of a folder, the latest first, and the folders whose result could not be read.

    `unlisted` counts the runs that are there and were left out.
    """

    runs: tuple[Run, ...]
    unread: tuple[str, ...]
    unlisted: int = 0

    @property
    def bars(self) -> tuple[Bars, ...]:
        """The trends, if there are two runs or more."""
        if len(self.runs) < 2:
            return ()
        oldest_first = self.runs[::-1]
        oldest_age = "highest_watermark_age_seconds"
        quantities: Sequence[tuple[str, Callable[[Run], float | None], Callable[[float], str]]] = (
            ("Duration", lambda run: run.numbers["run_seconds"], duration),
            ("Rows compared", lambda run: float(run.rows), _whole),
            ("Rows per second of the backfill", lambda run: run.rate, _whole),
            ("Differing rows", lambda run: run.numbers["differing_rows"], _whole),
            ("Files in the lake", lambda run: run.numbers["lake_files"], _whole),
            ("Highest age of the watermark", lambda run: run.numbers[oldest_age], words.seconds),
        )
        return tuple(_bars(name, list(map(of, oldest_first)), say) for name, of, say in quantities)


def _bars(name: str, values: Sequence[float | None], say: Callable[[float], str]) -> Bars:
    drawn = [value if value and value > 0 else None for value in values]
    most = max((0.0, *(value for value in drawn if value)))
    known = any(value is not None for value in values)
    return Bars(name, bars_path(drawn, 0.8), f"at most {say(most)}" if known else words.NOT_MEASURED)


def _whole(value: float) -> str:
    return number(round(value))
