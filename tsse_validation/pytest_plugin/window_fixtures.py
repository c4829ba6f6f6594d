"""What step 7 works on: where windows are drawn, and how they are counted."""

import pytest

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.stack import Capability
from tsse_validation.parity.by_job import SpotChecker
from tsse_validation.parity.direct import DirectProof
from tsse_validation.parity.strategies import Landmarks
from tsse_validation.steps.drawing import Drawing, draw_by_job, draw_directly, find_landmarks
from tsse_validation.steps.lake_recorder import LakeRecorder
from tsse_validation.steps.run import ValidationRun


@pytest.fixture(scope="session")
def landmarks(request: pytest.FixtureRequest, run: ValidationRun, covered: Scope) -> Landmarks:
    """Find the edges that windows are drawn at."""
    absent = Capability.POSTGRES in run.absent
    return find_landmarks(covered, None if absent else request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def direct_drawing(run: ValidationRun, proof: DirectProof, covered: Scope) -> Drawing:
    """Draw windows and count them in Postgres and in the lake's files."""
    return draw_directly(run, proof, covered)


@pytest.fixture(scope="session")
def job_drawing(
    run: ValidationRun, spot_checker: SpotChecker, covered: Scope, lake_recorder: LakeRecorder
) -> Drawing:
    """Draw windows and count them by the controller's job."""
    return draw_by_job(run, spot_checker, covered, lake_recorder)
