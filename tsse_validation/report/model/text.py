r"""Makes foreign text safe to show: sensor ids, messages and names are never trusted. Also cuts long lists.

Characters that are invisible, or that change how others look, become escapes such as ``\u202e``: control
characters (an ESC would command a terminal), overrides of the reading direction (a name that reads backwards
deceives), lone surrogates (no file can hold them) and noncharacters (no XML file may).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tsse_validation.domain.phrasing import count_of, number

T_co = TypeVar("T_co", covariant=True)
ID_LIMIT = 64
LINE_LIMIT = 500
BLOCK_LIMIT = 4_000
CONSOLE_LIMIT = 2_000
_NARROWEST = 12

_UNSEEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and line feed
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # direction, zero width
    "\u2028\u2029"  # line and paragraph separators: a line of a report is one line
    "\ud800-\udfff\ufdd0-\ufdef\ufff9-\uffff"  # surrogates, noncharacters, annotation marks
    "]"
)


def visible(text: str) -> str:
    """Return the text with every invisible or deceptive character escaped."""
    return _UNSEEN.sub(_escape, text)


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Return the text in one visible line, without its middle if it is longer than the limit."""
    return shorten(" ".join(visible(text).split()), limit)


def beginning(text: str, limit: int = CONSOLE_LIMIT, rest: str = "the rest is in the report") -> str:
    """Return the text in one visible line; where it is longer, `rest` says in place of its end where that is."""
    line = " ".join(visible(text[: 8 * limit]).split())
    if len(line) <= limit:
        return line
    return f"{line[:limit].rpartition(' ')[0] or line[:limit]} … ({rest})"


def block(text: str, limit: int = BLOCK_LIMIT) -> str:
    """Return the text visible and in its own lines, without its middle if it is longer than the limit."""
    return shorten(visible(text).strip(), limit)


def ident(text: str, limit: int = ID_LIMIT) -> str:
    """Return an id as it is shown: visible, short, with its spaces, and never empty."""
    return shorten(visible(text).replace("\n", r"\n").replace("\t", r"\t"), limit) or "(empty)"


def shorten(text: str, limit: int) -> str:
    """Replace the middle of a text that is too long by the number of characters cut; the ends identify it."""
    if len(text) <= limit:
        return text
    longest_mark = f"…[{len(text):,} cut]…"
    kept = max(limit - len(longest_mark), _NARROWEST)
    gone = len(text) - kept
    head = (kept + 1) // 2
    return f"{text[:head]}…[{gone:,} cut]…{text[len(text) - kept // 2 :]}"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


@dataclass(frozen=True)
class Capped(Generic[T_co]):
    """The first items of a list, and its true length."""

    items: tuple[T_co, ...]
    total: int

    @property
    def hidden(self) -> int:
        """The number of items that are not shown."""
        return self.total - len(self.items)

    def counted(self, one: str) -> str:
        """Return the true length in words and, if the list was cut, the number of items shown."""
        whole = count_of(self.total, one)
        return f"{whole}, the first {number(len(self.items))} shown" if self.hidden else whole


def capped(items: Iterable[T_co], limit: int, total: int = 0) -> Capped[T_co]:
    """Cut a list; `total` is its true length if the record had already cut it."""
    whole = tuple(items)
    return Capped(whole[:limit], max(len(whole), total))
