"""Markdown that shows any text as text: escaping, code spans, bullets and tables.

Characters that could begin HTML, end a table's cell or begin a code span become numeric entities, which every
renderer decodes and none takes for markup. A backslash escapes the rest of Markdown's punctuation.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tsse_validation.report.model import text, words
from tsse_validation.report.model.actions import Action
from tsse_validation.report.model.text import Capped

Lines = Iterator[str]
"""A section of a report, line by line."""

_ENTITIES = str.maketrans({char: f"&#{ord(char)};" for char in "&<>|`"})
_PUNCTUATION = re.compile(r"([\\*\[\]~$#])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINE_START = re.compile(r"^([-+=])|^(\d{1,9})([.)])(?=\s|$)")
_PLAIN_CODE = re.compile(r"[^&<>|`\\\s](?:[^&<>|`\\\n]*[^&<>|`\\\s])?")
FENCE = "```"
"""What a block of code begins and ends with, at the least."""
_RULES: Mapping[str, str] = {"": "---", "r": "---:", "c": ":---:"}


class Cell(str):
    """Text that is already Markdown; a table escapes any other text."""

    __slots__ = ()


def escaped(value: str, limit: int = text.LINE_LIMIT) -> Cell:
    """Return a text as one line of Markdown that shows it."""
    line = text.one_line(value, limit)
    line = _PUNCTUATION.sub(r"\\\g<0>", line)
    line = _LINE_START.sub(_quoted_start, line)
    return Cell(line.translate(_ENTITIES))


def code(value: str, limit: int = text.ID_LIMIT) -> Cell:
    """Return a text as a code span, or escaped if a code span in a table cannot hold it."""
    shown = text.ident(value, limit)
    return Cell(f"`{shown}`") if _PLAIN_CODE.fullmatch(shown) else escaped(shown)


def bullet(markdown: str, depth: int = 0) -> str:
    """Return a line of a list."""
    return f"{'  ' * depth}- {markdown}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], align: Sequence[str] = ()) -> Iterator[str]:
    """Yield a table's lines, or `None.` if it has no rows."""
    body = [_row(row) for row in rows]
    if not body:
        yield "None."
        return
    yield _row([Cell(heading) for heading in headings])
    yield _row([Cell(_RULES[side]) for side in align or [""] * len(headings)])
    yield from body


def numbered(actions: Sequence[Action]) -> Lines:
    """Yield what to do, each command in a block to copy."""
    if not actions:
        yield words.NOTHING_TO_DO
    for number, action in enumerate(actions, 1):
        yield f"{number}. {escaped(action.sentence, text.BLOCK_LIMIT)}"
        if action.command:
            yield ""
            yield from fenced(action.command, "sh", indent="   ")
            yield ""


def section(title: str, lines: Lines, mark: str = "##") -> Lines:
    """Yield a section with its heading."""
    yield f"{mark} {title}"
    yield ""
    yield from lines


def fenced(code_of: str, language: str, indent: str = "") -> Lines:
    """Yield text of one or more lines as a block to copy, which shows every character as it is."""
    longest = max(map(len, re.findall(f"{FENCE}+", code_of)), default=0)
    fence = FENCE + "`" * max(0, longest - len(FENCE) + 1)
    yield f"{indent}{fence}{language}"
    yield from (f"{indent}{line}" for line in code_of.split("\n"))
    yield f"{indent}{fence}"


def hidden(items: Capped[object], one: str) -> Lines:
    """Yield the true length of a list that was cut."""
    if items.hidden:
        yield ""
        yield f"{items.counted(one)}; all that were recorded are in `result.json`."


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell if isinstance(cell, Cell) else escaped(cell) for cell in cells)} |"


def _quoted_start(match: re.Match[str]) -> str:
    return f"\\{match[1]}" if match[1] else f"{match[2]}\\{match[3]}"
