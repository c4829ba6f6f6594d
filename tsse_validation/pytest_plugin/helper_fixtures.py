"""What the runbook's own commands work on, where they are given (``--helpers``)."""

import pytest

from tsse_validation.clients.jobs import JobRunner
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.windows import Window
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.backfilling import Performing, by_our_post
from tsse_validation.steps.helped_backfill import HelpedBackfill
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import ValidationRun
from tsse_validation.steps.scoping import asked_scope
from tsse_validation.steps.spot_checking import OurReading, reads_directly


@pytest.fixture(scope="session")
def backfill_performer(
    run: ValidationRun, jobs: JobRunner, settings: Settings, progress: ProgressReporter
) -> Performing:
    """Return what performs step 4's backfill: the runbook's helper where it is given, else our own POST."""
    return HelpedBackfill(run, jobs, progress) if settings.helpers else by_our_post(run, jobs)


@pytest.fixture
def helper_window(settings: Settings, covered: Scope) -> Window:
    """Return what the parity helper counts: the window asked for, by default the last day up to the watermark."""
    return asked_scope(settings, covered)[1].window


@pytest.fixture
def helper_reading(request: pytest.FixtureRequest, run: ValidationRun, covered: Scope) -> OurReading | None:
    """Count by our own reading what the parity helper's job has counted, where both sides can be read."""
    if not reads_directly(run):
        return None
    return OurReading.of_windows(request.getfixturevalue("proof"), covered)
