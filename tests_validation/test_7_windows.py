"""Step 7, windows: hypothesis draws windows, biased to edges (beyond the runbook)."""

import pytest

from tsse_validation.parity.landmarks import EDGES, Landmarks
from tsse_validation.steps.drawing import Drawing, check_drawn, check_drawn_by_job, draw_and_check
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import Check

pytestmark = [pytest.mark.tier_a, pytest.mark.step(7)]


@pytest.mark.parametrize("edge", EDGES)
def test_random_windows_agree_by_direct_count(
    edge: str, landmarks: Landmarks, direct_drawing: Drawing, progress: ProgressReporter, check: Check
) -> None:
    check_drawn(draw_and_check(edge, landmarks, direct_drawing, progress, check), check)


def test_random_windows_agree_by_the_parity_job(
    landmarks: Landmarks, job_drawing: Drawing, progress: ProgressReporter, check: Check
) -> None:
    check_drawn_by_job(draw_and_check("random", landmarks, job_drawing, progress, check), check)
