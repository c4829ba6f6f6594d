"""Digests a lake by a cluster until it is interrupted: takes the scheduler, the hot directory, and a gate."""

import sys
from functools import partial
from pathlib import Path

from tests.support.clustered_lake import digest_when_let, tasks
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.cluster import cluster_workers

if __name__ == "__main__":
    address, hot, gate = sys.argv[1:]
    paths = LakePaths(Path(hot))
    try:
        list(cluster_workers(address, paths).run(partial(digest_when_let, Path(gate)), tasks(paths)))
    except KeyboardInterrupt:
        sys.exit(130)
