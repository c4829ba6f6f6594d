"""A check of a soak that fails by rows names the findings that say which: one fault is told once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.soak_world import World, WorldProver, soak_in
from tsse_validation.domain.errors import TriagedError
from tsse_validation.settings.loading import load_settings
from tsse_validation.steps.run import Check, begin_run
from tsse_validation.steps.soak_checks import check_newly_due, check_whole_range
from tsse_validation.steps.soaking import SoakOutcome


@pytest.mark.parametrize("check_rows", [check_newly_due, check_whole_range])
def test_a_check_that_fails_by_rows_names_their_diagnoses(
    check_rows: Callable[[SoakOutcome, Check], None], tmp_path: Path
) -> None:
    world = World()
    outcome = soak_in(world, "10m", prover=WorldProver(world, differing=2, diagnoses=("committed late",)))
    run = begin_run(load_settings({"report_dir": tmp_path}, tmp_path, for_run=False), {})
    with pytest.raises(TriagedError, match="rows differ") as raised:
        check_rows(outcome, Check(run))
    run.log.close()
    assert raised.value.diagnoses == ("committed late",)
