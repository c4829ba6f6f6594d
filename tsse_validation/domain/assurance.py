"""How much a run has proven, by grade: what GO needs is set, and what was reached is said with it."""

from enum import StrEnum


class Assurance(StrEnum):
    """A grade of proof.

    `PROOF`: every due row of every sensor, both sides read by us. `COUNTS`: every sensor over the whole covered
    range, by the controller's own job. `SAMPLE`: some sensors in some window.
    """

    SAMPLE = "sample"
    COUNTS = "counts"
    PROOF = "proof"

    @property
    def strength(self) -> int:
        """0 for the weakest grade."""
        return list(Assurance).index(self)

    def reaches(self, required: "Assurance") -> bool:
        """Whether this grade is as strong as what is required."""
        return self.strength >= required.strength
