"""The runbook as its users run it: pytest in a process of its own, its output, its exit code and its reports."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from fixtures.identity import ProcessIdentity
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.polling import wait_until
from tsse_validation.report.model.document import ReportDocument, read_result_json
from tsse_validation.runlog.records import CheckFinished, CheckStatus, Finding, PostsSpent, StackDescribed
from tsse_validation.runlog.result import RunResult
from tsse_validation.verdict import Verdict

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 240.0
"""How long a run may take before a test gives it up; the slowest takes a part of it."""
REPORTS = {"run.jsonl", "result.json", "junit.xml", "ctrf.json", "report.html", "tests.html"}
REPORTS |= {"index.html", "index.json"}  # over all runs, in the directory of reports
LOGS = {"controller.log", "postgres.log", "qdrant.log"}
EXIT_GO, EXIT_NO_GO, EXIT_USAGE, EXIT_INCOMPLETE, EXIT_LEAK = 0, 1, 4, 6, 7
QUICK = ("--max-windows=14", "--max-job-windows=6", "--poll-interval=0.25")
_FOREIGN = ("TSSE_", "CORE_", "PG", "PYTEST_", "GITHUB_")
BLOCKED = frozenset({CheckStatus.BLOCKED})
_RED = {CheckStatus.FAILED, CheckStatus.UNPROVEN}


@dataclass(frozen=True)
class Run:
    """A run that has ended."""

    code: int
    output: str
    report_dir: Path

    @property
    def directory(self) -> Path:
        """The run's folder, the only one in its report directory."""
        (directory,) = (path for path in self.report_dir.iterdir() if path.is_dir())
        return directory

    @property
    def files(self) -> list[Path]:
        """Every file that was written."""
        return sorted(path for path in self.report_dir.rglob("*") if path.is_file())

    @cached_property
    def document(self) -> ReportDocument:
        """What `result.json` holds."""
        return read_result_json(self.directory / "result.json")

    @property
    def result(self) -> RunResult:
        """What the run has seen."""
        return self.document.result

    @property
    def verdict(self) -> Verdict:
        """The decision."""
        return self.document.verdict

    @property
    def posts(self) -> PostsSpent:
        """What it has drawn from the controller's budget."""
        assert self.result.posts is not None
        return self.result.posts

    @property
    def stack(self) -> StackDescribed:
        """What it has validated."""
        assert self.result.stack is not None
        return self.result.stack

    @property
    def reasons(self) -> str:
        """Why, one reason a line."""
        return "\n".join(self.verdict.reasons)

    @property
    def red(self) -> dict[str, CheckFinished]:
        """The checks that failed or could not be brought to their end, by id."""
        return {check.check_id: check for check in self.result.checks if check.status in _RED}

    @property
    def is_go_with_nothing_flagged(self) -> bool:
        """Whether it has ended as a run does when nothing is wrong."""
        went = (self.code, self.verdict.outcome) == (EXIT_GO, Outcome.GO)
        return went and not self.red and not self.findings(flagged=True)

    def status(self, status: CheckStatus) -> set[str]:
        """Return the ids of the checks that ended in one way."""
        return {check.check_id for check in self.result.checks if check.status is status}

    def check(self, check_id: str) -> CheckFinished:
        """Return one check."""
        (check,) = (check for check in self.result.checks if check.check_id == check_id)
        return check

    def findings(self, *, flagged: bool) -> dict[str, Finding]:
        """Return what triage has said, by diagnosis."""
        return {finding.diagnosis: finding for finding in self.result.findings if finding.flagged is flagged}

    def stopped_at(self, check_id: str, *words: str, later: Collection[CheckStatus] = BLOCKED) -> None:
        """Hold that a check has stopped it, told in a sentence with advice, and that nothing was built on it."""
        check = self.check(check_id)
        assert is_a_sentence(check.message), self
        assert check.advice
        for text in words:
            assert text in check.message, self
        after = [other.status for other in self.result.checks if other.step > check.step]
        assert after
        assert set(after) <= set(later)
        assert "Traceback" not in self.output

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.output}"


