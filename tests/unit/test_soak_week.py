"""A simulated week of a soak by the suite's own loop: what happened in it is in its report, nothing else."""

from pathlib import Path

import pytest

from tests.support.builders import run_started
from tests.support.report_builders import go, with_soak
from tests.support.simulated_soak import SLEPT, STUCK, UPGRADED, soak_a_week
from tsse_validation.domain.outcome import Outcome
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.soak import Happening, soak_report
from tsse_validation.runlog.log import MOST_SOAK_LINES, read_log
from tsse_validation.runlog.records import RunStarted
from tsse_validation.runlog.result import RunResult

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the log of a week with a sample a minute, which is one in ten seconds where a person waits for it."""
    return soak_a_week(tmp_path_factory.mktemp("week"), [run_started()], pace=60.0)


@pytest.fixture(scope="module")
def week(log: Path) -> RunResult:
    """Return a run that proved everything, with this soak."""
    soak = (record for record in read_log(log) if not isinstance(record, RunStarted))
    return with_soak(go(), soak)


def happened(of: RunResult, kind: str) -> list[Happening]:
    report = soak_report(of)
    assert report is not None
    return [one for one in report.happenings.items if one.kind == kind]


def test_the_log_of_a_week_is_bounded_and_its_sums_are_those_of_the_soak(log: Path, week: RunResult) -> None:
    lines = log.read_text(encoding="utf-8").splitlines()
    assert len(lines) < MOST_SOAK_LINES + 100
    seen = week.soak_seen
    assert seen is not None
    assert sum(sample.stands_for for sample in week.soak_samples) == seen.samples > 9_000
    due = [slice_ for slice_ in week.soak_slices if slice_.kind == "due"]
    assert (sum(one.stands_for for one in due), sum(one.new_rows for one in due)) == (
        seen.slices,
        seen.rows_proven,
    )
    assert max(sample.age_seconds or 0 for sample in week.soak_samples) == seen.age_max_seconds


def test_the_laptops_night_is_a_gap_that_proves_nothing(week: RunResult) -> None:
    night = next(one for one in happened(week, "gap") if "slept" in one.what)
    assert night.seconds == pytest.approx(SLEPT, abs=200)
    assert week.soak_seen is not None
    assert week.soak_seen.seconds - week.soak_seen.proven_seconds > SLEPT


def test_the_controllers_upgrade_is_survived_and_told(week: RunResult) -> None:
    events = {one.what: one.said for one in happened(week, "event")}
    assert {"connection lost", "connection back", "restart"} <= events.keys()
    assert events["connection back"].endswith(f"after {UPGRADED:.0f} s")


def test_the_breach_is_no_go_with_when_how_long_and_what_ran_then(week: RunResult) -> None:
    (breach,) = happened(week, "breach")
    assert STUCK - 420 - 120 < breach.seconds < STUCK
    assert "lake_backfill_v1 job" in breach.said
    document = ReportDocument.of(week)
    assert document.verdict.outcome is Outcome.NO_GO
    assert "Breach from 2026-03-07" in document.verdict.reasons[0]


def test_the_page_of_a_week_is_little_larger_than_one_without_a_soak(week: RunResult) -> None:
    without = len(render_page(ReportDocument.of(go())))
    assert len(render_page(ReportDocument.of(week))) - without < 120_000
