"""Step 7, windows: hypothesis draws windows that nobody chose (beyond the runbook)."""

import pytest

from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.parity.strategies import EDGES, Landmarks
from tsse_validation.pytest_plugin.window_fixtures import Drawing, draw_and_check
from tsse_validation.runlog.records import WindowChecked
from tsse_validation.steps.check import Check

pytestmark = [pytest.mark.tier_a, pytest.mark.step(7, needs=[4])]


@pytest.mark.parametrize("edge", EDGES)
def test_random_windows_agree_by_direct_count(
    edge: str, landmarks: Landmarks, direct_drawing: Drawing, check: Check
) -> None:
    drawn = draw_and_check(edge, landmarks, direct_drawing, check)
    _hold(drawn, check)


def test_random_windows_agree_by_the_parity_job(landmarks: Landmarks, job_drawing: Drawing, check: Check) -> None:
    drawn = draw_and_check("random", landmarks, job_drawing, check)
    if not any(window.postgres for window in drawn):
        msg = "None of the windows had a row: equal zeros prove nothing."
        raise NotCheckedError(msg, "Name busier sensors by --sensor-ids, or raise --max-job-windows.")
    _hold(drawn, check)


def _hold(drawn: list[WindowChecked], check: Check) -> None:
    check.fact("windows", len(drawn))
    check.fact("rows", f"{sum(window.postgres for window in drawn):,}")
    check.needs(drawn, "No window was drawn.", "Raise --max-windows.")
