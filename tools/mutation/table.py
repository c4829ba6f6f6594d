"""Counts the mutants of a module, and tells those that survive for a reason from those that should not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.mutation.running import Mutant

_AROUND = 12
"""Characters that the page shows before and behind a change, at least."""


@dataclass(frozen=True)
class Explanation:
    """Why mutants survive: those of a function whose change, as “was → is”, holds a text.

    `equivalent` says that no test could tell them from the original by what the module promises.
    """

    function: str
    holds: str
    why: str
    equivalent: bool = True

    def covers(self, mutant: Mutant) -> bool:
        """Whether the explanation is of this mutant."""
        return mutant.function == self.function and self.holds in f"{mutant.was} → {mutant.line}"


@dataclass(frozen=True)
class Counts:
    """The figures of one module: the columns of the table, in order."""

    mutants: int
    killed: int
    timeouts: int
    survived: int
    no_tests: int
    equivalent: int

    @property
    def score(self) -> str:
        """The part of all mutants that a test saw."""
        return _percent(self.killed + self.timeouts, self.mutants)

    @property
    def score_of_others(self) -> str:
        """The part of the mutants that a test could see."""
        return _percent(self.killed + self.timeouts, self.mutants - self.equivalent)

    def __str__(self) -> str:
        return (
            f"{self.killed + self.timeouts} of {self.mutants} mutants seen, {self.score}; "
            f"{self.score_of_others} without {self.equivalent} that are equivalent"
        )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


@dataclass(frozen=True)
class Explained:
    """A module's mutants, with the explanation of each that survived."""

    counts: Counts
    survivors: Sequence[tuple[Mutant, Explanation | None]]
    unused: Sequence[Explanation]

    def complaints(self) -> Iterator[str]:
        """Tell what is not as it should be."""
        for mutant, explanation in self.survivors:
            if explanation is None:
                yield f"not explained: {mutant.function}: {mutant.was}  →  {mutant.line}"
        for explanation in self.unused:
            yield f"explains no survivor: {explanation.function}: {explanation.holds}"

    def part(self, module: str) -> tuple[str, str]:
        """Return the module's line of the table, and its section of the page."""
        counts = self.counts
        cells = (
            *(module, counts.mutants, counts.killed, counts.timeouts, counts.survived, counts.no_tests),
            *(counts.equivalent, counts.score, counts.score_of_others),
        )
        line = f"| {' | '.join(map(str, cells))} |"
        return line, "\n".join(f"- {told}" for told in self._told()) or "No survivor."

    def _told(self) -> Iterator[str]:
        by_reason: dict[Explanation | None, list[Mutant]] = {}
        for mutant, explanation in self.survivors:
            by_reason.setdefault(explanation, []).append(mutant)
        for explanation, mutants in by_reason.items():
            what = "; ".join(dict.fromkeys(_short(mutant) for mutant in mutants))
            kind = "equivalent" if explanation is not None and explanation.equivalent else "left alone"
            why = f"{kind}: {explanation.why}" if explanation is not None else "NOT EXPLAINED"
            yield f"{len(mutants)} × `{mutants[0].function}`: {what} – {why}"


def _short(mutant: Mutant) -> str:
    """Return how the mutant's line was and is, as much of it as tells the change."""
    was, line = mutant.was, mutant.line
    shortest = min(len(was), len(line))
    before = next((at for at in range(shortest) if was[at] != line[at]), shortest)
    behind = next((at for at in range(shortest - before) if was[-1 - at] != line[-1 - at]), shortest - before)
    return " → ".join(f"`{_part(text, before, len(text) - behind)}`" for text in (was, line))


def _part(text: str, begin: int, end: int) -> str:
    """Return a part of a line with a little around it, by whole words."""
    begin = text.rfind(" ", 0, max(0, begin - _AROUND)) + 1
    end = text.find(" ", end + _AROUND) if end + _AROUND < len(text) else -1
    shown = text[begin:] if end < 0 else text[begin:end]
    return f"{'… ' if begin else ''}{shown}{'' if end < 0 else ' …'}".replace("`", "'")


def explain(mutants: Sequence[Mutant], explanations: Sequence[Explanation]) -> Explained:
    """Give each survivor its explanation, and count."""
    survivors = [
        (mutant, next((one for one in explanations if one.covers(mutant)), None))
        for mutant in mutants
        if not mutant.seen
    ]
    used = {explanation for _, explanation in survivors}
    statuses = [mutant.status for mutant in mutants]
    counts = Counts(
        mutants=len(mutants),
        killed=statuses.count("killed"),
        timeouts=statuses.count("timeout"),
        survived=statuses.count("survived"),
        no_tests=statuses.count("no tests"),
        equivalent=sum(explanation is not None and explanation.equivalent for _, explanation in survivors),
    )
    return Explained(counts, survivors, [explanation for explanation in explanations if explanation not in used])
