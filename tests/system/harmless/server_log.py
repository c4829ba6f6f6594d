"""What a PostgreSQL server was told, by whom, from its own log with `log_statement = all`."""

import re
from dataclasses import dataclass
from pathlib import Path

SETTINGS = {
    "log_statement": "all",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_error_verbosity": "terse",
    "log_line_prefix": "\u241e%p|%a|%u| ",
}
"""The record separator before each line tells it from the following lines of a statement."""
_LINE = re.compile(r"(\d+)\|([^|]*)\|([^|]*)\| (\w+):  (.*)", re.DOTALL)
_STATEMENT = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)


@dataclass(frozen=True)
class Line:
    """One entry: the server process that wrote it, for which application and user; `statement` if it is one."""

    pid: int
    application: str
    user: str
    level: str
    text: str

    @property
    def statement(self) -> str:
        """The statement that the entry tells, or nothing."""
        found = _STATEMENT.fullmatch(self.text)
        return " ".join(found[1].split()) if found and self.level == "LOG" else ""


def read_log(path: Path, start: int = 0) -> list[Line]:
    """Return a log's entries from a byte on."""
    entries = path.read_bytes()[start:].decode("utf-8", "replace").split("\u241e")[1:]
    matches = [_LINE.fullmatch(entry.rstrip("\n")) for entry in entries]
    return [Line(int(found[1]), found[2], found[3], found[4], found[5]) for found in matches if found]