@dataclass
class StartedRun:
    """A run that goes on."""

    process: subprocess.Popen[bytes]
    log: Path
    report_dir: Path
    secrets: list[str]

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until it has said something."""
        wait_until(lambda: text in self.output or self.process.poll() is not None, seconds=PATIENCE_SECONDS)
        assert text in self.output, self.output

    def wait_for_its_backfill(self) -> None:
        """Wait until its backfill has been seen to move."""
        self.wait_for("\nbackfill: ")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the run's process group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def end(self) -> Run:
        """Wait for its end; no secret may have come out."""
        self.process.wait(PATIENCE_SECONDS)
        run = Run(self.process.returncode, self.output, self.report_dir)
        for secret in self.secrets:
            assert secret not in run.output, "a secret stands in the output"
            for path in run.files:
                assert secret.encode() not in path.read_bytes(), f"a secret stands in {path}"
        return run


@dataclass
class Runbook:
    """Starts runs, each with a report directory of its own below `base`, and ends what is left of them.

    `temporary` is where their stacks are made; `secrets` are looked for in everything that a run writes.
    """

    base: Path
    temporary: Path
    secrets: list[str] = field(default_factory=list)
    _started: list[StartedRun] = field(default_factory=list)

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None) -> Run:
        """Run `python -m pytest` with these arguments to its end."""
        return self.start(*arguments, env=env).end()

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, report_dir: Path | None = None
    ) -> StartedRun:
        """Start `python -m pytest` with these arguments."""
        number = len(self._started) + 1
        directory = report_dir or self.base / f"reports-{number}"
        log = self.base / f"output-{number}.txt"
        with log.open("wb") as stream:
            process = self._process(directory, arguments, env, stream.fileno())
        started = StartedRun(process, log, directory, self.secrets)
        self._started.append(started)
        return started

    def on_a_terminal(self, *arguments: str, env: Mapping[str, str] | None = None) -> Run:
        """Run `python -m pytest` with these arguments to its end, on a terminal of 110 columns."""
        number = len(self._started) + 1
        directory, log = self.base / f"reports-{number}", self.base / f"output-{number}.txt"
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (45, 110))
        process = self._process(directory, arguments, {"TERM": "xterm", **(env or {})}, theirs)
        os.close(theirs)
        started = StartedRun(process, log, directory, self.secrets)
        self._started.append(started)
        with log.open("wb") as stream:
            while chunk := _read(ours):
                stream.write(chunk)
        os.close(ours)
        return started.end()

    def _process(
        self, directory: Path, arguments: Iterable[str], env: Mapping[str, str] | None, output: int
    ) -> "subprocess.Popen[bytes]":
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return subprocess.Popen(
            [
                sys.executable,
                *["-m", "pytest", "-p", "no:cacheprovider"],
                f"--report-dir={directory}",
                *arguments,
            ],
            cwd=REPOSITORY,
            env=inherited
            | {"TMPDIR": str(self.temporary), "XDG_CACHE_HOME": str(self.cache), "PYTHONUNBUFFERED": "1"}
            | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def cache(self) -> Path:
        """Where the runs keep what they must know of each other."""
        return self.base / "cache"

    def close(self) -> None:
        """End the runs that a failed test has left."""
        for started in self._started:
            if started.process.poll() is None:
                started.process.terminate()
                started.process.wait(PATIENCE_SECONDS)

    def stacks(self) -> list[Path]:
        """Return the directories of embedded stacks that are there now."""
        return sorted(self.temporary.glob("tsse-stack-*"))

    def left_behind(self) -> list[Path]:
        """Return whatever the runs have left in the temporary directory."""
        return sorted(self.temporary.iterdir())


def _read(terminal: int) -> bytes:
    """Return what comes out of a terminal next; nothing when its last process has left it, or has said nothing."""
    if not select.select([terminal], [], [], PATIENCE_SECONDS)[0]:
        return b""
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how Linux says that nobody is there any more
        return b""


class Directly(Protocol):
    """Runs the runbook against the lent controller, with all that can be looked at, and `env` beside that."""

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None) -> Run: ...


def service_processes(stack: Path) -> list[ProcessIdentity]:
    """Return the processes of a stack's services, which it has noted in its directory."""
    return [ProcessIdentity.from_json(path.read_text()) for path in sorted((stack / "processes").glob("*.json"))]


def alive(processes: Iterable[ProcessIdentity]) -> list[ProcessIdentity]:
    """Return the processes that do not end within seconds."""
    remembered = list(processes)
    wait_until(lambda: not any(process.alive for process in remembered), seconds=10)
    return [process for process in remembered if process.alive]


def is_a_sentence(text: str) -> bool:
    """Whether a message can be read as it stands: a few words in one line, with a full stop after the last."""
    return len(text.split()) > 3 and text.endswith((".", "?")) and not text.endswith("..") and "\n" not in text


def meddling(directory: Path, source: str) -> dict[str, str]:
    """Write a pytest plugin; return the environment that loads it, as a user's own plugins may be loaded."""
    plugins = directory / "plugins"
    plugins.mkdir()
    (plugins / "meddling.py").write_text(source)
    return {"PYTHONPATH": str(plugins), "PYTEST_PLUGINS": "meddling"}
