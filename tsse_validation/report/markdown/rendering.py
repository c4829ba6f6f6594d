"""The Markdown report which the runbook asks for: ``tsse-lake-parity-YYYYMMDD_HHMM.md``.

It holds what the controller's own report holds, under the same headings and in the same columns, so that the two
can be laid side by side.
"""

from collections.abc import Iterator
from datetime import datetime

from tsse_validation.domain.instants import require_utc
from tsse_validation.domain.windows import Window
from tsse_validation.report.markdown import lake_tables
from tsse_validation.report.markdown.lake_tables import hidden
from tsse_validation.report.markdown.markup import Cell, bullet, code, escaped, table
from tsse_validation.report.model import text, words
from tsse_validation.report.model.checks import CheckLine, StepLine
from tsse_validation.report.model.counts import CountsTable, DayTable, Totals, agrees
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.view import BackfillLine, ReportView, view_of
from tsse_validation.runlog.records import CountRow, Finding, RowDifference
from tsse_validation.verdict import GateLine

_Lines = Iterator[str]


def markdown_name(started: datetime) -> str:
    """Return the file name of a run's Markdown report, from the UTC minute in which the run began."""
    return f"tsse-lake-parity-{require_utc(started):%Y%m%d_%H%M}.md"


def render_markdown(document: ReportDocument) -> str:
    """Return the run as Markdown."""
    view = view_of(document)
    sections = (
        _head(view),
        gates(view),
        not_checked(view),
        _scope(view),
        _steps(view),
        _triage(view),
        _counts(view),
        lake_tables.partitions(view),
        lake_tables.replication(view),
        lake_tables.lag(view),
        lake_tables.files(view),
        _days(view),
        _windows(view),
        _rows(view),
        _backfills(view),
        _posts(view),
        _services_ended(view),
        _notes(view),
        _settings(view),
    )
    return "\n\n".join("\n".join(section).rstrip() for section in sections) + "\n"


def _head(view: ReportView) -> _Lines:
    document, verdict = view.document, view.document.verdict
    started, finished = document.result.started, document.result.finished
    yield f"# TSSE Lake Validation: {verdict.outcome}"
    yield ""
    yield escaped(view.meaning)
    yield ""
    yield "## Why"
    yield ""
    yield from (bullet(escaped(reason)) for reason in verdict.reasons)
    yield ""
    yield "## Run"
    yield ""
    yield bullet(f"Validated: {escaped(words.services(document.result.stack))}")
    yield bullet(f"Rests on: {escaped(verdict.basis)}")
    yield bullet(f"Compared: {words.plural(verdict.sensors_compared, 'sensor')}, {_rows_said(view)}")
    yield bullet(f"Run: {code(document.run_id)}, suite {code(started.suite_version)}")
    yield bullet(f"Started: {code(words.instant(started.at))}")
    ended = code(words.instant(finished.at)) if finished else "unknown"
    yield bullet(f"Ended: {ended} ({escaped(words.ending(finished))})")


def _rows_said(view: ReportView) -> str:
    return f"{words.plural(view.document.verdict.rows_compared, 'row')}, {words.plural(view.days, 'day')}"


def gates(view: ReportView) -> _Lines:
    """Yield the lines of the release gate with their evidence."""
    yield "## Release gate TSSE-6"
    yield ""
    gates = view.document.verdict.gates
    yield from table(("Line", "Outcome", "Evidence"), map(_gate, gates))
    yield ""
    for gate in gates:
        yield bullet(escaped(gate.title))
        yield from (bullet(escaped(gap), depth=1) for gap in gate.gaps)
        yield from (bullet(escaped(piece), depth=1) for piece in gate.evidence)


def _gate(gate: GateLine) -> list[str]:
    outcome = f"{gate.outcome} ({words.GATE_WORDS[gate.outcome]})"
    return [gate.title, outcome, words.plural(len(gate.evidence), "check")]


