"""One side of our proof alone: the lake's files, read and digested here."""

from tools.benchmarks.case import Answer, Case
from tools.benchmarks.ours import prepare, scope_of
from tsse_validation.domain.digest import KEY_SCHEMA, rows_digested
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.rows import LakeRows

__all__ = ["prepare", "run"]


def run(case: Case) -> Answer:
    """Digest the window."""
    lake = LakeReader(LakePaths(case.hot, None, case.shards))
    parts = LakeRows(lake).digests(scope_of(case, lake), KEY_SCHEMA.empty_table())
    return Answer(sum(rows_digested(digests) for _, digests in parts), differs=False)
