"""What a contender is given, and what it answers: plain data, for each runs in a process of its own."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tsse_validation.domain.instants import format_rfc3339, parse_rfc3339
from tsse_validation.domain.windows import Window


@dataclass(frozen=True)
class Case:
    """One comparison: both sides, and the window of `ts` to compare.

    `scratch` is a directory of this run's own; `memory_limit` bounds the address space, in bytes, where not 0.
    """

    contender: str
    conninfo: str = field(repr=False)
    hot: Path
    shards: int
    window: Window
    scratch: Path
    memory_limit: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the case as JSON; it holds the password."""
        window = [format_rfc3339(self.window.start), format_rfc3339(self.window.end)]
        return asdict(self) | {"hot": str(self.hot), "scratch": str(self.scratch), "window": window}

    @classmethod
    def from_json(cls, text: dict[str, Any]) -> Self:
        """Read a case back."""
        start, end = map(parse_rfc3339, text["window"])
        paths = {"hot": Path(text["hot"]), "scratch": Path(text["scratch"])}
        return cls(**text | paths | {"window": Window(start, end)})


@dataclass(frozen=True)
class Difference:
    """One difference that a contender reports; `ts` is in microseconds since 1970, `None` if it cannot tell."""

    kind: str
    sensor_id: str
    ts: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a contender found; `differs` also where it could not name a single row."""

    rows: int
    differs: bool
    differences: tuple[Difference, ...] = ()
    note: str = ""

    @classmethod
    def from_json(cls, text: dict[str, Any]) -> Self:
        """Read an answer back."""
        return cls(**text | {"differences": tuple(Difference(**each) for each in text["differences"])})