def not_checked(view: ReportView) -> _Lines:
    """Yield what was not checked, and why."""
    yield "## Not checked"
    yield ""
    yield words.sentence(words.not_checked(view.blocking, view.tolerated))
    if view.missing:
        yield ""
    for missing in view.missing:
        mark = f" ({words.TOLERATED})" if missing.tolerated else ""
        yield bullet(f"Step {words.step(missing.step)}: {escaped(missing.reason)}{mark}")
        yield from (bullet(escaped(title), depth=1) for title in missing.titles)


def _scope(view: ReportView) -> _Lines:
    stack = view.document.result.stack
    yield "## What was validated"
    yield ""
    if stack is None:
        yield "No stack was reached."
        return
    yield bullet(f"Stack: {escaped(stack.kind)} at {code(stack.base_url, text.LINE_LIMIT)}")
    yield bullet(f"Started by this run: {words.truth(stack.owned)}; strict: {words.truth(stack.strict)}")
    for component in stack.components:
        untold = " (it tells no version)" if component.name == "core-server" else ""
        version = f" {component.version}" if component.version else untold
        yield bullet(escaped(f"{component.name}{version}: {component.description}"))
    if not stack.owned:
        yield bullet(f"Farm: {escaped(view.farm)}")
    for capability, reason in stack.absent.items():
        yield bullet(f"Not readable to us: {escaped(words.status(capability))}: {escaped(reason)}")
    for window, how in view.windows_validated:
        yield bullet(f"Window: {_span(window)} ({how})")
    for watermark in view.watermarks:
        yield bullet(f"computed_through_ts: {code(words.instant(watermark))}")


def _steps(view: ReportView) -> _Lines:
    yield "## Steps"
    yield ""
    yield from table(("Step", "State", "Checks"), map(_step, view.steps))
    yield ""
    yield from table(("Step", "Check", "Status", "Took", "What it said", "Facts"), map(_check, view.checks))


def _check(check: CheckLine) -> list[str]:
    said = [
        escaped(check.message),
        *(f"Next: {escaped(advice)}" for advice in [check.advice] if advice),
        *(f"Warning: {escaped(warning)}" for warning in check.warnings),
    ]
    title = f"{check.title}: {check.case}" if check.case else check.title
    took = "never ended" if check.seconds is None else words.duration(check.seconds)
    facts = "; ".join(f"{name}: {value}" for name, value in check.facts.items())
    return [str(check.step), title, words.status(check.status), took, Cell(" ".join(said).strip()), facts]


def _step(step: StepLine) -> list[str]:
    return [words.step(step.number), step.state.value, step.tally]


def _triage(view: ReportView) -> _Lines:
    yield "## Triage"
    yield ""
    if not view.document.result.findings:
        yield "No finding."
    for finding in (*view.flagged, *view.explained):
        yield from _finding(finding)


def _finding(finding: Finding) -> _Lines:
    yield bullet(f"**{escaped(finding.diagnosis)}** ({words.FLAGGED if finding.flagged else words.EXPLAINED})")
    details = {
        "Summary": finding.summary,
        "Evidence": finding.evidence,
        "Rows": words.number(finding.rows),
        "Days": ", ".join(day.isoformat() for day in finding.days),
        "Next step": finding.next_step,
    }
    yield from (bullet(f"{name}: {escaped(value)}", depth=1) for name, value in details.items() if value)
    if finding.sensors:
        yield bullet("Sensors: " + ", ".join(map(code, finding.sensors)), depth=1)
    if finding.heals_by_backfill:
        yield bullet(words.HEALS, depth=1)


def _counts(view: ReportView) -> _Lines:
    yield "## Parity by sensor"
    yield ""
    if not view.counts:
        yield "No counts were taken."
    for counts in view.counts:
        for source, summed in (("job", counts.job), ("direct", counts.direct)):
            if summed is not None:
                yield from _counts_of(source, counts, summed)


