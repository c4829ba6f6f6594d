r"""Makes text that others wrote harmless to look at: sensor ids, messages and names are never trusted.

What cannot be seen, or would change how its surroundings are seen, is written as an escape such as ``\u202e``:
control characters (an ESC would command a terminal), overrides of the reading direction (a name that reads
backwards deceives), lone surrogates (no file can hold them) and noncharacters (no XML file may).
"""

import re

ID_LIMIT = 64
LINE_LIMIT = 500
BLOCK_LIMIT = 4_000
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
    """Return the text with everything that hides or deceives written as an escape."""
    return _UNSEEN.sub(_escape, text)


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Return the text in one visible line, its middle cut out when it is longer than the limit."""
    return shorten(" ".join(visible(text).split()), limit)


def block(text: str, limit: int = BLOCK_LIMIT) -> str:
    """Return the text visible and with its lines kept, its middle cut out when it is longer than the limit."""
    return shorten(visible(text).strip(), limit)


def ident(text: str, limit: int = ID_LIMIT) -> str:
    """Return an id as it is shown: visible, short, spaces kept, never an empty place in a table."""
    return shorten(visible(text).replace("\n", r"\n").replace("\t", r"\t"), limit) or "(empty)"


def shorten(text: str, limit: int) -> str:
    """Cut the middle out of a text that is too long, and say how much is gone: the two ends tell it apart."""
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
