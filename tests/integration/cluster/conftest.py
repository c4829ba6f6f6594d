from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clustered_lake import write_lake
from tests.support.dask_cluster import DaskCluster, dask_cluster
from tsse_validation.domain.stack import LakePaths


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Provide a scheduler and two workers, which each test leaves as they were."""
    with dask_cluster(tmp_path_factory.mktemp("cluster"), "one", "two") as running:
        yield running


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Provide a scheduler without a worker; each test ends those that it starts."""
    with dask_cluster(tmp_path_factory.mktemp("bare")) as running:
        yield running


@pytest.fixture
def paths(tmp_path: Path) -> LakePaths:
    return write_lake(tmp_path)
