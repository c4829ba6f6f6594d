"""How a run ends that cannot end as it should: a second Ctrl-C, or an output that takes no more words.

Python's own exit code for an error is 1, and 1 says NO-GO: nothing that merely ends a run may end with it. pytest
ends with 1, too, where the reader of a pipe has gone.
"""

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import pytest

from tsse_validation.domain.outcome import EXIT_CODES, Outcome
from tsse_validation.pytest_plugin.options import RUN

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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> Generator[None, object, object]:
    """End by a code of ours where the output was wanted and its reader has gone."""
    try:
        return (yield)
    finally:
        if RUN in config.stash and (_began_with_a_broken_pipe(sys.exc_info()[1]) or not _is_read(config)):
            _end(
                "The reader of the run's output has gone. Without its output it is INCOMPLETE; what was written "
                "into its folder until then is there.",
                EXIT_CODES[Outcome.INCOMPLETE],
            )


def _began_with_a_broken_pipe(error: BaseException | None) -> bool:
    """Whether this error ends pytest, or one that it came up behind: what is written then fails as well."""
    while error is not None and not isinstance(error, BrokenPipeError):
        error = error.__context__
    return error is not None


def _is_read(config: pytest.Config) -> bool:
    capture = config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            sys.stdout.flush()
    except BrokenPipeError:
        return False
    return True


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
