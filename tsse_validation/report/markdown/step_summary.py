"""A run as a CI's step summary: Markdown that a CI shows beside the job, within GitHub's limit.

It has the numbers of the other reports, the failures and the gaps. Every list is cut to a readable length, with
its true length beside it. If the whole is still too long, its end is cut off and a last line says so.
"""

from collections.abc import Iterable, Sequence

from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.report.markdown.markup import FENCE, Lines, bullet, code, escaped, numbered, section, table
from tsse_validation.report.markdown.parity_tables import differing_row
from tsse_validation.report.model import text, words
from tsse_validation.report.model.checks import CheckLine
from tsse_validation.report.model.counts import SensorLine
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import figures
from tsse_validation.report.model.text import Capped, capped
from tsse_validation.report.model.view import ReportView, view_of
from tsse_validation.runlog.records import CountRow, Finding

MAX_BYTES = 1_000_000
"""GitHub shows no step summary above 1 MiB (1,048,576 bytes)."""
MAX_ROWS = 50
_LEAST_BYTES = 2_000


def render_step_summary(document: ReportDocument, limit: int = MAX_BYTES) -> str:
    """Return the summary in at most `limit` bytes of UTF-8, or nothing if not even the verdict fits."""
    view = view_of(document)
    sections = (
        _verdict(view),
        section("What to do", numbered(view.actions), "###"),
        section("Release gate TSSE-6", _gates(view), "###"),
        section("Not checked", _not_checked(view), "###"),
        section("Figures", _figures(view), "###"),
        section("Checks to look at", _checks(view), "###"),
        section("Triage", _findings(view), "###"),
        section("Mismatching sensors", _sensors(view), "###"),
        section("Differing rows", _rows(view), "###"),
        iter([f"The run's folder, {code(text.one_line(document.run_id))}, has the report with all of it."]),
    )
    lines = "\n\n".join("\n".join(of_section) for of_section in sections).split("\n")
    return _cut(lines, view, limit) if limit >= _LEAST_BYTES else ""


def _cut(lines: list[str], view: ReportView, limit: int) -> str:
    """Drop lines at the end until the rest fits, and add a line with the true totals."""
    sizes = [len(_bytes(line)) + 1 for line in lines]
    if sum(sizes) <= limit:
        return "\n".join(lines) + "\n"
    found = figures(view)
    totals = (
        f"in all {found['mismatching_sensors'].text} mismatching sensors, "
        f"{found['differing_rows'].text} differing rows, "
        f"{count_of(len(view.document.result.findings), 'finding')}, {found['checks'].text} checks"
    )
    kept, size = 0, len(_bytes(_shortened(len(lines), len(lines), totals)))
    while size + sizes[kept] <= limit:
        size += sizes[kept]
        kept += 1
    while sum(line.lstrip().startswith(FENCE) for line in lines[:kept]) % 2:
        kept -= 1  # not within a block of code: it would swallow the last line
    return "\n".join(lines[:kept]) + _shortened(kept, len(lines), totals)


def _shortened(kept: int, lines: int, totals: str) -> str:
    return (
        f"\n\n**Cut short: {number(kept)} of {number(lines)} lines; {totals}. The run's report.html has all.**\n"
    )


def _bytes(line: str) -> bytes:
    return line.encode("utf-8", errors="replace")


def _verdict(view: ReportView) -> Lines:
    verdict = view.document.verdict
    yield f"## TSSE lake validation: {verdict.label}"
    yield from ("", escaped(view.meaning), "")
    yield from _reasons(view.why, "reason")
    if view.gaps_besides:
        yield from ("", "Not proven either:", "")
        yield from _reasons(view.gaps_besides, "gap")
    yield ""
    if label := view.document.result.started.release_label:
        yield bullet(f"Release: {escaped(label)}")
    yield bullet(f"Validated: {escaped(words.services(view.document.result.stack))}")
    yield bullet(f"Assurance: {escaped(words.assurance(verdict))}")
    yield bullet(f"{words.share_name(verdict)}: {escaped(words.share(verdict))}")
    yield from (bullet(f"Note: {escaped(warning)}") for warning in verdict.warnings)
    yield bullet(f"Rests on: {escaped(verdict.basis)}")
    yield bullet(f"Replication: {escaped(view.lake.lag_phrase)}")
    if view.failures:
        yield bullet(f"Failures: {escaped(view.failures.in_short)}")
    if view.soak:
        yield bullet(f"Soak: {escaped(view.soak.in_short)}")
    yield bullet(f"Lake: {escaped(view.lake.files_phrase)}")


