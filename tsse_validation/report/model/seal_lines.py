"""What a report says of the seals that a run took a side from: whose they are, and what rests on what."""

from collections.abc import Iterator
from dataclasses import dataclass

from tsse_validation.domain.instants import to_the_second
from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.seal_record import EarlierReading, SealUsed
from tsse_validation.seal_account import baseline_in_words, takes_over

_TITLES = {"lake": "The lake", "postgres": "Postgres"}
_READ_ALL = "every file was read for this seal"


@dataclass(frozen=True)
class SealLines:
    """A seal: its facts by name, and each earlier seal that it rests on: SHA-256, when it read, days, files."""

    title: str
    facts: tuple[tuple[str, str], ...]
    rests_on: tuple[tuple[str, str, str, str], ...]

    @property
    def in_short(self) -> str:
        """All facts on one line."""
        return "; ".join(f"{name[:1].lower()}{name[1:]} {value}" for name, value in self.facts)


def seal_lines(result: RunResult) -> tuple[SealLines, ...]:
    """Return the seals of a run in the order in which it used them; none where it read both sides itself."""
    return tuple(
        SealLines(_TITLES[seal.side], tuple(_facts(seal)), tuple(map(_earlier, seal.rests_on)))
        for seal in result.seals
    )


def _facts(seal: SealUsed) -> Iterator[tuple[str, str]]:
    yield "Made", f"by {seal.user} on {seal.host} at {to_the_second(seal.made_at)}, version {seal.suite_version}"
    yield "File", seal.path
    yield "SHA-256", seal.sha256
    files = f", {count_of(seal.files, 'file')}" if seal.files else ""
    yield "Holds", f"{count_of(seal.days, 'day')}{files}, {count_of(seal.rows, 'row')}"
    if seal.side == "lake":
        yield (
            "As of",
            f"the seal of Postgres {seal.as_of}" if seal.as_of else "its own state, by no seal of Postgres",
        )
        yield "Read", baseline_in_words(seal) if takes_over(seal) else _READ_ALL
    yield "Left open", f"{count_of(seal.left, 'sensor-day')}, proven neither way" if seal.left else "nothing"


def _earlier(earlier: EarlierReading) -> tuple[str, str, str, str]:
    days = sorted(earlier.days)
    span = f", {days[0]} to {days[-1]}" if len(days) > 1 else "".join(f", {day}" for day in days)
    return (
        earlier.sha256,
        to_the_second(earlier.read_at),
        f"{count_of(len(days), 'day')}{span}",
        number(earlier.files),
    )
