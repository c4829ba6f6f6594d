"""A run of the benchmark as data, beside its page: what the model of larger sizes is fitted to."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tools.benchmarks.contenders import Contender
from tsse_validation.domain.instants import Instant

PATH = Path(__file__).with_name("RESULTS.json")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Size(_Model):
    """One data set; `digest_lines` are its sensors' UTC days."""

    millions: int
    rows: int
    table_bytes: int
    lake_files: int
    lake_bytes: int
    digest_lines: int


class Cost(_Model):
    """What a contender took on one size, as `measuring.Costs` says it; bytes are those that Postgres sent."""

    millions: int
    contender: str
    seconds: float
    whole_seconds: float
    cpu_seconds: float
    server_cpu_seconds: float | None
    peak_bytes: int
    received_bytes: int | None


class LineCost(_Model):
    """What comparing so many digest lines of both sides took; `peak_bytes` is the whole process."""

    lines: int
    seconds: float
    peak_bytes: int


class ShardDayCost(_Model):
    """What a worker took to digest a shard-day of so many rows; `peak_bytes` is the whole process."""

    rows: int
    files: int
    seconds: float
    peak_bytes: int


class Figures(_Model):
    """All of a run that the model needs."""

    begun: Instant
    load: float
    cores: int
    sizes: tuple[Size, ...]
    costs: tuple[Cost, ...]
    lines: tuple[LineCost, ...]
    shard_days: tuple[ShardDayCost, ...]

    def of(self, contender: Contender) -> dict[int, Cost]:
        """Return a contender's costs by millions of rows."""
        return {cost.millions: cost for cost in self.costs if cost.contender == contender.name}


def committed() -> Figures:
    """Read the figures of the last run that was committed."""
    return Figures.model_validate_json(PATH.read_text(encoding="utf-8"))
