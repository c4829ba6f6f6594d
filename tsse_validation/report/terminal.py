"""The end of a run on the terminal: one screen that needs no colour."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tsse_validation.domain.catalogue import CONFORMANCE_STEP
from tsse_validation.domain.phrasing import count_of
from tsse_validation.report.model import text, words
from tsse_validation.report.model.checks import MissingLine
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import figures
from tsse_validation.report.model.view import ReportView, view_of
from tsse_validation.verdict import Outcome

MAX_REASONS = 8
MAX_MISSING = 6
MAX_LOG_LINES = 12
_LINE = 200
_REASON = 400
_LONG = 1_000
_STYLES: Mapping[Outcome, str] = {
    Outcome.GO: "bold green",
    Outcome.NO_GO: "bold red",
    Outcome.INCOMPLETE: "bold yellow",
}
_BELOW_PROOF = "bold cyan"


def print_summary(console: Console, document: ReportDocument, paths: Iterable[Path] = ()) -> None:
    """Print the verdict, its reasons, the gate's lines, what was not checked and the reports' paths.

    Nothing is wider than the console: a word that does not fit is folded.
    """
    view = view_of(document)
    for line in _lines(view, tuple(paths)):
        console.print(line, overflow="fold", highlight=False)


def _lines(view: ReportView, paths: tuple[Path, ...]) -> Iterator[Text | Table]:
    yield from _verdict(view)
    yield from _gates(view)
    yield from _not_checked(view)
    yield from _conformance(view)
    yield from _services_ended(view)
    yield from _reports(paths)


def _verdict(view: ReportView) -> Iterator[Text | Table]:
    verdict = view.document.verdict
    limited = words.verdict_tone(verdict) == words.PART
    yield Text(f"VERDICT: {verdict.label}", style=_BELOW_PROOF if limited else _STYLES[verdict.outcome])
    yield Text(text.one_line(view.meaning, _LONG))
    yield _rows((("-", reason) for reason in verdict.reasons[:MAX_REASONS]), limit=_REASON)
    yield from _more(len(verdict.reasons) - MAX_REASONS, "reason")
    yield Text(f"Validated: {text.one_line(words.services(view.document.result.stack), _LONG)}.")
    yield Text(f"Assurance: {text.one_line(words.assurance(verdict))}.")
    yield Text(
        f"{words.share_name(verdict)}: {count_of(verdict.sensors_compared, 'sensor')} with "
        f"{words.share(verdict)}. Rests on {text.one_line(verdict.basis)}."
    )
    yield from (Text(f"Note: {text.one_line(warning)}.") for warning in verdict.warnings)
    yield Text(f"Found: {_found(view)}.")
    yield Text(f"Backfill: {_backfill(view)}.")
    yield Text(f"Replication: {view.lake.lag_phrase}.")
    yield Text(f"Lake: {view.lake.files_phrase}.")


def _found(view: ReportView) -> str:
    found = figures(view)
    return (
        f"mismatching sensors {found['mismatching_sensors'].text}, differing rows {found['differing_rows'].text}, "
        f"failing windows {found['windows_failing'].text} of {found['windows'].text}"
    )


def _backfill(view: ReportView) -> str:
    if not view.backfills:
        return "none was run"
    seen = view.backfills[-1].seen
    rate = words.rate(seen.rows_exported, seen.seconds)
    return (
        f"{text.one_line(seen.status)}, {count_of(seen.days, 'day')}, rows {words.known(seen.rows_exported)}, "
        f"{words.duration(seen.seconds)}, {rate}"
    )


def _gates(view: ReportView) -> Iterator[Text | Table]:
    yield Text("Release gate TSSE-6", style="bold")
    yield _rows(
        ((words.GATE_WORDS[gate.outcome], gate.title) for gate in view.document.verdict.gates),
        styles=[_STYLES[gate.outcome] for gate in view.document.verdict.gates],
    )


def _not_checked(view: ReportView) -> Iterator[Text | Table]:
    yield Text(f"Not checked: {words.gaps(view.blocking, view.tolerated)}", style="bold")
    if view.missing:
        yield _rows((("-", _missing(missing)) for missing in view.missing[:MAX_MISSING]), limit=_REASON)
    yield from _more(len(view.missing) - MAX_MISSING, "line")


def _missing(missing: MissingLine) -> str:
    checks = missing.titles[0] if len(missing.checks) == 1 else count_of(len(missing.checks), "check")
    mark = f" ({words.TOLERATED})" if missing.tolerated else ""
    return f"step {words.step(missing.step)}, {checks}: {missing.reason}{mark}"


def _conformance(view: ReportView) -> Iterator[Text | Table]:
    for step in view.steps:
        if step.number == CONFORMANCE_STEP:
            yield Text(f"Conformance to the contract: {step.tally}", style="bold")


def _services_ended(view: ReportView) -> Iterator[Text | Table]:
    for ended in view.document.result.services_ended:
        name, how = text.one_line(ended.name), text.one_line(ended.how)
        yield Text(f"{name} ended in the middle of the run ({how}). {words.LAST_LINES}", style="bold")
        yield _rows(("|", line) for line in ended.log_tail[-MAX_LOG_LINES:])


def _reports(paths: tuple[Path, ...]) -> Iterator[Text | Table]:
    if paths:
        yield Text("Reports", style="bold")
        yield _rows(("-", str(path)) for path in paths)


def _more(hidden: int, one: str) -> Iterator[Text]:
    if hidden > 0:
        yield Text(f"  and {count_of(hidden, f'more {one}')}, all in the reports")


def _rows(rows: Iterable[tuple[str, str]], styles: Sequence[str] = (), limit: int = _LINE) -> Table:
    """Lay out lines so that wrapped text stays under its own text and not under its mark."""
    table = Table.grid(padding=(0, 1))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for place, (mark, line) in enumerate(rows):
        table.add_row(Text(mark, style=styles[place] if styles else ""), Text(text.one_line(line, limit)))
    return table
