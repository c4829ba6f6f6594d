"""The failure scenarios in Markdown."""

from tsse_validation.domain.phrasing import number
from tsse_validation.report.markdown.markup import Lines, bullet, code, escaped, table
from tsse_validation.report.model.failure_lines import FailureLine, FailuresReport


def failures_section(failures: FailuresReport) -> Lines:
    """Yield how many scenarios came to what, and a line for each, the worst first."""
    yield escaped(f"{failures.in_short}. Each was tried on a small stack of this run's own.")
    yield ""
    headings = ("Scenario", "What happened", "Outcome", "Struck", "Recovered in", "Rows due", "Differing", "Found")
    yield from table(headings, map(_row, failures.lines), align=("", "", "", "", *"rrr", ""))
    yield ""
    yield from (bullet(f"Again: {code(line.command)}") for line in failures.lost or failures.lines[:1])


def _row(line: FailureLine) -> list[str]:
    tried = line.tried
    rows = [number(tried.rows), number(tried.differing)]
    return [tried.scenario, tried.title, line.outcome, line.struck, line.took, *rows, line.found]
