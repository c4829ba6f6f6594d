"""Step 7, windows: hypothesis draws windows, biased to edges (beyond the runbook)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsse_validation import steps
from tsse_validation.parity.landmarks import EDGES

if TYPE_CHECKING:
    from tsse_validation.parity.landmarks import Landmarks
    from tsse_validation.steps.drawing import Drawing
    from tsse_validation.steps.progress import ProgressReporter
    from tsse_validation.steps.run import Check

pytestmark = [pytest.mark.tier_a, pytest.mark.step(7)]


@pytest.mark.parametrize("edge", EDGES)
def test_random_windows_agree_by_direct_count(
    edge: str, landmarks: Landmarks, direct_drawing: Drawing, progress: ProgressReporter, check: Check
) -> None:
    drawn = steps.drawing.draw_and_check(edge, landmarks, direct_drawing, progress, check)
    steps.drawing.check_drawn(drawn, check)


def test_random_windows_agree_by_the_parity_job(
    landmarks: Landmarks, job_drawing: Drawing, progress: ProgressReporter, check: Check
) -> None:
    drawn = steps.drawing.draw_and_check("random", landmarks, job_drawing, progress, check)
    steps.drawing.check_drawn_by_job(drawn, check)