def _counts_of(source: str, counts: CountsTable, summed: Totals) -> _Lines:
    yield f"### Counted by {words.SOURCES[source]}"
    yield ""
    yield from (bullet(f"computed_through_ts: {code(words.instant(at))}") for at in counts.watermarks)
    if source == "job":
        # the controller's own words; a record of an earlier version does not tell what was asked for
        yield from (bullet(f"Window (requested): {_span(asked)}") for asked in counts.requested)
        yield bullet(f"Window (checked): {_span(counts.window)}")
    else:
        yield bullet(f"Window: {_span(counts.window)}")
    yield bullet(f"Sensors: {words.number(summed.rows)}, mismatching: {words.number(summed.mismatching)}")
    yield bullet(f"Rows: Postgres {words.number(summed.postgres)}, lake {words.number(summed.lake)}")
    if source == "direct":
        yield bullet(f"Not due: {words.number(summed.not_due)}, pending: {words.number(summed.pending)}")
    yield ""
    rows = [(row, line) for line in counts.lines.items if (row := line.job if source == "job" else line.direct)]
    # As the controller writes them: no thousands set apart, so that the tables of both reports can be compared.
    cells = (
        [
            code(row.sensor_id),
            str(row.postgres),
            str(row.lake),
            words.LATE if source == "job" and line.late else _match(row),
        ]
        for row, line in rows
    )
    yield from table(("Sensor", "Postgres count", "Lake count", "Match"), cells, align=("", "r", "r", "c"))
    yield from hidden(counts.lines, "sensor")
    yield ""


def _days(view: ReportView) -> _Lines:
    yield "## Parity by day"
    yield ""
    if not view.day_tables:
        yield "No counts were taken by day."
    for day_table in view.day_tables:
        yield from _days_of(day_table)


def _days_of(day_table: DayTable) -> _Lines:
    yield f"Counted by {words.SOURCES[day_table.source]}, window {_span(day_table.window)}:"
    yield ""
    headings = ("Date", "Sensors", "Postgres count", "Lake count", "Not due", "Pending", "Mismatching")
    summed = [(day.isoformat(), totals) for day, totals in day_table.days] + [("all", day_table.totals)]
    yield from table(headings, (_day(name, totals) for name, totals in summed), align=("", *"rrrrrr"))
    yield ""
    if not day_table.cells.total:
        yield "No sensor mismatches on any day."
        return
    cells = (
        [str(cell.day), code(cell.sensor_id), words.number(cell.postgres), words.number(cell.lake), _match(cell)]
        for cell in day_table.cells.items
    )
    yield from table(("Date", "Sensor", "Postgres count", "Lake count", "Match"), cells, align=("", "", *"rrc"))
    yield from hidden(day_table.cells, "mismatching cell")


def _day(name: str, totals: Totals) -> list[str]:
    numbers = (totals.rows, totals.postgres, totals.lake, totals.not_due, totals.pending, totals.mismatching)
    return [name, *map(words.number, numbers)]


def _windows(view: ReportView) -> _Lines:
    yield "## Windows"
    yield ""
    if not view.edges:
        yield "No window was drawn."
        return
    edges = (
        [
            line.edge,
            words.SOURCES[line.source],
            *map(words.number, (line.windows, line.postgres, line.lake, line.failing)),
        ]
        for line in view.edges
    )
    headings = ("Edge", "Counted by", "Windows", "Postgres count", "Lake count", "Failing")
    yield from table(headings, edges, align=("", "", *"rrrr"))
    yield ""
    if view.windows_late:
        yield words.late_windows(view.windows_late)
        yield ""
    if not view.windows_failing.total:
        yield "No window fails."
        return
    failing = (
        [
            window.edge,
            words.SOURCES[window.source],
            _span(window.window),
            words.number(window.postgres),
            words.number(window.lake),
            Cell(", ".join(map(code, window.mismatching)) or "-"),
        ]
        for window in view.windows_failing.items
    )
    headings = ("Failing window at", "Counted by", "Window", "Postgres count", "Lake count", "Mismatching sensors")
    yield from table(headings, failing, align=("", "", "", "r", "r", ""))
    yield from hidden(view.windows_failing, "failing window")


