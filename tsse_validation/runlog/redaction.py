"""Keeps tokens and passwords out of every log, report and traceback."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

MASK = "[redacted]"
_SHORTEST = 4
_SHORTEST_WORD = 12
_BLOCK_BYTES = 4 * 1024 * 1024


def is_distinctive(secret: str) -> bool:
    """Whether a secret differs from ordinary text; a short word or number, such as `postgres`, does not.

    Masking such a secret would destroy keys and numbers of the log, and a scan would find it in every report. It
    stays out of both only because no code writes secrets.
    """
    plain_word = secret.isalpha() or secret.isdigit()
    return len(secret) >= (_SHORTEST_WORD if plain_word else _SHORTEST)


class Redactor:
    """Masks every known secret, in every spelling in which it could leak.

    A secret that is not distinctive is not masked.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._spellings: set[str] = set()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Mask a secret from now on."""
        if is_distinctive(secret):
            as_json = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
            spellings = {secret, quote(secret, safe=""), unquote(secret)} | as_json
            self._spellings |= {spelling for spelling in spellings if is_distinctive(spelling)}

    def redact(self, text: str) -> str:
        """Return the text with every known secret masked, the longest spelling first."""
        for spelling in sorted(self._spellings, key=len, reverse=True):
            text = text.replace(spelling, MASK)
        return text

    def leaks_in(self, paths: Iterable[Path]) -> Iterator[Path]:
        """Yield the files that hold a known secret."""
        needles = [spelling.encode() for spelling in self._spellings]
        yield from (path for path in paths if needles and _holds_any(path, needles))


def _holds_any(path: Path, needles: Sequence[bytes]) -> bool:
    """Whether a file holds one of some texts; it may be larger than memory."""
    overlap = max(map(len, needles)) - 1
    with path.open("rb") as stream:
        end = b""
        while block := stream.read(_BLOCK_BYTES):
            content = end + block
            if any(needle in content for needle in needles):
                return True
            end = content[len(content) - overlap :]
    return False
