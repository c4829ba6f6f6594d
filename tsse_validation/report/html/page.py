"""What the HTML report shows beside the view that every report shares: pictures, rows by diagnosis, files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tsse_validation.report.html.heatmap import Heatmap, heatmaps
from tsse_validation.report.html.lake_plots import FilesPlot, LagPlot, files_plot, fullest_plot, lag_plots
from tsse_validation.report.html.plots import DayBars, Lanes, StepBar, day_bars, lanes, timeline
from tsse_validation.report.model.counts import DayTable
from tsse_validation.report.model.evidence import EvidenceFile
from tsse_validation.report.model.mismatches import Mismatch, mismatches
from tsse_validation.report.model.view import ReportView
from tsse_validation.runlog.records import RowDifference


@dataclass(frozen=True)
class ReportPage:
    """Everything that only the HTML report shows."""

    timeline: tuple[StepBar, ...]
    heatmaps: tuple[Heatmap, ...]
    lanes: Lanes | None
    day_bars: tuple[tuple[DayTable, DayBars], ...]
    files: FilesPlot | None
    fullest: FilesPlot | None
    lags: tuple[LagPlot, ...]
    mismatches: tuple[Mismatch, ...]
    rows_unlisted: int
    evidence: tuple[EvidenceFile, ...]

    @property
    def data(self) -> Mapping[str, object]:
        """What the page's script reads."""
        return {"heatmaps": [heat.data for heat in self.heatmaps]}

    def cells_of(self, row: RowDifference) -> str:
        """Name the cells that a row belongs to, set apart by spaces: `<picture>:<sensor>-<day>`."""
        places = ((number, heat.place_of(row)) for number, heat in enumerate(self.heatmaps))
        return " ".join(f"{number}:{place}" for number, place in places if place)


def page_of(view: ReportView, evidence: Sequence[EvidenceFile]) -> ReportPage:
    """Work out what the HTML report shows beside the view."""
    result = view.document.result
    return ReportPage(
        timeline=timeline(result, view.steps),
        heatmaps=heatmaps(result),
        lanes=lanes(result.windows),
        day_bars=tuple((table, day_bars(table)) for table in view.day_tables if len(table.days) > 1),
        files=files_plot(view.lake.dates.items),
        fullest=fullest_plot(view.lake.dates.items),
        lags=lag_plots(view.lake),
        mismatches=mismatches(result),
        rows_unlisted=max(0, view.differences.total - len(result.differences)),
        evidence=tuple(evidence),
    )
