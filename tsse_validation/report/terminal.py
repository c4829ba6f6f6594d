"""The end of a run on the terminal: a block of about ten lines that needs no colour; with `-v` details before it.

Nothing that is said loses its middle: it is wrapped. What a person copies, a command or a path, stands on a line
of its own as it is, however narrow the terminal.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tsse_validation.domain.catalogue import CONFORMANCE_STEP
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.phrasing import count_of, duration
from tsse_validation.report.model import text, words
from tsse_validation.report.model.actions import Action, what_to_do
from tsse_validation.report.model.checks import MissingLine
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.figures import figures
from tsse_validation.report.model.helper_lines import helpers_phrase
from tsse_validation.report.model.view import ReportView, view_of
from tsse_validation.verdict import Verdict

MAX_FAULTS = 4
MAX_WARNINGS = 4
MAX_EXCUSED = 3
MAX_LOG_LINES = 12
_STYLES: Mapping[Outcome, str] = {
    Outcome.GO: "bold green",
    Outcome.NO_GO: "bold red",
    Outcome.INCOMPLETE: "bold yellow",
}
_BELOW_PROOF = "bold cyan"
_FIRST_SENTENCE = re.compile(r".+?[.?!](?= [A-Z]|$)")


@dataclass(frozen=True)
class _Copied:
    """What a person copies: it is never wrapped."""

    line: str


@dataclass(frozen=True)
class _Row:
    """A line behind a mark: wrapped text stays under its own text."""

    mark: str
    line: str
    style: str = ""

    def wrapped(self, console: Console) -> Iterator[Text]:
        indent = len(self.mark) + 1
        lines = Text(text.beginning(self.line)).wrap(console, max(1, console.width - indent), overflow="fold")
        for number, line in enumerate(lines):
            yield Text(f"{'' if number else self.mark:<{indent}}", style=self.style) + line


_Line = Text | _Copied | _Row


def print_summary(
    console: Console, document: ReportDocument, report: Path | None = None, *, details: bool = False
) -> None:
    """Print the verdict, its causes, what to do, what was proven and the report's path; details go before it."""
    view = view_of(document)
    for line in (*(_details(view) if details else ()), *_block(view, report, details=details)):
        if isinstance(line, _Copied):
            console.print(Text(line.line), soft_wrap=True, highlight=False)
        elif isinstance(line, _Row):
            for wrapped in line.wrapped(console):
                console.print(wrapped, soft_wrap=True, highlight=False)
        else:
            console.print(line, overflow="fold", highlight=False)


def _block(view: ReportView, report: Path | None, *, details: bool) -> Iterator[_Line]:
    verdict = view.document.verdict
    limited = words.verdict_tone(verdict) == words.PART
    yield Text(f"VERDICT: {_with_grade(verdict)}", style=_BELOW_PROOF if limited else _STYLES[verdict.outcome])
    yield Text(text.beginning(view.meaning))
    yield from _faults(verdict)
    yield from _services_ended(view)
    actions = what_to_do(view.document)
    if verdict.outcome is Outcome.INCOMPLETE:
        yield from _actions("Why, and what to do", actions)
    else:
        yield from _actions("What to do", actions if details else [_in_short(action) for action in actions])
    yield Text(_proven(view))
    if view.failures:
        yield Text(f"Failures: {view.failures.in_short}.")
        yield from (_Row("-", f"{line.tried.scenario}: {line.found}") for line in view.failures.lost[:MAX_FAULTS])
        yield from _more(len(view.failures.lost) - MAX_FAULTS, "lost scenario")
    if view.soak:
        yield Text(text.beginning(f"Soak: {view.soak.in_short}."))
    yield from map(Text, helpers_phrase(view.helpers))
    yield from _excused(view)
    yield from _warnings(view)
    if report is not None:
        yield _Copied(f"Report: {report}")


