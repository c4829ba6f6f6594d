"""Cuts the controller off in the middle of its work, at a change of a file that the test chooses."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "shutil.rmtree"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class PowerCutError(BaseException):
    """The process is dead: nothing that it would still do to a file happens."""


class Power:
    """Watches every change of a file below a directory, of whatever library, by Python's own audit events.

    Cut off, not even an error handler gets to a file any more: what lies there is what a killed process leaves.
    """

    def __init__(self) -> None:
        self._root: str | None = None
        self._left = 0
        sys.addaudithook(self._heard)

    @contextmanager
    def cut_after(self, changes: int, root: Path) -> Iterator[None]:
        """Let so many changes below `root` happen, and no more; with enough left, nothing is cut off."""
        self._root, self._left = str(root), changes
        try:
            yield
        finally:
            self._root = None

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._root is None or not _is_change(event, arguments):
            return
        path = arguments[0]
        if isinstance(path, str | Path) and str(path).startswith(self._root):
            if self._left <= 0:
                raise PowerCutError
            self._left -= 1


def _is_change(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and bool(flags & _WRITING)
    return event in _CHANGES


POWER = Power()
"""One for the process: an audit hook cannot be taken away again."""
