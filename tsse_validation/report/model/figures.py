"""The numbers of a run by name, for JUnit, CTRF, the step summary, the comparison and the terminal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tsse_validation.domain.phrasing import HIGHEST
from tsse_validation.report.model import text, words
from tsse_validation.report.model.view import ReportView

_NAMES: Mapping[str, str] = {
    "assurance": "Assurance reached",
    "postgres_rows": "Rows in Postgres",
    "not_checked_that_go_needs": "Not checked, and GO needs it",
    "not_checked_that_is_excused": "Not checked, and excused here",
    "backfill_seconds": "Backfill took",
    "lake_bytes": "Size of the lake",
    "lake_dates_cold": "Lake dates that are cold",
    "most_files_in_a_shard_day": "Most files in a shard-day",
    "watermark_age_seconds": "Age of the watermark",
    "highest_watermark_age_seconds": "Highest age of the watermark",
    "backlog_seconds": "Backlog of the last pass",
    "posts_spent": "POSTs spent",
    "run_seconds": "Run took",
}


@dataclass(frozen=True)
class Figure:
    """One number: its key for programs, its value (`None`: not measured), and the value as a person reads it."""

    key: str
    value: str | int | float | None
    text: str

    @property
    def name(self) -> str:
        """The name in a report."""
        return _NAMES.get(self.key) or self.key.replace("_", " ").capitalize()


def figures(view: ReportView) -> dict[str, Figure]:
    """Return the run's numbers by their keys, always the same ones in the same order."""
    groups = (_decision(view), _reach(view), _backfill(view), _lake(view), _rest(view))
    return {figure.key: figure for group in groups for figure in group}


def _decision(view: ReportView) -> Iterator[Figure]:
    verdict = view.document.verdict
    yield _text("verdict", verdict.label)
    yield _text("assurance", str(verdict.assurance or "none"))
    yield _text("assurance_required", str(verdict.required))
    yield _count("exit_code", verdict.exit_code)
    yield _text("run_id", view.document.run_id)
    yield _text("release_label", view.document.result.started.release_label)
    yield _text("basis", verdict.basis)


def _reach(view: ReportView) -> Iterator[Figure]:
    document, verdict = view.document, view.document.verdict
    compared = view.rows_were_compared or view.differences.total
    yield _count("sensors_compared", verdict.sensors_compared)
    yield _count("rows_compared", verdict.rows_compared)
    yield _count("postgres_rows", verdict.proven.of if verdict.proven else None)
    yield _count("days_counted", view.days or None)
    yield _count("mismatching_sensors", view.mismatching_sensors if document.result.counts else None)
    yield _count("differing_rows", view.differences.total if compared else None)
    yield _count("checks", len(view.checks))
    yield _count("checks_proven", sum(check.status.proven for check in view.checks))
    yield _count("not_checked_that_go_needs", view.blocking)
    yield _count("not_checked_that_is_excused", view.tolerated)


def _backfill(view: ReportView) -> Iterator[Figure]:
    seen = view.backfills[-1].seen if view.backfills else None
    rows = seen.rows_exported if seen else None
    yield _count("backfill_days", seen.days if seen else None)
    yield _count("backfill_rows", rows)
    yield _seconds("backfill_seconds", seen.seconds if seen else None)
    rate = round(rows / seen.seconds) if seen and rows is not None and seen.seconds > 0 else None
    yield _count("backfill_rows_per_second", rate)


def _lake(view: ReportView) -> Iterator[Figure]:
    files, age, backlog = view.lake.files, view.lake.age, view.lake.backlog
    yield _count("lake_dates", files.dates if files else None)
    yield _count("lake_dates_cold", files.cold if files else None)
    yield _count("lake_files", files.files if files else None)
    size = files.size if files else None
    yield replace(_count("lake_bytes", size), text=words.size(size))
    yield _count("most_files_in_a_shard_day", files.most if files else None)
    yield _seconds("watermark_age_seconds", age.last if age else None)
    yield _seconds("highest_watermark_age_seconds", age.highest if age else None)
    yield _seconds("backlog_seconds", backlog.last if backlog else None)


def _rest(view: ReportView) -> Iterator[Figure]:
    posts = view.document.result.posts
    yield _count("windows", sum(edge.windows for edge in view.edges))
    yield _count("windows_failing", sum(edge.failing for edge in view.edges))
    yield _count("posts_spent", posts.spent if posts else None)
    yield _seconds("run_seconds", view.seconds)


def _text(key: str, value: str) -> Figure:
    line = text.one_line(value)
    return Figure(key, line, line)


def _count(key: str, value: int | None) -> Figure:
    written = words.measured(value)
    # Some programs refuse a whole file for a number of thousands of digits.
    readable = value is None or abs(value) <= HIGHEST
    return Figure(key, value if readable else written, written)


def _seconds(key: str, value: float | None) -> Figure:
    return Figure(key, value, words.seconds(value))
