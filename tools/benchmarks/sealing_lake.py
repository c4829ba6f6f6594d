"""The lake sealed, every file of it read: what a seal from a baseline is held against."""

from datetime import UTC, datetime

from tools.benchmarks.case import Answer, Case
from tools.benchmarks.ours import prepare, scope_of
from tsse_validation.domain.digest import rows_digested
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.seals.lake_sealing import Reuse, seal_lake
from tsse_validation.seals.seal import Seal

__all__ = ["prepare", "run", "sealed"]


def run(case: Case) -> Answer:
    """Seal the window."""
    return Answer(rows_digested(sealed(case).lines), differs=False)


def sealed(case: Case, reuse: Reuse | None = None) -> Seal:
    """Return the seal of the window."""
    reader = LakeReader(LakePaths(case.hot, None, case.shards))
    return seal_lake(reader, (scope_of(case, reader),), now=lambda: datetime.now(UTC), reuse=reuse)
