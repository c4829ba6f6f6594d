"""The Markdown report that the runbook asks for: ``tsse-lake-parity-YYYYMMDD_HHMM.md``.

It has the content of the controller's own report under the same headings and in the same columns, so that the two
can be compared side by side.
"""

from datetime import datetime

from tsse_validation.domain.instants import require_utc
from tsse_validation.domain.phrasing import count_of, duration, number
from tsse_validation.report.markdown import parity_tables
from tsse_validation.report.markdown.failures_section import failures_section
from tsse_validation.report.markdown.markup import (
    Cell,
    Lines,
    bullet,
    code,
    escaped,
    fenced,
    hidden,
    numbered,
    section,
    table,
)
from tsse_validation.report.markdown.parity_tables import window_cell
from tsse_validation.report.markdown.seal_section import seal_section
from tsse_validation.report.markdown.soak_section import soak_section
from tsse_validation.report.model import text, words
from tsse_validation.report.model.checks import CheckLine
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.lake_history import FilesLook, Measured
from tsse_validation.report.model.mismatches import mismatches
from tsse_validation.report.model.queries import Queries
from tsse_validation.report.model.view import ReportView, view_of
from tsse_validation.runlog.records import Finding, PartitionFiles, ReplicationSeen
from tsse_validation.verdict import GateLine

_SUMMARY = ("last_run_backlog_seconds", "last_run_row_count", "last_run_duration_ms")
"""The keys of replication in the controller's own report, in its order."""
_MORE = ("last_run_at", "last_run_status", "last_run_error", "computed_through_ts", "last_inserted_at")


def markdown_name(started: datetime) -> str:
    """Return the file name of a run's Markdown report, from the UTC minute in which the run began."""
    return f"tsse-lake-parity-{require_utc(started):%Y%m%d_%H%M}.md"


def render_markdown(document: ReportDocument) -> str:
    """Return the run as Markdown."""
    view = view_of(document)
    sections = (
        _head(view),
        section("What to do", numbered(view.actions)),
        section("Release gate TSSE-6", _gates(view)),
        section("Not checked", _not_checked(view)),
        section("What was validated", _scope(view)),
        section("Steps", _steps(view)),
        section("Triage", _triage(view)),
        section("Parity by sensor", parity_tables.parity_by_sensor(view)),
        section("Partition file counts (shard subset)", _partitions(view)),
        section("Replication summary", _replication(view)),
        section("Replication lag", _replication_lag(view)),
        *([section("The lake by a seal", seal_section(view.seals))] if view.seals else []),
        *([section("Soak", soak_section(view.soak))] if view.soak else []),
        *([section("Failures", failures_section(view.failures))] if view.failures else []),
        section("Files per day", _files_per_day(view)),
        section("Parity by day", parity_tables.parity_by_day(view)),
        section("Windows", parity_tables.drawn_windows(view)),
        section("Row by row", parity_tables.row_by_row(view)),
        section("Backfill", _backfills(view)),
        *([section("The runbook's own commands", _helpers(view))] if view.helpers else []),
        section("POST budget", _posts(view)),
        section("Sessions on Postgres", _sessions(view)),
        section("Services that ended in the middle of the run", _services_ended(view)),
        section("Notes", _notes(view)),
        section("Settings", _settings_in_effect(view)),
        section("Environment", _environment(view)),
    )
    return "\n\n".join("\n".join(lines).rstrip() for lines in sections) + "\n"


def _head(view: ReportView) -> Lines:
    document, verdict = view.document, view.document.verdict
    started, finished = document.result.started, document.result.finished
    yield f"# TSSE Lake Validation: {verdict.label}"
    yield from ("", escaped(view.meaning), "", "## Why", "")
    yield from (bullet(escaped(reason)) for reason in view.why)
    if words.shown_by(verdict):
        yield from ("", words.shown_by(verdict))
    if view.gaps_besides:
        yield from ("", "### Not proven either", "")
        yield from (bullet(escaped(gap)) for gap in view.gaps_besides)
    yield from ("", "## Run", "")
    yield bullet(f"Validated: {escaped(words.services(document.result.stack))}")
    yield bullet(f"Rests on: {escaped(verdict.basis)}")
    yield bullet(f"Assurance: {escaped(words.assurance(verdict))}")
    yield bullet(f"{words.share_name(verdict)}: {escaped(words.share(verdict))}")
    yield from (bullet(f"Note: {escaped(warning)}") for warning in verdict.warnings)
    rows = count_of(verdict.rows_compared, "row")
    yield bullet(f"Compared: {count_of(verdict.sensors_compared, 'sensor')}, {rows}, {count_of(view.days, 'day')}")
    if started.release_label:
        yield bullet(f"Release: {escaped(started.release_label)}")
    yield bullet(f"Run: {code(document.run_id)}, suite {code(started.suite_version)}")
    yield bullet(f"Started: {code(words.instant(started.at))}")
    ended = code(words.instant(finished.at)) if finished else "unknown"
    yield bullet(f"Ended: {ended} ({escaped(words.ending(finished))})")


