"""Whole commands whose lake is digested by a cluster: they say what they say without one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

from tests.integration.cli.conftest import RunHelper, about, broken, day_of
from tests.support.clustered_lake import steps_taken
from tests.support.dask_cluster import DaskCluster, dask_cluster

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("cluster"), "one", "two") as running:
        yield running


def work_of(cluster: DaskCluster) -> int:
    with Client(cluster.address, set_as_default=False) as client:
        return int(client.run_on_scheduler(steps_taken))


def test_parity_by_a_cluster_is_as_without_one(cluster: DaskCluster, parity: RunHelper, partition: Path) -> None:
    before = work_of(cluster)
    here, there = (
        about(parity, partition, "--json"),
        about(parity, partition, "--json", f"--cluster={cluster.address}"),
    )
    assert (here.code, there.code) == (0, 0), there
    assert json.loads(there.out) == json.loads(here.out)
    assert json.loads(there.out)["rows"]
    assert work_of(cluster) > before


def test_a_difference_is_told_by_a_cluster_as_without_one(
    cluster: DaskCluster, parity: RunHelper, partition: Path, tmp_path: Path
) -> None:
    with broken(partition, tmp_path) as date:
        next(date.glob("shard=*/*.parquet")).unlink()
        here = about(parity, partition, "--json")
        there = about(parity, partition, "--json", f"--cluster={cluster.address}")
    assert (here.code, there.code) == (1, 1), there
    assert json.loads(there.out) == json.loads(here.out)
    assert str(day_of(partition)) in there.out
