"""A real Dask scheduler and workers, each a process of its own, on this machine."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tsse_validation.domain.polling import wait_until

ROOT = Path(__file__).parents[2]
_PATIENCE = 60
_ADDRESS = re.compile(r"Scheduler at:\s+(\S+)")
_LISTENING = re.compile(r"Listening to:\s+(\S+)")
_REGISTERED = re.compile(r"Registered to:\s")


class DaskCluster:
    """A scheduler on a port of its own; `address` is where it listens. Workers have one thread and no nanny.

    With `tls`, Dask's configuration by its environment, all of them speak it and nothing else.
    """

    def __init__(self, directory: Path, tls: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        directory.mkdir(exist_ok=True)
        self._tls = tls or {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = ""

    def start(self) -> None:
        spoken = ["--protocol", "tls"] if self._tls else []
        words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", *spoken]
        log = self._begin("scheduler", "dask_scheduler", words)
        self.address = self._said(log, _ADDRESS)[1]

    def add_worker(
        self,
        name: str,
        *,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        more: Sequence[str] = ("--no-nanny",),
    ) -> None:
        """Start a worker, and wait until the scheduler has it; `before` is put in front of its command."""
        arguments = [self.address, "--name", name, "--nthreads", "1", "--no-dashboard", *more]
        log = self._begin(name, "dask_worker", arguments, environment or {}, before)
        self._said(log, _REGISTERED)

    def home(self, name: str) -> Path:
        """Return the directory that a worker runs in."""
        return self._directory / name

    def address_of(self, name: str) -> str:
        """Return where a worker listens."""
        return self._said(self.home(name) / "log", _LISTENING)[1]

    def end(self, name: str, by: signal.Signals = signal.SIGTERM) -> None:
        process = self._processes.pop(name)
        process.send_signal(by)
        process.wait(_PATIENCE)

    def end_all(self) -> None:
        for name in reversed(self._processes):
            self._processes[name].kill()
        for process in self._processes.values():
            process.wait(_PATIENCE)

    def _begin(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> Path:
        home = self._directory / name
        home.mkdir(mode=0o777, exist_ok=True)
        home.chmod(0o777)
        log = home / "log"
        command = [*before, sys.executable, "-m", f"distributed.cli.{module}", *arguments]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("DASK_", "TSSE_"))}
        env = {**inherited, "PYTHONPATH": str(ROOT), "DASK_TEMPORARY_DIRECTORY": str(home), **self._tls}
        env |= environment or {}
        with log.open("wb") as stream:
            self._processes[name] = subprocess.Popen(command, stdout=stream, stderr=stream, env=env, cwd=home)
        return log

    def _said(self, log: Path, pattern: re.Pattern[str]) -> re.Match[str]:
        assert wait_until(lambda: pattern.search(log.read_text()) is not None, seconds=_PATIENCE), log.read_text()
        found = pattern.search(log.read_text())
        assert found is not None
        return found


@contextmanager
def dask_cluster(directory: Path, *workers: str, tls: Mapping[str, str] | None = None) -> Iterator[DaskCluster]:
    """Start a scheduler and workers by name; end them all."""
    cluster = DaskCluster(directory, tls)
    try:
        cluster.start()
        for name in workers:
            cluster.add_worker(name)
        yield cluster
    finally:
        cluster.end_all()
