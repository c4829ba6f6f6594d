"""Runs one of the runbook's helpers as a process: without a shell, with a bare environment, in bounded time."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

from pydantic import SecretStr

from tsse_validation.clients.helper_calls import HelperCall, hold_call
from tsse_validation.clients.helper_output import HelperEnd
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.polling import poll
from tsse_validation.settings.helper_form import helper_words, is_command_line

MOST_OUTPUT_BYTES = 64 * 1024 * 1024
"""What a helper prints beyond this is not kept; an inspection of a thousand dates stays far below."""
_KEPT = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("CARGO_HOME", "CARGO_TARGET_DIR", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"),
)
"""What a helper gets of our environment: enough to be built and run, and no variable that may hold a secret."""
_LOOK_SECONDS = 0.1
_TERM_SECONDS = 5.0
_READ_SECONDS = 2.0
_START_SECONDS, _BUILD_SECONDS = 15.0, 900.0


class HelperMissingError(NotCheckedError):
    """A helper was never started: it is not there, or is no program. Nothing was sent to the controller."""


@dataclass(frozen=True)
class Helpers:
    """How the helpers are run: `form` is what `--helpers` gives."""

    form: str

    @property
    def start_seconds(self) -> float:
        """How long a helper may take until it works: a command line may build it first."""
        return _BUILD_SECONDS if is_command_line(self.form) else _START_SECONDS

    def command(self, call: HelperCall) -> tuple[str, ...]:
        """Return the words of a helper's command."""
        return (*helper_words(self.form, call.helper), *call.arguments)

    @contextmanager
    def started(self, call: HelperCall) -> Iterator["HelperProcess"]:
        """Start a helper, and end it with the block, whatever happens.

        Raises HelperMissingError when it is not there or is no program; NotAllowedError when its command is none
        of the runbook's. It was not started then.
        """
        hold_call(call)
        with _process(self.command(call), call.helper) as process:
            running = HelperProcess(process)
            try:
                yield running
            finally:
                running.end()


class HelperProcess:
    """A helper that runs; its output is read as it comes. Times are in seconds."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._began = time.monotonic()
        self._exit_code: int | None = None
        self._took: float | None = None
        self._out, self._err = bytearray(), bytearray()
        self._readers = [
            Thread(target=_read, args=pair, daemon=True)
            for pair in ((process.stdout, self._out), (process.stderr, self._err))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return self._out.decode("utf-8", "replace")

    def wait(self, seconds: float, until: Callable[[], object] = lambda: False) -> None:
        """Wait until it has ended, or until something else is so, for `seconds` at the most."""
        poll(lambda: self._ended() or until(), bool, timeout=seconds, pause=_LOOK_SECONDS)
        if self._ended():
            self._read_all()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended()

    def end(self) -> HelperEnd:
        """Return how it has ended; one that runs still is ended, with all that it has started."""
        if not self._ended():
            self._took = time.monotonic() - self._began
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_TERM_SECONDS)
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._read_all()
        took = self._took if self._took is not None else time.monotonic() - self._began
        return HelperEnd(self._exit_code, self.stdout, self._err.decode("utf-8", "replace"), took)

    def _ended(self) -> bool:
        if self._took is None and (code := self._process.poll()) is not None:
            self._exit_code, self._took = code, time.monotonic() - self._began
        return self._took is not None

    def _read_all(self) -> None:
        for reader in self._readers:
            reader.join(_READ_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the whole group has ended
            os.killpg(self._process.pid, number)


@contextmanager
def token_file(given: Path | None, token: SecretStr) -> Iterator[Path]:
    """Lend the file that holds the token: the one that was given, or a private one that is gone afterwards."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="tsse-helper-") as name:
        path = Path(name) / "token.txt"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"{token.get_secret_value()}\n")
        yield path


@contextmanager
def _process(command: Sequence[str], helper: str) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = subprocess.Popen(
            command,
            env=_bare_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        msg = f"{helper} cannot be run: {command[0]}: {error.strerror}."
        raise HelperMissingError(msg, "Build the helpers, or name by --helpers where they are.") from None
    with process:
        yield process


def _bare_environment(ours: Mapping[str, str]) -> dict[str, str]:
    return {name: ours[name] for name in _KEPT if name in ours}


def _read(stream: IO[bytes], into: bytearray) -> None:
    with suppress(ValueError, OSError):  # it was closed under us, by the end of the process
        while block := os.read(stream.fileno(), 65_536):
            if len(into) < MOST_OUTPUT_BYTES:
                into += block
