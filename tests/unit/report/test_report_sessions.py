"""What a run has taken of Postgres, as the reports say it."""

import pytest

from tests.support.report_builders import empty, go
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.model.document import ReportDocument

TOOK = (
    "41 transactions, the longest 7.2 s, of which the server waited for us 0.05 s at the most. "
    "One locked 212 tables and indexes at the most. 1 piece had to be tried again."
)


@pytest.mark.parametrize("render", [render_markdown, render_page], ids=["Markdown", "HTML"])
def test_a_report_says_how_long_postgres_was_kept_and_how_much_was_locked(render: object) -> None:
    assert callable(render)
    assert TOOK in render(ReportDocument.of(go()))
    assert "Postgres was not read." in render(ReportDocument.of(empty()))