def _gates(view: ReportView) -> Lines:
    gates = view.document.verdict.gates
    yield from table(("Line", "Outcome", "Evidence"), map(_gate, gates))
    yield ""
    for gate in gates:
        yield bullet(escaped(gate.title))
        yield from (bullet(escaped(gap), depth=1) for gap in gate.gaps)
        yield from (bullet(escaped(said), depth=1) for said in gate.rests_on or ())
        yield from (bullet(escaped(piece), depth=1) for piece in gate.evidence)


def _gate(gate: GateLine) -> list[str]:
    outcome = f"{gate.outcome} ({words.GATE_WORDS[gate.outcome]})"
    return [gate.title, outcome, count_of(len(gate.evidence), "check")]


def _not_checked(view: ReportView) -> Lines:
    yield words.sentence(words.gaps(view.blocking, view.tolerated))
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
    yield bullet(f"Started by this run: {words.truth(stack.owned)}")
    for component in stack.components:
        unknown = " (it tells no version)" if component.name == "core-server" else ""
        version = f" {component.version}" if component.version else unknown
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
    steps = ([words.step(step.number), step.state.value, step.tally] for step in view.steps)
    yield from table(("Step", "State", "Checks"), steps)
    yield ""
    yield from table(("Step", "Check", "Status", "Took", "What it said", "Facts"), map(_check, view.checks))


def _check(check: CheckLine) -> list[str]:
    parts = [
        escaped(check.message),
        *(f"Next: {escaped(advice)}" for advice in [check.advice] if advice),
        *(f"Warning: {escaped(warning)}" for warning in check.warnings),
    ]
    took = "never ended" if check.seconds is None else duration(check.seconds)
    facts = "; ".join(f"{name}: {value}" for name, value in check.facts.items())
    status = words.status(check.status)
    return [str(check.step), check.full_title, status, took, Cell(" ".join(parts).strip()), facts]


def _triage(view: ReportView) -> Lines:
    if not view.document.result.findings:
        yield "No finding."
    for group in mismatches(view.document.result):
        if group.finding is not None:
            yield from _finding(group.finding)
            yield from _queries(group.queries)
    for finding in view.explained:
        yield from _finding(finding)


def _queries(queries: Queries) -> Lines:
    for where, query in queries.shown:
        yield bullet(f"Its first rows and their neighbours, {where}:", depth=1)
        yield ""
        yield from fenced(query, "sql", indent="    ")
        yield ""


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


def _backfills(view: ReportView) -> Lines:
    if not view.backfills:
        yield "No backfill was run."
    for line in view.backfills:
        seen = line.seen
        yield bullet(f"Job {code(seen.job_id)}: {escaped(seen.status)}")
        yield bullet(
            f"{count_of(seen.days, 'day')}, rows exported {words.known(seen.rows_exported)}, "
            f"dates touched {words.known(seen.touched_dates)}, took {duration(seen.seconds)}, "
            f"{words.rate(seen.rows_exported, seen.seconds)}",
            depth=1,
        )
        window = f"{code(words.instant(seen.backfill_from))} → {code(words.instant(seen.backfill_to))}"
        yield bullet(window, depth=1)
        yield bullet(f"{line.events.counted('event')}: {escaped('; '.join(line.events.items))}", depth=1)


def _helpers(view: ReportView) -> Lines:
    rows = (
        [
            code(line.ran.helper),
            words.step(line.ran.step),
            words.status(line.status),
            line.exit_code,
            duration(line.ran.seconds),
            line.found,
        ]
        for line in view.helpers
    )
    yield from table(("Command", "Step", "Check", "Exit code", "Took", "What it said"), rows)
    for line in view.helpers:
        if line.command:
            yield ""
            yield from fenced(text.visible(line.command), "console")


def _posts(view: ReportView) -> Lines:
    posts = view.document.result.posts
    if posts is None:
        yield "Nothing was recorded about POSTs."
        return
    yield bullet(
        f"Spent {number(posts.spent)}, refused {number(posts.refused)}, "
        f"waited {duration(posts.waited_seconds)}; {words.BUDGET}"
    )
    yield from (bullet(f"{escaped(name)}: {number(count)}") for name, count in posts.by_purpose.items())


def _sessions(view: ReportView) -> Lines:
    sessions = view.document.result.sessions
    yield words.sessions(sessions) if sessions else "Postgres was not read."


def _services_ended(view: ReportView) -> Lines:
    if not view.document.result.services_ended:
        yield "None."
    for ended in view.document.result.services_ended:
        yield bullet(f"{escaped(ended.name)}: {escaped(ended.how)}. {words.LAST_LINES}")
        yield from (bullet(code(line, text.LINE_LIMIT), depth=1) for line in ended.log_tail)


