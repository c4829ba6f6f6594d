"""The reports say where all differing rows are, and the page names their files by hash."""

import hashlib
from pathlib import Path

import pytest

from tests.support.report_builders import no_go
from tests.unit.report.test_report_html import Page
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.model.document import ReportDocument, read_result_json
from tsse_validation.report.writer import write_reports
from tsse_validation.runlog.difference_files import DIFFERENCE_NAMES
from tsse_validation.runlog.differences_record import DifferencesKept, KeptFile


def kept(rows: int, why: str = "", names: tuple[str, ...] = DIFFERENCE_NAMES) -> DifferencesKept:
    files = tuple(KeptFile(name=name, rows=rows, sha256="0" * 64) for name in names)
    return DifferencesKept(rows=rows, complete=not why, why=why, files=files)


SAID = [
    (kept(1_234_567), "All 1,234,567 differing rows are in differences.parquet and differences.csv beside this"),
    (kept(1), "The one differing row is in differences.parquet and differences.csv beside this report"),
    (kept(0), "No row differs; differences.parquet and differences.csv beside this report say the same"),
    (kept(7, "The disk is full."), "Not all differing rows are kept: 7 rows in differences.parquet and"),
    (kept(0, "The disk is full.", ()), "Not all differing rows are kept: 0 rows in no file. The disk is full."),
]


@pytest.mark.parametrize(("record", "words"), SAID)
def test_the_reports_say_where_all_differing_rows_are(record: DifferencesKept, words: str, tmp_path: Path) -> None:
    written = write_reports(tmp_path, no_go().model_copy(update={"differences_kept": record}))
    assert words in " ".join(Page(written.html.read_text(encoding="utf-8")).text.split())
    assert words in " ".join(render_markdown(written.document).replace("\\", "").split())
    assert read_result_json(written.result_json).result.differences_kept == record


def test_the_files_are_evidence_by_their_hash(tmp_path: Path) -> None:
    for name in DIFFERENCE_NAMES:
        (tmp_path / name).write_bytes(b"rows")
    page = write_reports(tmp_path, no_go()).html.read_text(encoding="utf-8")
    assert all(name in Page(page).text for name in DIFFERENCE_NAMES)
    # among the evidence, and on the page that is signed
    assert page.count(hashlib.sha256(b"rows").hexdigest()) == 2 * len(DIFFERENCE_NAMES)


def test_a_run_that_compared_no_rows_says_nothing_of_files() -> None:
    assert "differences.parquet" not in render_markdown(ReportDocument.of(no_go()))
