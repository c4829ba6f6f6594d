"""Contender: our full proof, with two workers beside each statement's own process in Postgres."""

from tools.benchmarks.case import Answer, Case
from tools.benchmarks.ours import prepare, proven
from tsse_validation.settings.definitions import Settings

__all__ = ["prepare", "run"]


def run(case: Case) -> Answer:
    """Prove the window."""
    return proven(case, Settings(postgres_workers=2))
