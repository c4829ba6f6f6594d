"""Each report says of a seal whose it is, what it holds and on what it rests; without one nothing is said."""

from collections.abc import Callable, Mapping

import pytest

from tests.support.builders import BASELINE_ACCEPTED, SEAL_ASKED, lake_sealed
from tests.support.report_builders import go
from tests.unit.report.test_report_html import Page
from tests.unit.test_seal_account import ON_A_BASELINE, RESTS
from tsse_validation.report.ci_reports import render_ctrf, render_junit
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.markdown.markdown_report import render_markdown
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.view import view_of
from tsse_validation.runlog.result import RunResult

SAID = (
    "by tsse on controller-1 at 2026-01-24 16:29:48 UTC",
    "/home/ops/lake.seal",
    "6b0d" * 16,
    "0a94" * 16,
    "40 of 91 days rest on files read on 2026-01-17 16:12:03 UTC",
)


def sealed() -> RunResult:
    started = go().started
    settings = (*started.settings, SEAL_ASKED, BASELINE_ACCEPTED)
    return go().model_copy(
        update={
            "started": started.model_copy(update={"settings": settings}),
            "seals": (lake_sealed(**ON_A_BASELINE),),
        }
    )


SHOWN: Mapping[str, Callable[[ReportDocument], object]] = {
    "page": lambda document: Page(render_page(document)).text,
    "Markdown": render_markdown,
    "JUnit": render_junit,
    "CTRF": render_ctrf,
}


@pytest.mark.parametrize("name", SHOWN)
def test_each_report_says_whose_seal_it_is_and_on_what_it_rests(name: str) -> None:
    text = str(SHOWN[name](ReportDocument.of(sealed())))
    assert [said for said in SAID if said not in text.replace("\\", "")] == []
    assert "GO by proof on a baseline" in text


@pytest.mark.parametrize("name", SHOWN)
def test_without_a_seal_no_report_speaks_of_one(name: str) -> None:
    assert "by a seal" not in str(SHOWN[name](ReportDocument.of(go())))


def test_a_seal_that_was_read_for_itself_says_so() -> None:
    result = sealed().model_copy(update={"seals": (lake_sealed(), lake_sealed(side="postgres", files=0, left=2))})
    lake, postgres = view_of(ReportDocument.of(result)).seals
    assert dict(lake.facts)["Read"] == "every file was read for this seal"
    assert dict(lake.facts)["Holds"] == "91 days, 1,456 files, 300 rows"
    assert (lake.rests_on, dict(lake.facts)["Left open"]) == ((), "nothing")
    assert (postgres.title, dict(postgres.facts)["Holds"]) == ("Postgres", "91 days, 300 rows")
    assert dict(postgres.facts)["Left open"] == "2 sensor-days, proven neither way"


def test_what_rests_on_an_earlier_seal_is_told_day_by_day() -> None:
    (lake,) = view_of(ReportDocument.of(sealed())).seals
    assert lake.rests_on == (("d1c0" * 16, "2026-01-17 16:12:03 UTC", "40 days, 2025-10-26 to 2025-12-04", "640"),)
    assert dict(lake.facts)["Read"] == RESTS
