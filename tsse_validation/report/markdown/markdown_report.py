"""The Markdown report which the runbook asks for: ``tsse-lake-parity-YYYYMMDD_HHMM.md``.

It holds what the controller's own report holds, under the same headings and in the same columns, so that the two
can be laid side by side.
"""

from datetime import datetime

from tsse_validation.domain.instants import require_utc
from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.report.markdown import lake_tables, parity_tables, run_tables
from tsse_validation.report.markdown.markup import Cell, Lines, bullet, code, escaped, section, table
from tsse_validation.report.markdown.parity_tables import window_cell
from tsse_validation.report.model import text, words
from tsse_validation.report.model.checks import CheckLine, StepLine
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.view import ReportView, view_of
from tsse_validation.runlog.records import Finding
from tsse_validation.verdict import GateLine


def markdown_name(started: datetime) -> str:
    """Return the file name of a run's Markdown report, from the UTC minute in which the run began."""
    return f"tsse-lake-parity-{require_utc(started):%Y%m%d_%H%M}.md"


def render_markdown(document: ReportDocument) -> str:
    """Return the run as Markdown."""
    view = view_of(document)
    sections = (
        _head(view),
        section("Release gate TSSE-6", _gates(view)),
        section("Not checked", _not_checked(view)),
        section("What was validated", _scope(view)),
        section("Steps", _steps(view)),
        section("Triage", _triage(view)),
        section("Parity by sensor", parity_tables.parity_by_sensor(view)),
        section("Partition file counts (shard subset)", lake_tables.partitions(view)),
        section("Replication summary", lake_tables.replication(view)),
        section("Replication lag", lake_tables.lag(view)),
        section("Files per day", lake_tables.files(view)),
        section("Parity by day", parity_tables.parity_by_day(view)),
        section("Windows", parity_tables.drawn_windows(view)),
        section("Row by row", parity_tables.row_by_row(view)),
        section("Backfill", run_tables.backfills(view)),
        section("POST budget", run_tables.posts(view)),
        section("Services that ended in the middle of the run", run_tables.services_ended(view)),
        section("Notes", run_tables.notes(view)),
        section("Settings", run_tables.settings_in_effect(view)),
        section("Environment", run_tables.environment(view)),
    )
    return "\n\n".join("\n".join(lines).rstrip() for lines in sections) + "\n"


def _head(view: ReportView) -> Lines:
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
    yield bullet(f"Compared: {count_of(verdict.sensors_compared, 'sensor')}, {_rows_said(view)}")
    yield bullet(f"Run: {code(document.run_id)}, suite {code(started.suite_version)}")
    yield bullet(f"Started: {code(words.instant(started.at))}")
    ended = code(words.instant(finished.at)) if finished else "unknown"
    yield bullet(f"Ended: {ended} ({escaped(words.ending(finished))})")


def _rows_said(view: ReportView) -> str:
    return f"{count_of(view.document.verdict.rows_compared, 'row')}, {count_of(view.days, 'day')}"


def _gates(view: ReportView) -> Lines:
    gates = view.document.verdict.gates
    yield from table(("Line", "Outcome", "Evidence"), map(_gate, gates))
    yield ""
    for gate in gates:
        yield bullet(escaped(gate.title))
        yield from (bullet(escaped(gap), depth=1) for gap in gate.gaps)
        yield from (bullet(escaped(piece), depth=1) for piece in gate.evidence)


def _gate(gate: GateLine) -> list[str]:
    outcome = f"{gate.outcome} ({words.GATE_WORDS[gate.outcome]})"
    return [gate.title, outcome, count_of(len(gate.evidence), "check")]


def _not_checked(view: ReportView) -> Lines:
    yield words.sentence(words.gaps_said(view.blocking, view.tolerated))
    if view.missing:
        yield ""
    for missing in view.missing:
        mark = f" ({words.TOLERATED})" if missing.tolerated else ""
        yield bullet(f"Step {words.step(missing.step)}: {escaped(missing.reason)}{mark}")
        yield from (bullet(escaped(title), depth=1) for title in missing.titles)


def _scope(view: ReportView) -> Lines:
    stack = view.document.result.stack
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
        yield bullet(f"Window: {window_cell(window)} ({how})")
    for watermark in view.watermarks:
        yield bullet(f"computed_through_ts: {code(words.instant(watermark))}")


def _steps(view: ReportView) -> Lines:
    yield from table(("Step", "State", "Checks"), map(_step, view.steps))
    yield ""
    yield from table(("Step", "Check", "Status", "Took", "What it said", "Facts"), map(_check, view.checks))


def _check(check: CheckLine) -> list[str]:
    said = [
        escaped(check.message),
        *(f"Next: {escaped(advice)}" for advice in [check.advice] if advice),
        *(f"Warning: {escaped(warning)}" for warning in check.warnings),
    ]
    took = "never ended" if check.seconds is None else words.duration(check.seconds)
    facts = "; ".join(f"{name}: {value}" for name, value in check.facts.items())
    return [
        str(check.step),
        check.full_title,
        words.status(check.status),
        took,
        Cell(" ".join(said).strip()),
        facts,
    ]


def _step(step: StepLine) -> list[str]:
    return [words.step(step.number), step.state.value, step.tally]


def _triage(view: ReportView) -> Lines:
    if not view.document.result.findings:
        yield "No finding."
    for finding in (*view.flagged, *view.explained):
        yield from _finding(finding)


def _finding(finding: Finding) -> Lines:
    yield bullet(f"**{escaped(finding.diagnosis)}** ({words.FLAGGED if finding.flagged else words.EXPLAINED})")
    details = {
        "Summary": finding.summary,
        "Evidence": finding.evidence,
        "Rows": number(finding.rows),
        "Days": ", ".join(day.isoformat() for day in finding.days),
        "Next step": finding.next_step,
    }
    yield from (bullet(f"{name}: {escaped(value)}", depth=1) for name, value in details.items() if value)
    if finding.sensors:
        yield bullet("Sensors: " + ", ".join(map(code, finding.sensors)), depth=1)
    if finding.heals_by_backfill:
        yield bullet(words.HEALS, depth=1)
