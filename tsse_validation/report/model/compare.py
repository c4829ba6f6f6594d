"""A run beside an earlier one: what has healed, what is new, what is still there, and what got slower.

A mismatch has healed only where the later run looked again and found a match. Elsewhere it is unknown.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from tsse_validation.domain.instants import utc_day
from tsse_validation.report.model.checks import check_lines
from tsse_validation.report.model.counts import agrees, mismatching_rows
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import figures
from tsse_validation.report.model.text import Capped, capped
from tsse_validation.report.model.view import view_of
from tsse_validation.runlog.records import CheckStatus
from tsse_validation.runlog.result import RunResult

MAX_LINES = 200
SLOWER_BY, SLOWER_SECONDS = 1.5, 1.0
SensorDay = tuple[str, date]
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Change(Generic[T_co]):
    """Something named in both runs: a check, a diagnosis or a figure; `None` where a run does not have it."""

    name: str
    before: T_co
    after: T_co
    check_id: str = ""


@dataclass(frozen=True)
class RunComparison:
    """The later run against the `earlier` one; a cell is one sensor's day that does not match.

    `by_job` holds the sensors whose counts by the controller's job do not match, grouped as `cells` are. The job
    counts no single days, and equal counts heal nothing, so none of these sensors is called healed.
    """

    earlier: ReportDocument
    healed: Capped[SensorDay]
    new: Capped[SensorDay]
    still: Capped[SensorDay]
    unknown: Capped[SensorDay]
    changed: Capped[Change[CheckStatus | None]]
    slower: Capped[Change[float]]
    by_job: tuple[tuple[str, str, Capped[str]], ...]
    diagnoses: Capped[Change[int | None]]
    figures: tuple[Change[str], ...]

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
    """Compare a run with an earlier one, of the same controller or another."""
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
    rows = (row for counts in result.counts for row in counts.rows if not agrees(row))
    by_count = {(row.sensor_id, row.day) for row in rows if row.day is not None}
    return by_count | {(row.sensor_id, utc_day(row.ts)) for row in result.differences}


def _looked_at(result: RunResult) -> set[SensorDay]:
    """Return the cells whose rows were compared: equal counts alone heal nothing."""
    if not result.rows_compared:
        return set()
    rows = (row for counts in result.counts if counts.source == "direct" for row in counts.rows)
    return {(row.sensor_id, row.day) for row in rows if row.day is not None}


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


def _diagnoses(earlier: RunResult, later: RunResult) -> Iterator[Change[int | None]]:
    before, after = _flagged_rows(earlier), _flagged_rows(later)
    for diagnosis in dict.fromkeys((*after, *before)):
        yield Change(diagnosis, before.get(diagnosis), after.get(diagnosis))


def _flagged_rows(result: RunResult) -> Counter[str]:
    rows: Counter[str] = Counter()
    for finding in result.findings:
        if finding.flagged:
            rows[finding.diagnosis] += finding.rows
    return rows


def _figures(earlier: ReportDocument, later: ReportDocument) -> Iterator[Change[str]]:
    """Yield the numbers that differ, but for the run's own id."""
    for then, now in zip(figures(view_of(earlier)).values(), figures(view_of(later)).values(), strict=True):
        if then.text != now.text and now.key != "run_id":
            yield Change(now.name, then.text, now.text)


def _changed(earlier: ReportDocument, later: ReportDocument) -> Iterator[Change[CheckStatus | None]]:
    before, after = ({line.check_id: line for line in check_lines(one)} for one in (earlier, later))
    for check_id in dict.fromkeys((*after, *before)):
        then, now = before.get(check_id), after.get(check_id)
        line = now or then
        statuses = (then.status if then else None, now.status if now else None)
        if line is not None and statuses[0] is not statuses[1]:
            yield Change(line.title, *statuses, check_id)


def _slower(earlier: ReportDocument, later: ReportDocument) -> list[Change[float]]:
    before: Mapping[str, float] = {check.check_id: check.duration_seconds for check in earlier.result.checks}
    slower = [
        Change(check.title, then, now, check.check_id)
        for check in later.result.checks
        if (then := before.get(check.check_id)) is not None
        and (now := check.duration_seconds) - then >= SLOWER_SECONDS
        and now >= SLOWER_BY * then
    ]
    return sorted(slower, key=lambda check: check.before - check.after)
