"""The mismatches by diagnosis: the finding, its rows with the bits that differ, and the commands to run next."""

import math
import shlex
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from tsse_validation.domain.instants import day_start, format_rfc3339, utc_day
from tsse_validation.report.model import text, words
from tsse_validation.report.model.text import Capped, capped
from tsse_validation.runlog.records import Finding, RowDifference
from tsse_validation.runlog.result import RunResult
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.loading import DEFAULT

MAX_ROWS = 200
_MAX_COMMAND_SENSORS = 10
_MOST_DAYS = 365
_LONGEST_COMMAND = 2_000
_REPEATABLE = Settings.model_fields.keys() - {"keep_stack", "report_dir", "resume", "step_summary"}
_UNREPEATABLE = {"set", "not set", "False", "[redacted]", ""}
"""Recorded values that cannot be repeated: of a secret, of a flag that is not set, of an empty setting."""

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
class Command:
    """A command line to copy, and its purpose."""

    purpose: str
    line: str


@dataclass(frozen=True)
class Mismatch:
    """One diagnosis; `finding` is `None` for rows that belong to no finding."""

    finding: Finding | None
    rows: Capped[DifferingRow]
    commands: tuple[Command, ...]


def mismatches(result: RunResult) -> tuple[Mismatch, ...]:
    """Return a group for each flagged finding, and one for the rows that belong to none."""
    of: dict[str, list[RowDifference]] = {}
    for row in result.differences:
        of.setdefault(row.diagnosis, []).append(row)
    groups = []
    for finding in filter(lambda finding: finding.flagged, result.findings):
        # The first finding of a diagnosis shows its rows.
        rows = of.pop(finding.diagnosis, [])
        commands = tuple(_commands(result, finding.sensors, finding.days, finding))
        groups.append(Mismatch(finding, _shown(rows, finding.rows if rows else 0), commands))
    rest = [row for row in result.differences if row.diagnosis in of]
    if rest:
        sensors = tuple(dict.fromkeys(row.sensor_id for row in rest))
        days = tuple(sorted({utc_day(row.ts) for row in rest}))
        groups.append(Mismatch(None, _shown(rest, 0), tuple(_commands(result, sensors, days, None))))
    return tuple(groups)


def _shown(rows: Iterable[RowDifference], total: int) -> Capped[DifferingRow]:
    cut = capped(rows, MAX_ROWS, total)
    return Capped(tuple(DifferingRow(row, _bits_of(row)) for row in cut.items), cut.total)


def _commands(
    result: RunResult, sensors: tuple[str, ...], days: tuple[date, ...], finding: Finding | None
) -> Iterator[Command]:
    """Yield what to run next, with the run's own address and without its secrets."""
    stack = result.stack
    if stack is None:
        return
    if stack.owned:
        yield Command("The same run again, its stack left running to look into", _again(result))
        return
    address = f"--base-url {shlex.quote(text.one_line(stack.base_url))} --auth-token-file ~/tsse-token.txt"
    if days:
        window = f"--start {_midnight(days[0])} --end {_midnight(days[-1] + timedelta(days=1))}"
        yield Command(
            "Look at every row of these days again (TSSE_DATABASE_URL and TSSE_HOT_PATH must be set)",
            f"tsse-validate parity --mode direct {window}{_named(sensors)}",
        )
    if finding is not None and finding.heals_by_backfill:
        yield Command(
            "Repeat the backfill over these days, as the runbook says",
            f"tsse-validate backfill {address} --days {_reach(result, days)} --replace-existing --wait",
        )
    yield Command("Then validate again, in full", f"pytest -m tier_a {address}")


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


def _named(sensors: tuple[str, ...]) -> str:
    """Return the option for the sensors, or nothing if a command line cannot hold all of them as they are."""
    plain = all(one.isprintable() and "," not in one and len(one) <= text.ID_LIMIT for one in sensors)
    if not sensors or not plain or len(sensors) > _MAX_COMMAND_SENSORS:
        return ""
    return f" --sensor-ids {shlex.quote(','.join(sensors))}"


def _reach(result: RunResult, days: tuple[date, ...]) -> int:
    """Return how many days a backfill from the run's end must go back to reach the earliest of these days."""
    ended: datetime = result.finished.at if result.finished else result.started.at
    backfilled = max((seen.days for seen in result.backfills), default=1)
    wanted = (ended.date() - min(days)).days + 1 if days else backfilled
    return max(1, min(wanted, _MOST_DAYS))


def _midnight(day: date) -> str:
    return format_rfc3339(day_start(day)).replace("+00:00", "Z").replace(".000000", "")


def _again(result: RunResult) -> str:
    """Return the run's own command line: every setting that was not a default, but no secret."""
    given = [
        option_of(setting.name)
        if setting.value == "True"
        else shlex.quote(f"{option_of(setting.name)}={setting.value}")
        for setting in result.started.settings
        if setting.name in _REPEATABLE and setting.source != DEFAULT and setting.value not in _UNREPEATABLE
    ]
    return text.one_line(" ".join(["pytest", *given, "--keep-stack"]), _LONGEST_COMMAND)


def diagnosis_of(mismatch: Mismatch) -> str:
    """Return the heading of a group."""
    return "no diagnosis" if mismatch.finding is None else words.status(mismatch.finding.diagnosis)
