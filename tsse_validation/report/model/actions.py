"""What a person does after a NO-GO or INCOMPLETE: keep the evidence, repair, prove it again. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from tsse_validation.domain.catalogue import BOTH_SIDES, CHECKS, step_label
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.phrasing import count_of, listed
from tsse_validation.domain.stack import Capability
from tsse_validation.grading import grade_reached, wanting
from tsse_validation.report.model.commands import run_again
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.model.keeping import keep_evidence, lake_roots, reads_the_lake, run_folder
from tsse_validation.report.model.next_run import backfill_days, next_run, repair_command
from tsse_validation.runlog.records import CheckFinished, CheckStatus
from tsse_validation.runlog.result import RunResult

_MOST_CAUSES = 3
"""Causes that are told of an INCOMPLETE: the first of them as a rule is the cause of the others."""
_HEALED = "healed by a backfill"
_REPEATABLE = (
    "If the same differs again then, it is a replication correctness bug: track it as a new task, and do not mark "
    "TSSE-6 Done."
)
_BY_A_SEAL = (
    "Whoever may not read the lake gives --await-seal 10m in place of --hot-path: it prints the one command that "
    "the service user runs, waits for the seal, and goes on to a proof."
)
_BY_AN_OPTION = "left out by --"
"""How the message of a check begins that an option has left out, which the next run does without."""


@dataclass(frozen=True)
class Action:
    """One thing to do, in a sentence or a few, and the command that does it, which may be empty."""

    sentence: str
    command: str = ""


def what_to_do(document: ReportDocument) -> tuple[Action, ...]:
    """Return what to do about a verdict, in this order; nothing after a GO."""
    if document.verdict.outcome is Outcome.GO:
        return ()
    if document.verdict.outcome is Outcome.INCOMPLETE:
        return tuple(_after_incomplete(document))
    stack = document.result.stack
    own = stack is not None and stack.owned
    return tuple(_on_an_own_stack(document) if own else _after_no_go(document))


def _on_an_own_stack(document: ReportDocument) -> Iterator[Action]:
    yield Action(
        f"The stack was the run's own: the evidence is the run's folder, {run_folder(document.result)}. Run the "
        "same once more, with its stack left running to look into.",
        run_again(document.result, {"keep_stack": "True"}),
    )


def _after_no_go(document: ReportDocument) -> Iterator[Action]:
    yield Action(_why_keep(document), keep_evidence(document.result))
    yield from _looks(document)
    findings = document.result.findings
    if any(finding.diagnosis == _HEALED for finding in findings):
        yield Action(
            "Repair nothing more: the backfill of --heal-check has healed it. Find out what had damaged it."
        )
    elif any(finding.flagged and finding.heals_by_backfill for finding in findings):
        yield from _repair_and_prove(document.result)
        return
    after = next_run(document.result)
    yield Action(_joined("Once that is done, prove it again.", after.said), after.command)


def _repair_and_prove(result: RunResult) -> Iterator[Action]:
    days, after = backfill_days(result), next_run(result, after_a_repair=True)
    yield Action(
        f"Repair, by a backfill of {days} days with replace_existing. Step 4 of the run below is such a backfill "
        "too: start this one only where the proof has to wait. Neither starts where rows would be taken away.",
        repair_command(result, days),
    )
    said = f"Repair and prove it in one run, whose own backfill takes {after.days} days."
    yield Action(_joined(said, _REPEATABLE, after.said), after.command)


def _why_keep(document: ReportDocument) -> str:
    first = "Keep the evidence before anything replaces it, as a repair does."
    if not lake_roots(document.result):
        return (
            f"{first} This copies the run's folder. Where the lake lies is not known here: have the controller's "
            "service user copy its files as well."
        )
    if not reads_the_lake(document.result):
        first = f"{first} The lake's files are the service user's: run this on the controller's host."
    return f"{first} It only reads, and copies what is concerned into a new directory."


def _looks(document: ReportDocument) -> Iterator[Action]:
    """Yield what no backfill heals: somebody must look."""
    findings = [finding for finding in document.result.findings if finding.flagged]
    lasting = [finding for finding in findings if not finding.heals_by_backfill]
    if lasting:
        named = listed([*dict.fromkeys(f"“{finding.diagnosis}”" for finding in lasting)])
        yield Action(
            f"No backfill heals {named}: an export would write the same again. Give this report and the evidence "
            "to whoever develops the replication service."
        )
    if failed := _unexplained(document):
        check = failed[0]
        more = f"({count_of(len(failed) - 1, 'other check')} failed as well.)" if len(failed) > 1 else ""
        said = f"Look at {step_label(check.step)} first: {check.title}: {check.message}"
        yield Action(_joined(said, check.advice, more))


def _unexplained(document: ReportDocument) -> list[CheckFinished]:
    """Return the failed checks that no finding explains; an earlier version did not tell which those are."""
    explained = document.verdict.explained
    if not explained and any(finding.flagged for finding in document.result.findings):
        return []
    failed = (check for check in document.result.checks if check.status is CheckStatus.FAILED)
    return [check for check in failed if check.check_id not in (explained or ())]


def _after_incomplete(document: ReportDocument) -> Iterator[Action]:
    causes = [*list(dict.fromkeys(_causes(document)))[:_MOST_CAUSES], *_to_give(document)]
    yield from map(Action, causes)
    after = next_run(document.result)
    yield Action(_joined("Then run it again." if causes else "Run it again, in full.", after.said), after.command)


def _causes(document: ReportDocument) -> Iterator[str]:
    """Yield what kept the run from its end, the first cause first; not what the next run leaves out anyway."""
    result = document.result
    if result.finished is None:
        yield "The run did not end: its log stops in the middle."
    elif result.finished.message:
        yield _sentence(result.finished.message)
    for ended in result.services_ended:
        yield f"{ended.name} ended in the middle of the run, with {ended.how}: look into its log."
    tolerated = {missing.check_id for missing in document.verdict.not_checked if missing.tolerated}
    unmade = [
        check
        for check in result.checks
        if check.check_id not in tolerated and not check.message.startswith(_BY_AN_OPTION)
    ]
    # what could not be brought to its end may be why the others were not begun
    yield from (_told(check) for check in unmade if check.status is CheckStatus.UNPROVEN)
    absent = set(result.stack.absent) if result.stack else set()
    for check in unmade:
        needs = CHECKS[check.key].requires if check.key in CHECKS else frozenset()
        if check.status is CheckStatus.NOT_CHECKED and not needs & absent:
            yield _told(check)


def _to_give(document: ReportDocument) -> Iterator[str]:
    """Yield what the run was not given for the grade that GO needs, and what it was told to leave out."""
    result = document.result
    wanted = wanting(result, grade_reached(result))
    if wanted and result.stack is not None and BOTH_SIDES & set(result.stack.absent):
        yield _joined(_sentence(wanted), _BY_A_SEAL if Capability.LAKE in result.stack.absent else "")
    unselected = {check.key for check in document.verdict.not_checked} - {plan.key for plan in result.planned}
    left = [plan.key for plan in result.planned if not plan.selected and plan.key in CHECKS]
    if result.planned and (unselected or left):
        yield (
            f"{count_of(len(unselected) + len(left), 'check')} of the runbook had not been selected: leave test "
            "paths, -k and --deselect out, and choose no less by -m than the command below."
        )


def _told(check: CheckFinished) -> str:
    return _joined(_sentence(check.message), check.advice)


def _sentence(phrase: str) -> str:
    whole = f"{phrase[:1].upper()}{phrase[1:]}"
    return whole if whole.endswith((".", "?", "!")) else f"{whole}."


def _joined(*sentences: str) -> str:
    return " ".join(" ".join(sentence.split()) for sentence in sentences if sentence)
