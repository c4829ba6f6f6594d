"""How the run went, as the Markdown report tells it: backfills, POSTs, services that ended, notes, settings."""

from tsse_validation.domain.phrasing import count_of, number
from tsse_validation.report.markdown.markup import Lines, bullet, code, escaped, table
from tsse_validation.report.model import text, words
from tsse_validation.report.model.view import BackfillLine, ReportView


def backfills(view: ReportView) -> Lines:
    """Yield the backfills with their events."""
    if not view.backfills:
        yield "No backfill was run."
    for line in view.backfills:
        yield from _backfill(line)


def _backfill(line: BackfillLine) -> Lines:
    seen = line.seen
    yield bullet(f"Job {code(seen.job_id)}: {escaped(seen.status)}")
    yield bullet(
        f"{count_of(seen.days, 'day')}, rows exported {words.known(seen.rows_exported)}, "
        f"dates touched {words.known(seen.touched_dates)}, took {words.duration(seen.seconds)}, "
        f"{words.rate(seen.rows_exported, seen.seconds)}",
        depth=1,
    )
    yield bullet(f"{code(words.instant(seen.backfill_from))} → {code(words.instant(seen.backfill_to))}", depth=1)
    yield bullet(f"{line.events.said('event')}: {escaped('; '.join(line.events.items))}", depth=1)


def posts(view: ReportView) -> Lines:
    """Yield what was taken of the POST budget."""
    posts = view.document.result.posts
    if posts is None:
        yield "Nothing was recorded about POSTs."
        return
    yield bullet(
        f"Spent {number(posts.spent)}, refused {number(posts.refused)}, "
        f"waited {words.duration(posts.waited_seconds)}; {words.BUDGET}"
    )
    yield from (bullet(f"{escaped(name)}: {number(count)}") for name, count in posts.by_purpose.items())


def services_ended(view: ReportView) -> Lines:
    """Yield the services of an own stack that ended too early, with the last lines of their logs."""
    if not view.document.result.services_ended:
        yield "None."
    for ended in view.document.result.services_ended:
        yield bullet(f"{escaped(ended.name)}: {escaped(ended.how)}. {words.LAST_LINES}")
        yield from (bullet(code(line, text.LINE_LIMIT), depth=1) for line in ended.log_tail)


def notes(view: ReportView) -> Lines:
    """Yield the sentences that belong to no check."""
    if not view.document.result.notes:
        yield "None."
    yield from (bullet(escaped(note.text)) for note in view.document.result.notes)


def settings_in_effect(view: ReportView) -> Lines:
    """Yield the settings, each with where it was set."""
    rows = ([one.name, one.value, one.source] for one in view.document.result.started.settings)
    yield from table(("Setting", "Value", "Source"), rows)


def environment(view: ReportView) -> Lines:
    """Yield what the run ran on."""
    yield from table(("Name", "Value"), view.document.result.started.environment.items())
