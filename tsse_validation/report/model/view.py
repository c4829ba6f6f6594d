"""The content of a report: every renderer puts this view into its format and adds no number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from tsse_validation.domain.phrasing import number
from tsse_validation.domain.windows import Window
from tsse_validation.report.model import words
from tsse_validation.report.model.actions import Action, what_to_do
from tsse_validation.report.model.checks import CheckLine, MissingLine, StepLine, missing_lines, step_lines
from tsse_validation.report.model.counts import CountsTable, DayTable, counts_tables, day_tables, mismatching_rows
from tsse_validation.report.model.covered_days import CoveredDays, covered_days
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.failure_lines import FailuresReport, failures_report
from tsse_validation.report.model.helper_lines import HelperLine, helper_lines
from tsse_validation.report.model.lake_history import LakeHistory, lake_history
from tsse_validation.report.model.seal_lines import SealLines, seal_lines
from tsse_validation.report.model.soak import SoakReport, soak_report
from tsse_validation.report.model.text import Capped, capped
from tsse_validation.runlog.records import BackfillSeen, Finding, RowDifference, WindowChecked
from tsse_validation.runlog.result import RunResult

MAX_DIFFERENCES = 200
MAX_WINDOWS = 500
MAX_EVENTS = 400


@dataclass(frozen=True)
class EdgeLine:
    """The windows drawn at one edge from one source."""

    edge: str
    source: str
    windows: int
    postgres: int
    lake: int
    failing: int


@dataclass(frozen=True)
class BackfillLine:
    """A backfill, and its first `MAX_EVENTS` events."""

    seen: BackfillSeen
    events: Capped[str]


@dataclass(frozen=True)
class ReportView:
    """Everything a report shows beside the document itself.

    `windows_late` counts the windows that differ only by rows that arrived late.
    """

    document: ReportDocument
    actions: tuple[Action, ...]
    steps: tuple[StepLine, ...]
    missing: tuple[MissingLine, ...]
    blocking: int
    tolerated: int
    seconds: float | None
    windows_validated: tuple[tuple[Window, str], ...]
    watermarks: tuple[datetime, ...]
    days: int
    mismatching_sensors: int
    counts: tuple[CountsTable, ...]
    day_tables: tuple[DayTable, ...]
    edges: tuple[EdgeLine, ...]
    windows_failing: Capped[WindowChecked]
    windows_late: int
    flagged: tuple[Finding, ...]
    explained: tuple[Finding, ...]
    differences: Capped[RowDifference]
    backfills: tuple[BackfillLine, ...]
    helpers: tuple[HelperLine, ...]
    lake: LakeHistory
    covered: CoveredDays
    seals: tuple[SealLines, ...]
    soak: SoakReport | None
    failures: FailuresReport | None

    @property
    def meaning(self) -> str:
        """The meaning of the outcome, in a sentence or two."""
        stack = self.document.result.stack
        return words.meaning(self.document.verdict, self.tolerated, owned=stack is not None and stack.owned)

    @property
    def why(self) -> tuple[str, ...]:
        """Why the verdict is so: of a NO-GO its faults, else all reasons."""
        verdict = self.document.verdict
        return verdict.reasons[: verdict.faults] if verdict.faults else verdict.reasons

    @property
    def gaps_besides(self) -> tuple[str, ...]:
        """What a NO-GO has not proven either."""
        return self.document.verdict.reasons[len(self.why) :]

    @property
    def farm(self) -> str:
        """The size of an installed controller's farm, or that it was not measured."""
        seen = self.document.result.farm
        if seen is not None:
            return f"{number(seen.sensors)} sensors in Postgres"
        # A result of an earlier version has the number in a check's facts.
        for check in self.checks:
            if check.key == "test_postgres_answers_a_query" and "sensors" in check.facts:
                return f"{check.facts['sensors']} sensors in Postgres"
        return "not measured: its sensors are counted in Postgres, which was not read"

    @property
    def rows_were_compared(self) -> bool:
        """Whether rows were compared, by digest or one by one."""
        return bool(self.document.result.rows_compared)

    @property
    def checks(self) -> tuple[CheckLine, ...]:
        """Every check, step by step."""
        return tuple(check for step in self.steps for check in step.checks)


def view_of(document: ReportDocument) -> ReportView:
    """Return the content of the reports of a document."""
    result = document.result
    steps = step_lines(document)
    by_day = day_tables(result)
    return ReportView(
        document=document,
        actions=what_to_do(document),
        steps=steps,
        missing=missing_lines(check for step in steps for check in step.checks),
        blocking=sum(not missing.tolerated for missing in document.verdict.not_checked),
        tolerated=sum(missing.tolerated for missing in document.verdict.not_checked),
        seconds=None if result.finished is None else (result.finished.at - result.started.at).total_seconds(),
        windows_validated=tuple(_windows_validated(result, by_day)),
        watermarks=tuple(dict.fromkeys(counts.watermark for counts in result.counts if counts.watermark)),
        days=_days(result),
        mismatching_sensors=len({row.sensor_id for of in result.counts for row in mismatching_rows(of)}),
        counts=counts_tables(result),
        day_tables=by_day,
        edges=tuple(_edges(result)),
        windows_failing=capped(filter(window_fails, result.windows), MAX_WINDOWS),
        windows_late=sum(bool(window.late) and not window_fails(window) for window in result.windows),
        flagged=tuple(finding for finding in result.findings if finding.flagged),
        explained=tuple(finding for finding in result.findings if not finding.flagged),
        differences=capped(
            result.differences, MAX_DIFFERENCES, sum(seen.differing for seen in result.rows_compared)
        ),
        backfills=tuple(BackfillLine(seen, capped(seen.events, MAX_EVENTS)) for seen in result.backfills),
        helpers=helper_lines(result, [check for step in steps for check in step.checks]),
        lake=lake_history(result),
        covered=covered_days(result),
        seals=seal_lines(result),
        soak=soak_report(result),
        failures=failures_report(result.failures),
    )


def window_fails(window: WindowChecked) -> bool:
    """Whether a window's sides differ, in sum or for any sensor, by more than rows that arrived late."""
    return bool(window.mismatching) or (window.postgres != window.lake and not window.late)


def _windows_validated(result: RunResult, by_day: Sequence[DayTable]) -> Iterator[tuple[Window, str]]:
    """Yield each window once, with how it was compared or counted; slices that adjoin are one."""
    seen = [(compared.window, words.compared(compared.level)) for compared in result.rows_compared]
    by_sensor = ((of.window, of.source) for of in result.counts if all(row.day is None for row in of.rows))
    counted = chain(by_sensor, ((table.window, table.source) for table in by_day))
    seen += [(window, f"counted by {words.SOURCES[source]}") for window, source in counted]
    for window in sorted(dict(seen)):
        yield window, ", ".join(dict.fromkeys(how for other, how in seen if other == window))


def _days(result: RunResult) -> int:
    counted = {row.day for counts in result.counts for row in counts.rows if row.day is not None}
    return max(len(counted), *(compared.days for compared in result.rows_compared), 0)


def _edges(result: RunResult) -> Iterator[EdgeLine]:
    for edge, source in dict.fromkeys((window.edge, window.source) for window in result.windows):
        drawn = [window for window in result.windows if (window.edge, window.source) == (edge, source)]
        yield EdgeLine(
            edge=edge,
            source=source,
            windows=len(drawn),
            postgres=sum(window.postgres for window in drawn),
            lake=sum(window.lake for window in drawn),
            failing=sum(window_fails(window) for window in drawn),
        )
