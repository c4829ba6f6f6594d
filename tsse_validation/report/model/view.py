"""What a report says, worked out once: every renderer puts this view into its format and adds no number."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tsse_validation.domain.phrasing import number
from tsse_validation.domain.windows import Window
from tsse_validation.report.model import words
from tsse_validation.report.model.capped import Capped, capped
from tsse_validation.report.model.checks import CheckLine, MissingLine, StepLine, missing_lines, step_lines
from tsse_validation.report.model.counts import CountsTable, DayTable, counts_tables, day_tables, mismatching_rows
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.lake_history import LakeHistory, lake_history
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
    """A backfill with its events cut to a readable number."""

    seen: BackfillSeen
    events: Capped[str]


@dataclass(frozen=True)
class ReportView:
    """Everything a report shows beside the document itself."""

    document: ReportDocument
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
    flagged: tuple[Finding, ...]
    explained: tuple[Finding, ...]
    differences: Capped[RowDifference]
    backfills: tuple[BackfillLine, ...]
    lake: LakeHistory

    @property
    def meaning(self) -> str:
        """What the outcome means, in a sentence or two."""
        stack = self.document.result.stack
        return words.meaning(
            self.document.verdict.outcome, self.tolerated, owned=stack is not None and stack.owned
        )

    @property
    def windows_late(self) -> int:
        """How many windows differ by rows that arrived late, and by nothing else."""
        return sum(bool(window.late) and not window_fails(window) for window in self.document.result.windows)

    @property
    def farm(self) -> str:
        """How large the farm of an installed controller is, as far as it was looked at."""
        seen = self.document.result.farm
        sensors = self._sensors_by_facts() if seen is None else number(seen.sensors)
        if sensors is None:
            return "not measured: its sensors are counted in Postgres, which was not read"
        return f"{sensors} sensors in Postgres"

    def _sensors_by_facts(self) -> str | None:
        """Return the sensors as results of earlier versions tell them: in the facts of a check."""
        facts = (check.facts for check in self.checks if check.key == "test_postgres_answers_a_query")
        return next((of_check["sensors"] for of_check in facts if "sensors" in of_check), None)

    @property
    def rows_were_compared(self) -> bool:
        """Whether rows were compared, by digest or one by one."""
        return bool(self.document.result.rows_compared)

    @property
    def checks(self) -> tuple[CheckLine, ...]:
        """Every check, step by step."""
        return tuple(check for step in self.steps for check in step.checks)

    @property
    def checks_proven(self) -> int:
        """How many checks are proven."""
        return sum(check.status.proven for check in self.checks)


def view_of(document: ReportDocument) -> ReportView:
    """Work out what the reports of a document say."""
    result = document.result
    steps = step_lines(document)
    return ReportView(
        document=document,
        steps=steps,
        missing=missing_lines(check for step in steps for check in step.checks),
        blocking=sum(not missing.tolerated for missing in document.verdict.not_checked),
        tolerated=sum(missing.tolerated for missing in document.verdict.not_checked),
        seconds=_seconds(result),
        windows_validated=tuple(_windows_validated(result)),
        watermarks=tuple(dict.fromkeys(counts.watermark for counts in result.counts if counts.watermark)),
        days=_days(result),
        mismatching_sensors=_mismatching_sensors(result),
        counts=counts_tables(result),
        day_tables=day_tables(result),
        edges=tuple(_edges(result)),
        windows_failing=capped(filter(window_fails, result.windows), MAX_WINDOWS),
        flagged=tuple(finding for finding in result.findings if finding.flagged),
        explained=tuple(finding for finding in result.findings if not finding.flagged),
        differences=capped(
            result.differences, MAX_DIFFERENCES, sum(seen.differing for seen in result.rows_compared)
        ),
        backfills=tuple(BackfillLine(seen, capped(seen.events, MAX_EVENTS)) for seen in result.backfills),
        lake=lake_history(result),
    )


def window_fails(window: WindowChecked) -> bool:
    """Whether a window's two sides differ, in sum or for any sensor, and not by rows that arrived late."""
    return bool(window.mismatching) or (window.postgres != window.lake and not window.late)


def _mismatching_sensors(result: RunResult) -> int:
    return len({row.sensor_id for counts in result.counts for row in mismatching_rows(counts)})


def _seconds(result: RunResult) -> float | None:
    return None if result.finished is None else (result.finished.at - result.started.at).total_seconds()


def _windows_validated(result: RunResult) -> Iterator[tuple[Window, str]]:
    """Yield each window once, with who looked at it and how."""
    seen = [(compared.window, words.compared(compared.level)) for compared in result.rows_compared]
    seen += [(counts.window, f"counted by {words.SOURCES[counts.source]}") for counts in result.counts]
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
