"""The HTML report as one self-contained page, and its verdict as a fragment for pytest-html's page.

Every printed value goes through `finalize`, then through autoescape, so no template can forget to make a text
harmless. The templates' own text and the output of macros are markup already and stay as they are. The page's
Content-Security-Policy allows only its one script and one style sheet, by their hashes, and no fetching. A text
that broke out of its place could still do nothing.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tsse_validation.domain.phrasing import count_of, duration, number
from tsse_validation.report.html.heatmap import Heatmap, heatmaps
from tsse_validation.report.html.plots import (
    DayBars,
    FilesPlot,
    LagPlot,
    Lanes,
    StepBar,
    day_bars,
    files_plot,
    fullest_plot,
    lag_plots,
    lanes,
    timeline,
)
from tsse_validation.report.html.soak_plots import SoakPlots, soak_plots
from tsse_validation.report.html.strip import DayStrip, day_strip
from tsse_validation.report.html.trend import Runs
from tsse_validation.report.model import text, words
from tsse_validation.report.model.compare import compare
from tsse_validation.report.model.counts import DayTable
from tsse_validation.report.model.document import EvidenceFile, ReportDocument
from tsse_validation.report.model.mismatches import Mismatch, diagnosis_of, mismatches
from tsse_validation.report.model.sign_off import signed_lines
from tsse_validation.report.model.view import ReportView, view_of
from tsse_validation.runlog.records import RowDifference


@dataclass(frozen=True)
class ReportPage:
    """The content that only the HTML report shows: pictures, rows by diagnosis, files."""

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
    signed: tuple[tuple[str, str], ...]
    strip: DayStrip | None
    soak: SoakPlots | None

    @property
    def data(self) -> Mapping[str, object]:
        """The data for the page's script."""
        return {"heatmaps": [heat.data for heat in self.heatmaps]}

    def cells_of(self, row: RowDifference) -> str:
        """Return the names of a row's cells, separated by spaces: `<picture>:<sensor>-<day>`."""
        places = ((number, heat.place_of(row)) for number, heat in enumerate(self.heatmaps))
        return " ".join(f"{number}:{place}" for number, place in places if place)


def _page_of(view: ReportView, evidence: Sequence[EvidenceFile]) -> ReportPage:
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
        signed=signed_lines(view),
        strip=day_strip(view.covered),
        soak=soak_plots(view.soak),
    )


def render_summary(document: ReportDocument, report: str = "") -> str:
    """Return the verdict, the gate and what was not checked as a fragment with its own style and no script.

    `report` is the address of the report itself, if there is one.
    """
    template = _environment().get_template("summary.html.j2")
    return template.render(view=view_of(document), document=document, report=report, css=_own("summary.css"))


def render_page(
    document: ReportDocument,
    evidence: Sequence[EvidenceFile] = (),
    tests: str = "",
    earlier: ReportDocument | None = None,
    not_compared: str = "",
) -> str:
    """Return the report as a complete page that needs no other file.

    `evidence` are the files that it rests on. `tests` is the address of the page with each test's own output, if
    there is one. `earlier` is a run to compare this one with, `not_compared` why the last one could not be.
    """
    view = view_of(document)
    page = _page_of(view, evidence)
    css, script = _own("summary.css") + _own("report.css"), _tables() + _own("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            view=view,
            document=document,
            page=page,
            comparison=None if earlier is None else compare(earlier, document),
            not_compared=not_compared,
            tests=tests,
            css=css,
            script=script,
            policy=_policy(css, script),
            data=_as_script_data(page.data),
        )
    )


def render_index(runs: Runs) -> str:
    """Return a page over several runs, with a link to each one's report."""
    css, script = _own("summary.css") + _own("report.css"), _tables()
    template = _environment().get_template("index.html.j2")
    return template.render(runs=runs, css=css, script=script, policy=_policy(css, script))


def _tables() -> Markup:
    """Return the script that every page has."""
    return _own("page.js") + _own("tables.js")


def _policy(css: str, script: str) -> str:
    own = f"style-src {_named(css)}; script-src {_named(script)}"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _named(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _as_script_data(data: Mapping[str, object]) -> Markup:
    """Return JSON that cannot end its element: every `<`, `>` and `&` is escaped."""
    written = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return Markup(written.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026"))  # noqa: S704


@cache
def _own(name: str) -> Markup:
    """Read one of our own files, which the page includes unescaped."""
    return Markup(files("tsse_validation.report.html").joinpath("templates", name).read_text(encoding="utf-8"))  # noqa: S704


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tsse_validation.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(words=words, count_of=count_of, diagnosis_of=diagnosis_of)
    environment.filters.update(
        number=number,
        duration=duration,
        instant=words.instant,
        moment=words.moment,
        ident=text.ident,
        line=text.one_line,
        beginning=text.beginning,
        block=text.block,
    )
    return environment


def _harmless(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return text.visible(value)
    return value