def _reasons(lines: Sequence[str], one: str) -> Lines:
    shown = capped(lines, MAX_ROWS)
    yield from (bullet(escaped(line)) for line in shown.items)
    yield from _more(shown, one)


def _gates(view: ReportView) -> Lines:
    rows = (
        [gate.title, words.GATE_WORDS[gate.outcome], count_of(len(gate.evidence), "check")]
        for gate in view.document.verdict.gates
    )
    yield from table(("Line", "Outcome", "Evidence"), rows)


def _not_checked(view: ReportView) -> Lines:
    yield words.sentence(words.gaps(view.blocking, view.tolerated))
    missing = capped(view.missing, MAX_ROWS)
    if missing.items:
        yield ""
    for line in missing.items:
        mark = f" ({words.TOLERATED})" if line.tolerated else ""
        checks = count_of(len(line.checks), "check")
        yield bullet(f"Step {words.step(line.step)}, {checks}: {escaped(line.reason)}{mark}")
    yield from _more(missing, "line")


def _figures(view: ReportView) -> Lines:
    rows = ([figure.name, figure.text] for figure in figures(view).values())
    yield from table(("Figure", "Value"), rows, align=("", "r"))


def _checks(view: ReportView) -> Lines:
    wanting = capped((check for check in view.checks if check.needs_attention), MAX_ROWS)
    yield from table(("Check", "Status", "What it said"), map(_check, wanting.items))
    yield from _more(wanting, "check")


def _check(check: CheckLine) -> list[str]:
    message = " ".join(filter(None, (check.message, check.advice, *check.warnings)))
    return [check.full_title, words.status(check.status), message]


def _findings(view: ReportView) -> Lines:
    found = capped((*view.flagged, *view.explained), MAX_ROWS)
    headings = ("Diagnosis", "Meaning", "Rows", "Sensors", "Days", "Summary", "Next step")
    yield from table(headings, map(_finding, found.items), align=("", "", *"rrr", "", ""))
    yield from _more(found, "finding")


def _finding(finding: Finding) -> list[str]:
    numbers = (finding.rows, len(finding.sensors), len(finding.days))
    meaning = words.FLAGGED if finding.flagged else words.EXPLAINED
    return [finding.diagnosis, meaning, *map(number, numbers), finding.summary, finding.next_step]


def _sensors(view: ReportView) -> Lines:
    lines = [line for counts in view.counts for line in counts.lines.items if not line.matches]
    shown = capped(lines, MAX_ROWS, sum(counts.mismatching for counts in view.counts))
    if not view.counts:
        yield "Not counted."
        return
    headings = ("Sensor", "Postgres, by us", "Lake, by us", "Postgres, by the job", "Lake, by the job")
    yield from table(headings, map(_sensor, shown.items), align=("", *"rrrr"))
    yield from _more(shown, "sensor")


def _sensor(line: SensorLine) -> list[str]:
    return [code(line.sensor_id), *_side(line.direct), *_side(line.job)]


def _side(row: CountRow | None) -> list[str]:
    return ["not counted"] * 2 if row is None else [number(row.postgres), number(row.lake)]


def _rows(view: ReportView) -> Lines:
    if not view.rows_were_compared and not view.differences.total:
        yield "Not compared."
        return
    shown = Capped(view.differences.items[:MAX_ROWS], view.differences.total)
    yield from table(("Difference", "Sensor", "Timestamp", "Postgres", "Lake"), map(differing_row, shown.items))
    yield from _more(shown, "row")


def _more(items: Capped[object], one: str) -> Iterable[str]:
    return ("", f"{items.counted(one)}.") if items.hidden else ()
