"""One side of our proof alone: Postgres, with two workers beside each statement's own process."""

from tools.benchmarks.case import Answer, Case
from tools.benchmarks.ours import prepare
from tools.benchmarks.postgres_side import digested
from tsse_validation.settings.definitions import Settings

__all__ = ["prepare", "run"]


def run(case: Case) -> Answer:
    """Digest the window."""
    return digested(case, Settings(postgres_workers=2))
