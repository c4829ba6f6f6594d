"""Seals in Markdown."""

from collections.abc import Iterable

from tsse_validation.report.markdown.markup import Lines, code, escaped, table
from tsse_validation.report.model import words
from tsse_validation.report.model.seal_lines import SealLines


def seal_section(seals: Iterable[SealLines]) -> Lines:
    """Yield whose each seal is, what it holds, and on which earlier ones it rests."""
    for seal in seals:
        yield from (f"### {seal.title}", "")
        yield from table(("Seal", "Says"), ((name, escaped(value)) for name, value in seal.facts))
        yield ""
        if seal.rests_on:
            headings = ("Rests on the seal", "Read", "Days", "Files")
            rows = ((code(sha256), read, days, files) for sha256, read, days, files in seal.rests_on)
            yield from table(headings, rows, align=("", "", "", "r"))
            yield ""
    yield words.NO_SIGNATURE
