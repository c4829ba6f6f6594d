"""A run beside an earlier one: what has healed, what is new, what is still there, and what got slower.

Healed is only what was looked at again and matches; what the later run did not look at is said to be unknown.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from tsse_validation.domain.instants import utc_day
from tsse_validation.report.model.capped import Capped, capped
from tsse_validation.report.model.checks import check_lines
from tsse_validation.report.model.counts import agrees, mismatching_rows
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import figures
from tsse_validation.report.model.view import view_of
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.runlog.result import RunResult

MAX_LINES = 200
SLOWER_BY, SLOWER_SECONDS = 1.5, 1.0
SensorDay = tuple[str, date]


@dataclass(frozen=True)
class Changed:
    """A check that ended differently; `None` where a run did not know it."""

    title: str
    check_id: str
    before: CheckStatus | None
    after: CheckStatus | None


@dataclass(frozen=True)
class Slower:
    """A check that took longer, in seconds."""

    title: str
    check_id: str
    before: float
    after: float


@dataclass(frozen=True)
class Rows:
    """A diagnosis against the release, and its rows in each run; `None` where a run did not make it."""

    diagnosis: str
    before: int | None
    after: int | None


@dataclass(frozen=True)
class ThenNow:
    """One of the runs' numbers, in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class RunComparison:
    """The later run against the `earlier` one; cells are a sensor's days that do not match.

    `by_job` are sensors whose counts by the controller's job do not match, which no day is told of: by what became
    of them, as `cells`. Equal counts heal nothing, so none of these is called healed.
    """

    earlier: ReportDocument
    healed: Capped[SensorDay]
    new: Capped[SensorDay]
    still: Capped[SensorDay]
    unknown: Capped[SensorDay]
    changed: Capped[Changed]
    slower: Capped[Slower]
    by_job: tuple[tuple[str, str, Capped[str]], ...]
    diagnoses: Capped[Rows]
    figures: tuple[ThenNow, ...]

    @property
    def cells(self) -> tuple[tuple[str, str, Capped[SensorDay]], ...]:
        """The cells by what became of them, each with its tone."""
        return (
            ("new", "bad", self.new),
            ("still there", "bad", self.still),
            ("not looked at this time", "open", self.unknown),
            ("healed", "good", self.healed),
        )


def compare(earlier: ReportDocument, later: ReportDocument) -> RunComparison:
    """Hold a run against an earlier one, of the same controller or not."""
    before, after = _mismatching(earlier.result), _mismatching(later.result)
    looked_at = _looked_at(later.result)
    return RunComparison(
        earlier=earlier,
        healed=_cells(cell for cell in before - after if cell in looked_at),
        new=_cells(after - before),
        still=_cells(before & after),
        unknown=_cells(cell for cell in before - after if cell not in looked_at),
        changed=capped(_changed(earlier, later), MAX_LINES),
        slower=capped(_slower(earlier, later), MAX_LINES),
        by_job=_by_job(earlier.result, later.result),
        diagnoses=capped(_diagnoses(earlier.result, later.result), MAX_LINES),
        figures=tuple(_figures(earlier, later)),
    )


def _cells(cells: Iterable[SensorDay]) -> Capped[SensorDay]:
    return capped(sorted(cells, key=lambda cell: (cell[1], cell[0])), MAX_LINES)


def _mismatching(result: RunResult) -> set[SensorDay]:
    rows = (row for counts in result.counts for row in counts.rows if row.day is not None and not agrees(row))
    by_count = {(row.sensor_id, row.day) for row in rows if row.day is not None}
    return by_count | {(row.sensor_id, utc_day(row.ts)) for row in result.differences}


def _looked_at(result: RunResult) -> set[SensorDay]:
    """Return the cells that were compared by content: equal counts alone heal nothing."""
    if not result.rows_compared:
        return set()
    return {
        (row.sensor_id, row.day)
        for counts in result.counts
        if counts.source == "direct"
        for row in counts.rows
        if row.day is not None
    }


def _by_job(earlier: RunResult, later: RunResult) -> tuple[tuple[str, str, Capped[str]], ...]:
    before, after = _mismatching_by_job(earlier), _mismatching_by_job(later)
    counted = {row.sensor_id for counts in later.counts if counts.source == "job" for row in counts.rows}
    groups = (
        ("new", "bad", after - before),
        ("still there", "bad", before & after),
        ("not counted this time", "open", before - after - counted),
        ("counts agree now", "good", (before - after) & counted),
    )
    return tuple((name, tone, capped(sorted(sensors), MAX_LINES)) for name, tone, sensors in groups)


def _mismatching_by_job(result: RunResult) -> set[str]:
    return {
        row.sensor_id for counts in result.counts if counts.source == "job" for row in mismatching_rows(counts)
    }


def _diagnoses(earlier: RunResult, later: RunResult) -> Iterator[Rows]:
    before, after = _flagged_rows(earlier), _flagged_rows(later)
    for diagnosis in dict.fromkeys((*after, *before)):
        yield Rows(diagnosis, before.get(diagnosis), after.get(diagnosis))


def _flagged_rows(result: RunResult) -> Counter[str]:
    rows: Counter[str] = Counter()
    for finding in result.findings:
        if finding.flagged:
            rows[finding.diagnosis] += finding.rows
    return rows


def _figures(earlier: ReportDocument, later: ReportDocument) -> Iterator[ThenNow]:
    """Yield the numbers that are not the same; which run it is goes without saying."""
    for then, now in zip(figures(view_of(earlier)), figures(view_of(later)), strict=True):
        if then.said != now.said and now.key != "run_id":
            yield ThenNow(now.name, then.said, now.said)


def _changed(earlier: ReportDocument, later: ReportDocument) -> list[Changed]:
    before, after = ({line.check_id: line for line in check_lines(one)} for one in (earlier, later))
    changed = []
    for check_id in dict.fromkeys((*after, *before)):
        then, now = before.get(check_id), after.get(check_id)
        line = now or then
        statuses = (then.status if then else None, now.status if now else None)
        if line is not None and statuses[0] is not statuses[1]:
            changed.append(Changed(line.title, check_id, *statuses))
    return changed


def _slower(earlier: ReportDocument, later: ReportDocument) -> list[Slower]:
    before: Mapping[str, float] = {check.check_id: check.duration_seconds for check in earlier.result.checks}
    slower = [
        Slower(check.title, check.check_id, before[check.check_id], check.duration_seconds)
        for check in later.result.checks
        if check.check_id in before and _is_slower(before[check.check_id], check.duration_seconds)
    ]
    return sorted(slower, key=lambda check: check.before - check.after)


def _is_slower(before: float, after: float) -> bool:
    return after - before >= SLOWER_SECONDS and after >= SLOWER_BY * before
