"""What a person does after a NO-GO or INCOMPLETE: keep the evidence, repair, prove it again. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from tsse_validation.report.model.commands import run_again, untold
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.runlog.records import CheckFinished, CheckStatus
from tsse_validation.verdict import Outcome


@dataclass(frozen=True)
class Action:
    """One thing to do, in a sentence or a few, and the command that does it, which may be empty."""

    sentence: str
    command: str = ""


def what_to_do(document: ReportDocument) -> tuple[Action, ...]:
    """Return what to do about a verdict, in this order; nothing after a GO."""
    if document.verdict.outcome is Outcome.GO:
        return ()
    if document.verdict.outcome is Outcome.NO_GO:
        return tuple(_after_no_go(document))
    return tuple(_after_incomplete(document))


def _after_no_go(document: ReportDocument) -> Iterator[Action]:
    yield Action("Keep the evidence before anything replaces it.")
    yield Action(f"Prove it again.{_hint(document)}", run_again(document.result))


def _after_incomplete(document: ReportDocument) -> Iterator[Action]:
    cause = next(filter(_is_a_cause, document.result.checks), None)
    if cause is not None:
        yield Action(f"{cause.message} {cause.advice}".strip())
    yield Action(f"Run it again.{_hint(document)}", run_again(document.result))


def _is_a_cause(check: CheckFinished) -> bool:
    return check.status is CheckStatus.UNPROVEN


def _hint(document: ReportDocument) -> str:
    variables = untold(document.result)
    return f" Set {' and '.join(variables)} first: no report tells a secret." if variables else ""
