"""What differs, diagnosis by diagnosis: the finding, its rows, and the commands that come next."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tsse_validation.domain.instants import day_start, format_rfc3339, utc_day
from tsse_validation.report.model import text, words
from tsse_validation.report.model.bits import Bits, bits_of
from tsse_validation.report.model.capped import Capped, capped
from tsse_validation.runlog.records import Finding, RowDifference
from tsse_validation.runlog.result import RunResult
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.loading import DEFAULT

MAX_ROWS = 200
_MAX_COMMAND_SENSORS = 10
_MOST_DAYS = 365
_LONGEST_COMMAND = 2_000
_REPEATABLE = Settings.model_fields.keys() - {"keep_stack", "report_dir", "resume", "step_summary"}
_UNTELLABLE = {"set", "not set", "False", "[redacted]", ""}
"""What the record of a secret, of a flag that is not set, and of nothing look like."""


@dataclass(frozen=True)
class DifferingRow:
    """One row, and where the bits of its two values differ."""

    row: RowDifference
    bits: Bits | None


@dataclass(frozen=True)
class Command:
    """A command line to copy, and what it is for."""

    purpose: str
    line: str


@dataclass(frozen=True)
class Mismatch:
    """One diagnosis; `finding` is `None` for rows that no finding of triage speaks of."""

    finding: Finding | None
    rows: Capped[DifferingRow]
    commands: tuple[Command, ...]


def mismatches(result: RunResult) -> tuple[Mismatch, ...]:
    """Return a group for each flagged finding, and one for the rows that no finding speaks of."""
    left = {row.diagnosis for row in result.differences}
    groups: list[Mismatch] = []
    for finding in result.findings:
        if finding.flagged:
            mine = finding.diagnosis in left
            rows = [row for row in result.differences if row.diagnosis == finding.diagnosis] if mine else []
            left.discard(finding.diagnosis)
            shown = _shown(rows, finding.rows if rows else 0)
            groups.append(
                Mismatch(finding, shown, tuple(_commands(result, finding.sensors, finding.days, finding)))
            )
    rest = [row for row in result.differences if row.diagnosis in left]
    if rest:
        sensors = dict.fromkeys(row.sensor_id for row in rest)
        days = sorted({utc_day(row.ts) for row in rest})
        groups.append(Mismatch(None, _shown(rest, 0), tuple(_commands(result, tuple(sensors), tuple(days), None))))
    return tuple(groups)


def _shown(rows: Iterable[RowDifference], total: int) -> Capped[DifferingRow]:
    cut = capped(rows, MAX_ROWS, total)
    return Capped(tuple(DifferingRow(row, bits_of(row)) for row in cut.items), cut.total)


def _commands(
    result: RunResult, sensors: tuple[str, ...], days: tuple[date, ...], finding: Finding | None
) -> Iterator[Command]:
    """Yield what to run next; addresses are the run's own, secrets stay in the reader's environment."""
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


def _named(sensors: tuple[str, ...]) -> str:
    """Name the sensors, where a command line can hold all of them as they are."""
    tellable = all(
        sensor.isprintable() and "," not in sensor and len(sensor) <= text.ID_LIMIT for sensor in sensors
    )
    if not sensors or not tellable or len(sensors) > _MAX_COMMAND_SENSORS:
        return ""
    return f" --sensor-ids {shlex.quote(','.join(sensors))}"


def _reach(result: RunResult, days: tuple[date, ...]) -> int:
    """Return how many days a backfill of today must go back to hold the earliest of these days."""
    ended: datetime = result.finished.at if result.finished else result.started.at
    wanted = (
        (ended.date() - min(days)).days + 1 if days else max((seen.days for seen in result.backfills), default=1)
    )
    return max(1, min(wanted, _MOST_DAYS))


def _midnight(day: date) -> str:
    return format_rfc3339(day_start(day)).replace("+00:00", "Z").replace(".000000", "")


def _again(result: RunResult) -> str:
    """Return the run's own command line: what was set, wherever it was set, but no secret."""
    given = [
        option_of(setting.name)
        if setting.value == "True"
        else shlex.quote(f"{option_of(setting.name)}={setting.value}")
        for setting in result.started.settings
        if setting.name in _REPEATABLE and setting.source != DEFAULT and setting.value not in _UNTELLABLE
    ]
    return text.one_line(" ".join(["pytest", *given, "--keep-stack"]), _LONGEST_COMMAND)


def said(mismatch: Mismatch) -> str:
    """Name a group for its heading."""
    return "no diagnosis" if mismatch.finding is None else words.status(mismatch.finding.diagnosis)
