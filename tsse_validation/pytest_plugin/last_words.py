"""How a run ends that cannot end as it should: a second Ctrl-C, or an output that takes no more words.

Python's own exit code for an error is 1, and 1 says NO-GO: nothing that merely ends a run may end with it.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tsse_validation.pytest_plugin.options import RUN
from tsse_validation.verdict import EXIT_CODES, Outcome

if TYPE_CHECKING:
    from types import FrameType, TracebackType


def pytest_configure(config: pytest.Config) -> None:
    """From here on an error that pytest itself does not survive has a code of ours."""
    if RUN in config.stash:
        sys.excepthook = _last_words


def pytest_keyboard_interrupt(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Let another Ctrl-C cut the ending short: the first has made the run INCOMPLETE already."""
    if isinstance(excinfo.value, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _cut_short)


def _cut_short(_number: int, _frame: "FrameType | None") -> None:
    _end(
        "Interrupted again: the ending was cut short, and the run is INCOMPLETE. What was proven until then is in "
        "run.jsonl (--resume takes it over). The next run ends and removes what is left of a stack of our own.",
        EXIT_CODES[Outcome.INCOMPLETE],
    )


def _last_words(kind: type[BaseException], error: BaseException, trace: "TracebackType | None") -> None:
    """Say what nobody has dealt with, and end as what it is: no verdict, and never a NO-GO."""
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        code = EXIT_CODES[Outcome.INCOMPLETE]
        _end(f"The run could not go on:{where} {error.strerror}. Without its output it is INCOMPLETE.", code)
    with suppress(OSError):
        sys.__excepthook__(kind, error, trace)
    _end("pytest or one of its plugins has crashed.", int(pytest.ExitCode.INTERNAL_ERROR))


def _end(words: str, code: int) -> None:
    """End the process at once: its services end with it."""
    with suppress(OSError, ValueError):
        os.write(2, f"\n{words}\n".encode())
    os._exit(code)
