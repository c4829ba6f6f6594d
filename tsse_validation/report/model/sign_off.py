"""What a release manager signs: the run in a few lines, each with its name."""

from collections.abc import Iterator

from tsse_validation.report.model import words
from tsse_validation.report.model.view import ReportView
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.runlog.records import StackComponent

UNNAMED = "not named: --release-label names it"
MOST_WARNINGS = 3


def release_of(view: ReportView) -> str:
    """Return what the operator calls the release, or that it has no name."""
    return view.document.result.started.release_label or UNNAMED


def signed_lines(view: ReportView) -> tuple[tuple[str, str], ...]:
    """Return what stands above a signature beside verdict, gate and evidence: what, on what, by whom and when."""
    return (*_what(view), *_on_what_it_rests(view), *_by_whom(view))


def _what(view: ReportView) -> Iterator[tuple[str, str]]:
    result = view.document.result
    yield "Release", release_of(view)
    yield "Controller", words.stack_at(result.stack)
    if result.stack is None:
        return
    for component in result.stack.components:
        yield component.name, _component(component)
    if result.database is not None:
        yield "Database", _database(result.database)


def _component(component: StackComponent) -> str:
    return f"{component.description}, {f'version {component.version}' if component.version else 'no version told'}"


def _database(seen: DatabaseSeen) -> str:
    cluster = f", cluster {seen.system_identifier}" if seen.system_identifier else ""
    return f"PostgreSQL {seen.version}, {seen.database} on {seen.server}{cluster}"


def _on_what_it_rests(view: ReportView) -> Iterator[tuple[str, str]]:
    verdict = view.document.verdict
    yield "Rests on", verdict.basis
    yield "Assurance", words.assurance(verdict)
    yield words.share_name(verdict), words.share(verdict)
    yield "Not checked", words.gaps(view.blocking, view.tolerated)
    yield from (("Note", warning) for warning in verdict.warnings[:MOST_WARNINGS])


def _by_whom(view: ReportView) -> Iterator[tuple[str, str]]:
    started, finished = view.document.result.started, view.document.result.finished
    of = started.environment
    commit = of.get("suite commit")
    yield "Suite", f"{started.suite_version}, {f'commit {commit}' if commit else 'no commit known'}"
    yield "Run", view.document.run_id
    yield "Run by", f"{of.get('user', 'unknown')} on {of.get('host', 'unknown')}"
    yield "Started", words.instant(started.at)
    yield "Ended", f"{words.instant(finished.at if finished else None)}, {words.ending(finished)}"
