"""A soak in Markdown."""

from tsse_validation.domain.phrasing import duration, number
from tsse_validation.report.markdown.markup import Lines, bullet, code, escaped, hidden, table
from tsse_validation.report.model import words
from tsse_validation.report.model.soak import Happening, SliceLine, SoakReport


def soak_section(soak: SoakReport) -> Lines:
    """Yield what the soak rests on, its numbers, and what happened."""
    yield from (bullet(escaped(said)) for said in soak.rests_on)
    yield ""
    yield from table(("Number", "Value"), soak.facts)
    if soak.slices:
        yield ""
        headings = ("Rows compared", "Slices", "Rows", "Differing", "Took")
        yield from table(headings, map(_slice, soak.slices), align=("", *"rrrr"))
    yield ""
    if not soak.happenings.total:
        yield "No breach, no gap, and no event."
        return
    yield from table(("From", "What", "Lasted", "Said"), map(_happening, soak.happenings.items))
    yield from hidden(soak.happenings, "thing")


def _slice(line: SliceLine) -> list[str]:
    return [line.how, *map(number, (line.slices, line.rows, line.differing)), duration(line.seconds)]


def _happening(one: Happening) -> list[str]:
    return [code(words.moment(one.start)), one.what, one.lasted, one.said]
