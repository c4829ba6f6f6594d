"""The lake sealed from a baseline of a moment ago: nothing has changed, and one in fifty shard-days is read."""

from tools.benchmarks.case import Answer, Case
from tools.benchmarks.sealing_lake import sealed
from tsse_validation.domain.digest import rows_digested
from tsse_validation.seals.lake_sealing import Reuse
from tsse_validation.seals.seal_file import read_seal, seal_bytes

_FILE = "baseline.seal"
_SHARE, _SEED = 0.02, 1


def prepare(case: Case) -> None:
    """Make the baseline."""
    (case.scratch / _FILE).write_bytes(seal_bytes(sealed(case)))


def run(case: Case) -> Answer:
    """Seal the window."""
    reuse = Reuse(read_seal(case.scratch / _FILE), _SHARE, _SEED)
    return Answer(rows_digested(sealed(case, reuse).lines), differs=False)
