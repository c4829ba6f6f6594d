"""The comparison in the Markdown report: counts per sensor and day, windows, differing rows."""

from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.domain.windows import Window
from tsse_validation.report.markdown.markup import Cell, Lines, bullet, code, escaped, hidden, table
from tsse_validation.report.model import words
from tsse_validation.report.model.counts import CountsTable, DayTable, Totals, agrees
from tsse_validation.report.model.view import EdgeLine, ReportView
from tsse_validation.runlog.records import CountRow, RowDifference, WindowChecked


def parity_by_sensor(view: ReportView) -> Lines:
    """Yield the counts per sensor, the job's and ours, one table for each window and source."""
    if not view.counts:
        yield "No counts were taken."
    for counts in view.counts:
        for source, summed in (("job", counts.job), ("direct", counts.direct)):
            if summed is not None:
                yield from _counts_of(source, counts, summed)


def _counts_of(source: str, counts: CountsTable, summed: Totals) -> Lines:
    yield f"### Counted by {words.SOURCES[source]}"
    yield ""
    yield from (bullet(f"computed_through_ts: {code(words.instant(at))}") for at in counts.watermarks)
    if source == "job":
        # The controller's own words. A record of an earlier version has no requested window.
        yield from (bullet(f"Window (requested): {window_cell(asked)}") for asked in counts.requested)
        yield bullet(f"Window (checked): {window_cell(counts.window)}")
    else:
        yield bullet(f"Window: {window_cell(counts.window)}")
    yield bullet(f"Sensors: {number(summed.rows)}, mismatching: {number(summed.mismatching)}")
    yield bullet(f"Rows: Postgres {number(summed.postgres)}, lake {number(summed.lake)}")
    if source == "direct":
        yield bullet(f"Not due: {number(summed.not_due)}, pending: {number(summed.pending)}")
    yield ""
    sides = ((line.job, line.late) if source == "job" else (line.direct, False) for line in counts.lines.items)
    rows = ((row, late) for row, late in sides if row is not None)
    # The controller sets no thousands apart either, so that the tables of both reports can be compared.
    cells = (
        [code(row.sensor_id), str(row.postgres), str(row.lake), words.LATE if late else _match(row)]
        for row, late in rows
    )
    yield from table(("Sensor", "Postgres count", "Lake count", "Match"), cells, align=("", "r", "r", "c"))
    yield from hidden(counts.lines, "sensor")
    yield ""


def parity_by_day(view: ReportView) -> Lines:
    """Yield the counts day by day."""
    if not view.day_tables:
        yield "No counts were taken by day."
    for day_table in view.day_tables:
        yield from _days_of(day_table)


def _days_of(day_table: DayTable) -> Lines:
    yield f"Counted by {words.SOURCES[day_table.source]}, window {window_cell(day_table.window)}:"
    yield ""
    headings = ("Date", "Sensors", "Postgres count", "Lake count", "Not due", "Pending", "Mismatching")
    summed = [(day.isoformat(), totals) for day, totals in day_table.days] + [("all", day_table.totals)]
    yield from table(headings, (_day(name, totals) for name, totals in summed), align=("", *"rrrrrr"))
    yield ""
    if not day_table.cells.total:
        yield "No sensor mismatches on any day."
        yield ""
        return
    cells = (
        [str(cell.day), code(cell.sensor_id), number(cell.postgres), number(cell.lake), _match(cell)]
        for cell in day_table.cells.items
    )
    yield from table(("Date", "Sensor", "Postgres count", "Lake count", "Match"), cells, align=("", "", *"rrc"))
    yield from hidden(day_table.cells, "mismatching cell")
    yield ""


def _day(name: str, totals: Totals) -> list[str]:
    numbers = (totals.rows, totals.postgres, totals.lake, totals.not_due, totals.pending, totals.mismatching)
    return [name, *map(number, numbers)]


def drawn_windows(view: ReportView) -> Lines:
    """Yield the windows that were drawn, edge by edge, and those that fail."""
    if not view.edges:
        yield "No window was drawn."
        return
    headings = ("Edge", "Counted by", "Windows", "Postgres count", "Lake count", "Failing")
    yield from table(headings, map(_edge, view.edges), align=("", "", *"rrrr"))
    yield ""
    if view.windows_late:
        yield words.late_windows(view.windows_late)
        yield ""
    if not view.windows_failing.total:
        yield "No window fails."
        return
    headings = ("Failing window at", "Counted by", "Window", "Postgres count", "Lake count", "Mismatching sensors")
    yield from table(headings, map(_failing, view.windows_failing.items), align=("", "", "", "r", "r", ""))
    yield from hidden(view.windows_failing, "failing window")


def _edge(line: EdgeLine) -> list[str]:
    numbers = (line.windows, line.postgres, line.lake, line.failing)
    return [line.edge, words.SOURCES[line.source], *map(number, numbers)]


def _failing(window: WindowChecked) -> list[str]:
    counts = (number(window.postgres), number(window.lake))
    sensors = Cell(", ".join(map(code, window.mismatching)) or "-")
    return [window.edge, words.SOURCES[window.source], window_cell(window), *counts, sensors]


def row_by_row(view: ReportView) -> Lines:
    """Yield the extent of the row comparison, and the rows that differ."""
    compared = view.document.result.rows_compared
    if not compared:
        yield "Rows were not compared."
    for reach in compared:
        yield bullet(
            f"{window_cell(reach.window)}: {count_of(reach.rows, 'row')}, {count_of(reach.sensors, 'sensor')}, "
            f"{count_of(reach.days, 'day')}; differing {number(reach.differing)}, "
            f"not due {number(reach.not_due)}, pending {number(reach.pending)}"
        )
    if kept := words.kept(view.document.result.differences_kept):
        yield bullet(escaped(kept))
    if view.differences.items:
        yield ""
        headings = ("Difference", "Sensor", "Timestamp", "Postgres", "Lake")
        yield from table(headings, map(differing_row, view.differences.items))
    yield from hidden(view.differences, "differing row")


def differing_row(row: RowDifference) -> list[str]:
    """Return the cells of one differing row: its kind, its key, and both sides."""
    timestamp = code(words.instant(row.ts))
    sides = (words.version(row.postgres), words.version(row.lake))
    return [words.difference(row), code(row.sensor_id), timestamp, *sides]


def window_cell(window: Window | WindowChecked) -> Cell:
    """Write a window with both its ends, which belong to it."""
    return Cell(f"{code(words.instant(window.start))} → {code(words.instant(window.end))}")


def _match(row: CountRow) -> str:
    return "✅" if agrees(row) else "❌"