def _notes(view: ReportView) -> Lines:
    if not view.document.result.notes:
        yield "None."
    yield from (bullet(escaped(note.text)) for note in view.document.result.notes)


def _settings_in_effect(view: ReportView) -> Lines:
    rows = ([one.name, one.value, one.source] for one in view.document.result.started.settings)
    yield from table(("Setting", "Value", "Source"), rows)


def _environment(view: ReportView) -> Lines:
    yield from table(("Name", "Value"), view.document.result.started.environment.items())


def _partitions(view: ReportView) -> Lines:
    dates = view.lake.parity_dates
    if dates is None:
        yield f"{words.NOT_MEASURED.capitalize()}: no parity job told them."
        return
    headings = ("Date", "location", "manifest file_count", "max shard parquet files")
    rows = (_date(seen, seen.manifest_files, seen.most_in_a_shard) for seen in dates.items)
    yield from table(headings, rows, align=("", "", "r", "r"))
    yield from hidden(dates, "date")


def _replication(view: ReportView) -> Lines:
    summary = view.lake.summary
    if summary is None:
        yield f"{words.NOT_MEASURED.capitalize()}."
        return
    for name in (*_SUMMARY, *_MORE):
        yield bullet(f"{name}: {_state(summary, name)}")
    yield bullet(f"told by: {words.LOOKS[summary.source]} at {code(words.instant(summary.at))}")


def _replication_lag(view: ReportView) -> Lines:
    lake = view.lake
    if lake.summary is None:
        yield f"{words.NOT_MEASURED.capitalize()}: the run did not get as far as asking."
        return
    measured = [one for one in (lake.age, lake.backlog) if one is not None]
    lags = ("Lag", "Last", "Lowest", "Highest", "Samples", "Limit")
    yield from table(lags, map(_lag, measured), align=("", *"rrrrr"))
    yield ""
    headings = ("At", "Told by", "Watermark", "Its age", "Backlog", "Last pass", "Rows", "Status")
    yield from table(headings, map(_look, lake.replication.items), align=("", "", "", "r", "r", "", "r", ""))
    yield from hidden(lake.replication, "time")


def _files_per_day(view: ReportView) -> Lines:
    lake = view.lake
    if lake.files is None:
        yield f"{words.NOT_MEASURED.capitalize()}: the run did not inspect the lake."
        return
    looks = ("Inspected", "Dates", "Hot", "Cold", "Files", "Bytes", "Most in a shard-day", "On")
    yield from table(looks, map(_files, lake.looks), align=("", *"rrrrrr", ""))
    yield from ("", f"Each date, {escaped(lake.files.moment)}:", "")
    headings = ("Date", "location", "parquet files", "bytes", "shards", "max shard parquet files")
    dates = lake.dates.items
    rows = (_date(seen, seen.files, seen.size, seen.shards, seen.most_in_a_shard) for seen in dates)
    yield from table(headings, rows, align=("", "", *"rrrr"))
    yield from hidden(lake.dates, "date")


def _state(seen: ReplicationSeen, name: str) -> str:
    value = seen.state.model_dump(mode="json")[name]
    if value is None:
        return words.NOT_MEASURED if name in _SUMMARY else "none"
    return code(f"{value:g}" if isinstance(value, float) else str(value))


def _date(seen: PartitionFiles, *counts: int | None) -> list[str]:
    """Return a date's cells, with its numbers in plain digits, as the controller writes them."""
    location = code(seen.location) if seen.location else "not said"
    plain = (words.NOT_MEASURED if count is None else str(count) for count in counts)
    return [code(seen.day.isoformat()), location, *plain]


def _lag(measured: Measured) -> list[str]:
    values = (measured.last, measured.lowest, measured.highest)
    samples = number(len(measured.samples))
    return [measured.name, *map(words.seconds, values), samples, words.seconds(measured.limit)]


def _look(look: ReplicationSeen) -> list[str]:
    state = look.state
    status = state.last_run_status or "not said"
    return [
        code(words.instant(look.at)),
        words.LOOKS[look.source],
        code(words.instant(state.computed_through_ts)),
        words.seconds(look.age_seconds),
        words.seconds(state.last_run_backlog_seconds),
        code(words.instant(state.last_run_at)),
        words.measured(state.last_run_row_count),
        f"{status}: {state.last_run_error}" if state.last_run_error else status,
    ]


def _files(look: FilesLook) -> list[str]:
    counts = (look.dates, look.hot, look.cold, look.files, look.size, look.most)
    fullest = look.fullest.isoformat() if look.fullest else "no date"
    return [f"{look.moment}, {words.moment(look.at)}", *map(number, counts), fullest]
