"""The HTML report, a page that needs no other file; and its verdict as a fragment for pytest-html's page.

Everything that is printed goes through `finalize`, then through autoescape: no template can forget to make a
text harmless. Text of our own templates and what macros return is markup already, and left alone. The page's own
policy (Content-Security-Policy) lets nothing run and nothing be fetched but its one script and one style sheet,
which it names by their hashes: should a text break out all the same, it can do nothing.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.report.html.page import page_of
from tsse_validation.report.html.trend import Runs
from tsse_validation.report.model import text, words
from tsse_validation.report.model.compare import compare
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.evidence import EvidenceFile
from tsse_validation.report.model.mismatches import said
from tsse_validation.report.model.view import view_of


def render_summary(document: ReportDocument, report: str = "") -> str:
    """Return the verdict, the gate and what was not checked as a fragment with its own style and no script.

    `report` is the address of the report itself, where there is one to link to.
    """
    template = _environment().get_template("summary.html.j2")
    return template.render(view=view_of(document), document=document, report=report, css=_own("summary.css"))


def render_page(
    document: ReportDocument,
    evidence: Sequence[EvidenceFile] = (),
    tests: str = "",
    earlier: ReportDocument | None = None,
) -> str:
    """Return the report as a complete page that needs no other file.

    `evidence` are the files it rests on; `tests` is the address of the page with each test's own output, where
    there is one to link to; `earlier` is a run to compare this one with.
    """
    view = view_of(document)
    page = page_of(view, evidence)
    css, script = _own("summary.css") + _own("report.css"), _own("tables.js") + _own("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            view=view,
            document=document,
            page=page,
            comparison=None if earlier is None else compare(earlier, document),
            tests=tests,
            css=css,
            script=script,
            policy=_policy(css, script),
            data=_as_script_data(page.data),
        )
    )


def render_index(runs: Runs) -> str:
    """Return a page over several runs, with the way to each one's report."""
    css, script = _own("summary.css") + _own("report.css"), _own("tables.js")
    template = _environment().get_template("index.html.j2")
    return template.render(runs=runs, css=css, script=script, policy=_policy(css, script))


def _policy(css: str, script: str) -> str:
    own = f"style-src {_named(css)}; script-src {_named(script)}"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _named(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _as_script_data(data: Mapping[str, object]) -> Markup:
    """Return JSON that cannot end the element it stands in: every `<`, `>` and `&` is written as an escape."""
    written = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return Markup(written.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026"))  # noqa: S704


@cache
def _own(name: str) -> Markup:
    """Read one of our own files, which may stand in the page as it is."""
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
    environment.globals.update(words=words, count_of=count_of, diagnosis_of=said)
    environment.filters.update(
        number=number,
        duration=words.duration,
        instant=words.instant,
        moment=words.moment,
        ident=text.ident,
        line=text.one_line,
        block=text.block,
    )
    return environment


def _harmless(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return text.visible(value)
    return value