def _rows(view: ReportView) -> _Lines:
    yield "## Row by row"
    yield ""
    compared = view.document.result.rows_compared
    if not compared:
        yield "Rows were not compared."
    for reach in compared:
        yield bullet(
            f"{_span(reach.window)}: {words.plural(reach.rows, 'row')}, {words.plural(reach.sensors, 'sensor')}, "
            f"{words.plural(reach.days, 'day')}; differing {words.number(reach.differing)}, "
            f"not due {words.number(reach.not_due)}, pending {words.number(reach.pending)}"
        )
    if view.differences.items:
        yield ""
        headings = ("Difference", "Sensor", "Timestamp", "Postgres", "Lake")
        yield from table(headings, map(_difference, view.differences.items))
    yield from hidden(view.differences, "differing row")


def _difference(row: RowDifference) -> list[str]:
    timestamp = code(words.instant(row.ts))
    sides = (words.version(row.postgres), words.version(row.lake))
    return [words.difference(row), code(row.sensor_id), timestamp, *sides]


def _backfills(view: ReportView) -> _Lines:
    yield "## Backfill"
    yield ""
    if not view.backfills:
        yield "No backfill was run."
    for line in view.backfills:
        yield from _backfill(line)


def _backfill(line: BackfillLine) -> _Lines:
    seen = line.seen
    yield bullet(f"Job {code(seen.job_id)}: {escaped(seen.status)}")
    yield bullet(
        f"{words.plural(seen.days, 'day')}, rows exported {words.known(seen.rows_exported)}, "
        f"dates touched {words.known(seen.touched_dates)}, took {words.duration(seen.seconds)}, "
        f"{words.rate(seen.rows_exported, seen.seconds)}",
        depth=1,
    )
    yield bullet(f"{code(words.instant(seen.backfill_from))} → {code(words.instant(seen.backfill_to))}", depth=1)
    yield bullet(f"{line.events.said('event')}: {escaped('; '.join(line.events.items))}", depth=1)


def _posts(view: ReportView) -> _Lines:
    yield "## POST budget"
    yield ""
    posts = view.document.result.posts
    if posts is None:
        yield "Nothing was recorded about POSTs."
        return
    yield bullet(
        f"Spent {words.number(posts.spent)}, refused {words.number(posts.refused)}, "
        f"waited {words.duration(posts.waited_seconds)}; {words.BUDGET}"
    )
    yield from (bullet(f"{escaped(name)}: {words.number(count)}") for name, count in posts.by_purpose.items())


def _services_ended(view: ReportView) -> _Lines:
    yield "## Services that ended in the middle of the run"
    yield ""
    if not view.document.result.services_ended:
        yield "None."
    for ended in view.document.result.services_ended:
        yield bullet(f"{escaped(ended.name)}: {escaped(ended.how)}. {words.LAST_LINES}")
        yield from (bullet(code(line, text.LINE_LIMIT), depth=1) for line in ended.log_tail)


def _notes(view: ReportView) -> _Lines:
    yield "## Notes"
    yield ""
    if not view.document.result.notes:
        yield "None."
    yield from (bullet(escaped(note.text)) for note in view.document.result.notes)


def _settings(view: ReportView) -> _Lines:
    started = view.document.result.started
    yield "## Settings"
    yield ""
    rows = ([setting.name, setting.value, setting.source] for setting in started.settings)
    yield from table(("Setting", "Value", "Source"), rows)
    yield ""
    yield "## Environment"
    yield ""
    yield from table(("Name", "Value"), ([name, value] for name, value in started.environment.items()))


def _span(window: Window) -> Cell:
    return Cell(f"{code(words.instant(window.start))} → {code(words.instant(window.end))}")


def _match(row: CountRow) -> str:
    return "✅" if agrees(row) else "❌"