def _with_grade(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.NO_GO:
        return verdict.label
    if verdict.outcome is Outcome.INCOMPLETE:
        return f"{verdict.label} ({verdict.required} required, {verdict.assurance or 'no grade'} reached)"
    return verdict.label if verdict.label != verdict.outcome else f"{verdict.label} ({verdict.assurance})"


def _faults(verdict: Verdict) -> Iterator[_Line]:
    """Yield what speaks against the release; what an INCOMPLETE lacks is told by what to do about it."""
    if verdict.outcome is Outcome.NO_GO:
        faults = verdict.reasons if verdict.faults is None else verdict.reasons[: verdict.faults]
        yield from (_Row("-", fault) for fault in faults[:MAX_FAULTS])
        yield from _more(len(faults) - MAX_FAULTS, "fault")


def _services_ended(view: ReportView) -> Iterator[_Line]:
    for ended in view.document.result.services_ended:
        name, how = text.one_line(ended.name), text.one_line(ended.how)
        yield Text(f"{name} ended in the middle of the run ({how}). {words.LAST_LINES}", style="bold")
        yield from (_Row("|", line) for line in ended.log_tail[-MAX_LOG_LINES:])


def _actions(title: str, actions: Sequence[Action]) -> Iterator[_Line]:
    """Yield what to do, and of the commands the first: the others are in the report, beside their words."""
    if not actions:
        return
    yield Text(title, style="bold")
    yield from (_Row(f"{number}.", action.sentence) for number, action in enumerate(actions, start=1))
    commands = [number for number, action in enumerate(actions, start=1) if action.command]
    if commands:
        others = ", the others are in the report" if len(commands) > 1 else ""
        yield Text(f"The command of {commands[0]}{others}:")
        yield _Copied(text.visible(actions[commands[0] - 1].command))


def _in_short(action: Action) -> Action:
    """Return an action by its first sentence: how and why are in the report."""
    first = _FIRST_SENTENCE.match(" ".join(action.sentence.split()))
    return action if first is None else Action(first[0], action.command)


def _proven(view: ReportView) -> str:
    verdict = view.document.verdict
    checks = [check for check in view.checks if not check.tolerated]
    proven = sum(check.status.proven for check in checks)
    lines = sum(gate.outcome is Outcome.GO for gate in verdict.gates)
    share = f"{words.share_name(verdict)}: {words.share(verdict)}"
    sensors = f", of {count_of(verdict.sensors_compared, 'sensor')}" if verdict.sensors_compared else ""
    gates = f"{lines} of {len(verdict.gates)} lines of release gate TSSE-6"
    return f"{share}{sensors}; {proven} of {len(checks)} checks and {gates} are proven."


def _excused(view: ReportView) -> Iterator[_Line]:
    excused = [missing for missing in view.missing if missing.tolerated]
    reasons = list(dict.fromkeys(missing.reason for missing in excused))
    if reasons:
        yield Text(f"Left out, which {words.TOLERATED}: {count_of(view.tolerated, 'check')}")
        yield from (_Row("-", reason) for reason in reasons[:MAX_EXCUSED])
        yield from _more(len(reasons) - MAX_EXCUSED, "reason")


def _warnings(view: ReportView) -> Iterator[_Line]:
    of_checks = (warning for check in view.checks for warning in check.warnings)
    warnings = list(dict.fromkeys((*of_checks, *view.document.verdict.warnings)))
    yield from (_Row("Warning:", warning, "yellow") for warning in warnings[:MAX_WARNINGS])
    yield from _more(len(warnings) - MAX_WARNINGS, "warning")


def _details(view: ReportView) -> Iterator[_Line]:
    verdict = view.document.verdict
    yield Text("Details", style="bold")
    yield from _gates(view)
    yield from _not_checked(view)
    yield from _conformance(view)
    yield Text(f"Validated: {text.beginning(words.services(view.document.result.stack))}.")
    yield Text(f"Assurance: {text.beginning(words.assurance(verdict))}. Rests on {text.beginning(verdict.basis)}.")
    for seal in view.seals:
        yield Text(f"Seal, {seal.title[:1].lower()}{seal.title[1:]}: {text.beginning(seal.in_short)}.")
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
        f"{duration(seen.seconds)}, {rate}"
    )


def _gates(view: ReportView) -> Iterator[_Line]:
    yield Text("Release gate TSSE-6", style="bold")
    for gate in view.document.verdict.gates:
        yield _Row(f"{words.GATE_WORDS[gate.outcome]:<10}", gate.title, _STYLES[gate.outcome])


def _not_checked(view: ReportView) -> Iterator[_Line]:
    yield Text(f"Not checked: {words.gaps(view.blocking, view.tolerated)}", style="bold")
    yield from (_Row("-", _missing(missing)) for missing in view.missing)


def _missing(missing: MissingLine) -> str:
    checks = missing.titles[0] if len(missing.checks) == 1 else count_of(len(missing.checks), "check")
    mark = f" ({words.TOLERATED})" if missing.tolerated else ""
    return f"step {words.step(missing.step)}, {checks}: {missing.reason}{mark}"


def _conformance(view: ReportView) -> Iterator[_Line]:
    for step in view.steps:
        if step.number == CONFORMANCE_STEP:
            yield Text(f"Conformance to the contract: {step.tally}", style="bold")


def _more(hidden: int, one: str) -> Iterator[_Line]:
    if hidden > 0:
        yield Text(f"  and {count_of(hidden, f'more {one}')}, all in the report")
