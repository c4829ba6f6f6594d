"""The console that a run prints on beside pytest's own terminal."""

import errno
import os

from rich.console import Console


class RunConsole(Console):
    """A console whose reader may go: rich would end the process then, with the code of a NO-GO."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
