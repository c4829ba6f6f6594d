"""The mismatches by diagnosis: the finding, its rows with the bits that differ, and how to look at them again."""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby

from tsse_validation.domain.instants import day_start, format_rfc3339, utc_day
from tsse_validation.report.model import text, words
from tsse_validation.report.model.commands import helper
from tsse_validation.report.model.queries import Queries, queries_of
from tsse_validation.report.model.text import Capped, capped
from tsse_validation.runlog.records import Finding, RowDifference
from tsse_validation.runlog.result import RunResult

MAX_ROWS = 200
_MAX_COMMAND_SENSORS = 10
_PARITY_TAKES = ("database_url", "setup_config", "hot_path", "cold_path", "shards")

Marked = tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Bits:
    """Both sides' 64 bits in hexadecimal, as runs of `(digits, whether they differ)`."""

    postgres: Marked
    lake: Marked
    differing: int


@dataclass(frozen=True)
class DifferingRow:
    """One row, and the bits that differ between its two values."""

    row: RowDifference
    bits: Bits | None


@dataclass(frozen=True)
class Mismatch:
    """One diagnosis; `finding` is `None` for rows that belong to no finding."""

    finding: Finding | None
    rows: Capped[DifferingRow]
    look: str
    """The command that compares all rows of these days again."""
    queries: Queries = field(default_factory=Queries)
    """What shows its first rows in psql and DuckDB: of each diagnosis once."""


def mismatches(result: RunResult) -> tuple[Mismatch, ...]:
    """Return a group for each flagged finding, and one for the rows that belong to none."""
    of: dict[str, list[RowDifference]] = {}
    for row in result.differences:
        of.setdefault(row.diagnosis, []).append(row)
    groups = []
    told: set[str] = set()
    for finding in filter(lambda finding: finding.flagged, result.findings):
        # The first finding of a diagnosis shows its rows.
        rows = of.pop(finding.diagnosis, [])
        look = _look(result, finding.sensors, finding.days)
        queries = Queries() if finding.diagnosis in told else queries_of(result, finding, rows)
        told.add(finding.diagnosis)
        groups.append(Mismatch(finding, _shown(rows, finding.rows if rows else 0), look, queries))
    rest = [row for row in result.differences if row.diagnosis in of]
    if rest:
        sensors = tuple(dict.fromkeys(row.sensor_id for row in rest))
        days = tuple(sorted({utc_day(row.ts) for row in rest}))
        groups.append(Mismatch(None, _shown(rest, 0), _look(result, sensors, days)))
    return tuple(groups)


def _shown(rows: Iterable[RowDifference], total: int) -> Capped[DifferingRow]:
    cut = capped(rows, MAX_ROWS, total)
    return Capped(tuple(DifferingRow(row, _bits_of(row)) for row in cut.items), cut.total)


def _look(result: RunResult, sensors: tuple[str, ...], days: Sequence[date]) -> str:
    """Return the command that compares the days again, row by row; nothing for a stack that is gone."""
    if not days or result.stack is None or result.stack.owned:
        return ""
    more = {"window_start": _midnight(min(days)), "window_end": _midnight(max(days) + timedelta(days=1))}
    return helper(result, "parity --mode=direct", _PARITY_TAKES, more | _named(sensors))


def _bits_of(row: RowDifference) -> Bits | None:
    """Return where the two values' IEEE 754 bits differ; `None` without two values, or if they are equal.

    A NaN has no bits here: its text does not say which of the many it was.
    """
    postgres = None if row.postgres is None else _as_integer(row.postgres.value)
    lake = None if row.lake is None else _as_integer(row.lake.value)
    if postgres is None or lake is None or postgres == lake:
        return None
    unequal = f"{postgres ^ lake:016x}"
    return Bits(_marked(postgres, unequal), _marked(lake, unequal), (postgres ^ lake).bit_count())


def _as_integer(written: str) -> int | None:
    try:
        value = float(written)
    except ValueError:
        return None
    return None if math.isnan(value) else int(struct.unpack(">Q", struct.pack(">d", value))[0])


def _marked(bits: int, unequal: str) -> Marked:
    pairs = zip(f"{bits:016x}", (digit != "0" for digit in unequal), strict=True)
    return tuple(
        ("".join(digit for digit, _ in run), differs) for differs, run in groupby(pairs, lambda pair: pair[1])
    )


def _named(sensors: tuple[str, ...]) -> dict[str, str]:
    """Return the option for the sensors, or nothing if a command line cannot hold all of them as they are."""
    plain = all("," not in one and one.strip() == one and len(one) <= text.ID_LIMIT for one in sensors)
    fits = sensors and plain and len(sensors) <= _MAX_COMMAND_SENSORS
    return {"sensor_ids": ",".join(sensors)} if fits else {}


def _midnight(day: date) -> str:
    return format_rfc3339(day_start(day)).replace("+00:00", "Z").replace(".000000", "")


def diagnosis_of(mismatch: Mismatch) -> str:
    """Return the heading of a group."""
    return "no diagnosis" if mismatch.finding is None else words.status(mismatch.finding.diagnosis)
