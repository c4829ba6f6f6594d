"""The runs of a folder on one page, the latest first: what each came to, and how they trend."""

from pathlib import Path

from pydantic import ValidationError

from tsse_validation.report.html.html_pages import render_index
from tsse_validation.report.html.trend import Run, Runs
from tsse_validation.report.model.document import RESULT_JSON, ReportDocument, read_result_json
from tsse_validation.report.model.files import REPORT_HTML, write_atomically

INDEX_HTML = "index.html"


def write_index(directory: Path) -> Path:
    """Write `index.html` over the runs whose folders lie in a directory, and return its path."""
    path = directory / INDEX_HTML
    page = render_index(runs_in(directory))
    write_atomically(path, page.encode("utf-8", errors="replace"))
    return path


def runs_in(directory: Path) -> Runs:
    """Read the runs of a directory; a folder without a result that can be read is named, never left out."""
    read, unread = [], []
    for folder in sorted(path for path in directory.iterdir() if path.is_dir() and not path.is_symlink()):
        if not (folder / RESULT_JSON).exists() and not (folder / "run.jsonl").exists():
            continue
        try:
            document = read_result_json(folder / RESULT_JSON)
        except (OSError, ValidationError):
            unread.append(folder.name)
            continue
        link = f"{folder.name}/{REPORT_HTML}" if (folder / REPORT_HTML).exists() else ""
        read.append(Run(document, link, borne_out=ReportDocument.of(document.result) == document))
    read.sort(key=lambda run: run.document.result.started.at, reverse=True)
    return Runs(tuple(read), tuple(unread))
