"""The end of a run, whatever fails: the log is closed, the verdict decided and written, the exit code found."""

import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tsse_validation.domain.errors import LogError
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.outcome import EXIT_CODES, EXIT_LEAK, Outcome
from tsse_validation.pytest_plugin.run_console import RunConsole
from tsse_validation.report.earlier import last_run_of
from tsse_validation.report.markdown.step_summary import render_step_summary
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.report.run_index import index_after_run
from tsse_validation.report.terminal import print_summary
from tsse_validation.report.writer import Written, append_step_summary, write_reports
from tsse_validation.runlog.records import PostsSpent, RunFinished
from tsse_validation.runlog.redaction import Redactor
from tsse_validation.runlog.result import RunResult
from tsse_validation.steps.run import ValidationRun, sessions_used

_LOG_WIDTH = 120
_PYTESTS_OWN = {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}


@dataclass
class RunEnd:
    """How a run has ended: its exit code, the document with the verdict where there is one, what was written.

    `lines` are sentences on what went wrong at the end.
    """

    exit_code: int
    document: ReportDocument | None = None
    written: Written | None = None
    lines: list[str] = field(default_factory=list)

    def met(self, error: Exception) -> None:
        """Take note of a plugin that has crashed at the session's end: what was written before stands."""
        if isinstance(error, OSError):
            where = f" {error.filename}" if error.filename else ""
            self.lines.append(f"A page of pytest's{where} could not be written: {error.strerror}.")
            return
        self.lines.append(crash_of(error, Redactor()))
        self.exit_code = int(pytest.ExitCode.INTERNAL_ERROR)

    def say(self, run: ValidationRun, *, details: bool) -> None:
        """Print the verdict and what else there is to say; a file with a secret in it is deleted, and said."""
        # a log has no width: one line there for each two of a narrow terminal
        console = RunConsole(width=None if sys.stdout.isatty() else _LOG_WIDTH)
        with suppress(OSError):  # where the output itself goes to a full disk, the exit code still speaks
            self._print(run, console, details=details)
        with suppress(OSError):
            self._index(run, console)

    def _print(self, run: ValidationRun, console: RunConsole, *, details: bool) -> None:
        if self.document is not None and (self.written or self.document.verdict.outcome is not Outcome.GO):
            report = self.written.html if self.written else None
            print_summary(console, self.document, report, details=details)
        for line in self.lines:
            console.print(run.redactor.redact(line), markup=False, highlight=False)
        leaks = list(run.redactor.leaks_in(path for path in run.directory.rglob("*") if path.is_file()))
        for path in leaks:
            self.exit_code = EXIT_LEAK
            path.unlink()
            console.print(f"A known secret stood in {path}: the file was deleted, and the run counts as failed.")
        if self.written and not leaks and run.settings.step_summary is not None:
            said = _step_summary(run, self.written, run.settings.step_summary)
            console.print(said, markup=False, highlight=False)

    def _index(self, run: ValidationRun, console: RunConsole) -> None:
        """Write the page over the runs, and say where that could not be done: it never changes a verdict."""
        if self.written and self.exit_code != EXIT_LEAK and (failed := index_after_run(run.directory.parent)):
            console.print(run.redactor.redact(failed), markup=False, highlight=False)


def end_run(run: ValidationRun, exitstatus: int | pytest.ExitCode, tests: str, crash: str) -> RunEnd:
    """Close the log, decide, and write the reports as far as that is possible.

    `tests` is the address of pytest's own page, `crash` what pytest has met inside.
    """
    _finish_log(run, exitstatus, crash)
    ended = RunEnd(EXIT_CODES[Outcome.INCOMPLETE])
    if run.log.failure:
        ended.lines.append(f"{run.log.failure} What was proven until then stands in it, and nothing else counts.")
    try:
        result = RunResult.from_log(run.log.path)
        ended.document = ReportDocument.of(result)
        ended.written = write_reports(run.directory, result, tests)
    except (OSError, ValueError) as error:
        what = "The reports" if ended.document else f"The run log {run.log.path}"
        ended.lines.append(
            f"{what} could not be {'written' if ended.document else 'read back'}: {_reason(error)}. "
            "Without them a run is no GO: make room, or give another --report-dir, and run again."
        )
    verdict = ended.document.verdict.outcome if ended.document else Outcome.INCOMPLETE
    if ended.written or verdict is Outcome.NO_GO:
        ended.exit_code = EXIT_CODES[verdict]
    if exitstatus in _PYTESTS_OWN:
        ended.exit_code = int(exitstatus)
    return ended


def crash_of(error: BaseException, redactor: Redactor) -> str:
    """Say in a sentence what has crashed, and in which file."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    said = " ".join(str(error).split())[:200]
    return redactor.redact(f"pytest or one of its plugins has crashed: {type(error).__name__}: {said}{where}.")


def _finish_log(run: ValidationRun, exitstatus: int | pytest.ExitCode, crash: str) -> None:
    budget = run.budget
    spent = PostsSpent(
        spent=budget.spent,
        refused=budget.refused,
        waited_seconds=round(budget.waited_seconds, 3),
        by_purpose=budget.by_purpose,
    )
    try:
        if run.differences.unwritten:  # of a comparison that was broken off
            run.record(run.differences.write())
        _measure_against_the_last_run(run)
        run.record(spent)
        if run.sessions.transactions:
            run.record(sessions_used(run.sessions))
        run.record(_finished(exitstatus, crash))
    except LogError:
        pass  # which is said at the end
    finally:
        run.differences.close()
        run.log.close()


def _measure_against_the_last_run(run: ValidationRun) -> None:
    """Write down what the last run of this controller compared: a smaller one must not look like the rest."""
    if run.stack is None or run.stack.owned:
        return
    earlier = last_run_of(run.stack.base_url, run.directory.parent, run.directory.name)
    if earlier is not None:
        run.record(earlier)


def _finished(exitstatus: int | pytest.ExitCode, crash: str) -> RunFinished:
    if exitstatus == pytest.ExitCode.INTERNAL_ERROR:
        message = crash or "pytest met an internal error"
        return RunFinished(at=utc_now(), reason="internal_error", message=message)
    if exitstatus == pytest.ExitCode.INTERRUPTED:
        return RunFinished(at=utc_now(), reason="interrupted", message="it was stopped before its end")
    return RunFinished(at=utc_now(), reason="completed")


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error).split("\n", 1)[0]


def _step_summary(run: ValidationRun, written: Written, path: Path) -> str:
    """Add the run to a CI's step summary, and say so; a failure here leaves the verdict as it is."""

    def content(room: int) -> str:
        return run.redactor.redact(render_step_summary(written.document, room))

    try:
        had_room = append_step_summary(path, content)
    except OSError as error:
        return f"The step summary {path} could not be written: {error.strerror}."
    return f"Step summary: {path}" if had_room else f"The step summary {path} is full: nothing was added."
