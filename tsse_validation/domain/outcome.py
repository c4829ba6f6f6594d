"""GO, NO-GO or INCOMPLETE, and the exit codes that stand for them."""

from collections.abc import Mapping
from enum import StrEnum


class Outcome(StrEnum):
    """The decision on the release."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCOMPLETE = "INCOMPLETE"


EXIT_CODES: Mapping[Outcome, int] = {Outcome.GO: 0, Outcome.NO_GO: 1, Outcome.INCOMPLETE: 6}
"""Exit codes of a run; 2 to 5 are pytest's own, 7 says that a secret was found in a written file."""
EXIT_LEAK = 7
