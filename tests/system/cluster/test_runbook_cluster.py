"""A whole run whose lake is digested by a cluster."""

from pathlib import Path

import pytest
from distributed import Client

from tests.support.clustered_lake import steps_taken
from tests.support.command import QUICK, Runbook
from tests.support.dask_cluster import dask_cluster
from tsse_validation.domain.assurance import Assurance


@pytest.mark.slow
def test_a_run_on_a_stack_of_its_own_is_proven_by_a_cluster(runbook: Runbook, tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "cluster", "one", "two") as cluster:
        run = runbook(*QUICK, f"--cluster={cluster.address}")
        with Client(cluster.address, set_as_default=False) as client:
            steps = client.run_on_scheduler(steps_taken)
    assert run.is_go_with_nothing_flagged, run
    assert run.verdict.assurance is Assurance.PROOF
    assert steps > 0
