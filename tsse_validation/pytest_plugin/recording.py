"""From pytest's outcomes to the run log, from the log to the verdict, the reports and the exit code."""

import errno
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_metadata.plugin import metadata_key

from tsse_validation.domain.catalogue import spec_of
from tsse_validation.domain.errors import (
    BlockedError,
    LeftToSealError,
    LogError,
    NotCheckedError,
    PromiseBrokenError,
    SuiteError,
    TriagedError,
    UnaffordableError,
)
from tsse_validation.domain.instants import utc_now
from tsse_validation.pytest_plugin.ending import RunEnd, crash_of, end_run
from tsse_validation.pytest_plugin.options import RUN
from tsse_validation.pytest_plugin.ordering import check_id, check_key, step_of
from tsse_validation.report.html.html_pages import render_summary
from tsse_validation.report.model.document import REPORT_HTML, TESTS_HTML
from tsse_validation.report.writer import Written
from tsse_validation.runlog.records import CheckFinished, CheckStarted, CheckStatus
from tsse_validation.steps.run import Check, ValidationRun

WRITTEN = pytest.StashKey[Written]()
CHECK = pytest.StashKey[Check]()
ENDED = pytest.StashKey[CheckFinished]()
"""How a check has ended."""
_ENDING = pytest.StashKey["_Ending"]()
_SESSION = pytest.StashKey[pytest.Session]()
_EXIT_CODE = pytest.StashKey[int]()
_CRASH = pytest.StashKey["_CrashWatch"]()
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}

_STATUSES: Mapping[type[SuiteError], CheckStatus] = {
    PromiseBrokenError: CheckStatus.FAILED,
    BlockedError: CheckStatus.BLOCKED,
    NotCheckedError: CheckStatus.NOT_CHECKED,
    SuiteError: CheckStatus.UNPROVEN,
}
"""What an error means for its check; the first kind that fits."""
_FROM_BEST_TO_WORST = (
    CheckStatus.PASSED,
    CheckStatus.WARNED,
    CheckStatus.NOT_CHECKED,
    CheckStatus.BLOCKED,
    CheckStatus.UNPROVEN,
    CheckStatus.FAILED,
)


@dataclass
class _Ending:
    """How a check has ended so far, over its setup, call and teardown: what was worst stands."""

    began: float = field(default_factory=time.monotonic)
    settled: bool = False
    status: CheckStatus = CheckStatus.UNPROVEN
    message: str = "it did not run to its end"
    advice: str = ""
    error: BaseException | None = None

    def settle(
        self, status: CheckStatus, message: str = "", advice: str = "", *, error: BaseException | None = None
    ) -> None:
        if self.settled and _FROM_BEST_TO_WORST.index(status) <= _FROM_BEST_TO_WORST.index(self.status):
            return
        self.settled, self.status, self.message, self.advice = True, status, message, advice
        self.error = error


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Write down that a check begins, and how it has ended."""
    run, step = item.config.stash.get(RUN, None), step_of(item)
    if run is None or step is None:
        return (yield)
    ending = item.stash[_ENDING] = _Ending()
    item.stash[CHECK] = Check(run)
    with _stopping(item.session):
        run.record(CheckStarted(check_id=check_id(item), at=utc_now()))
    try:
        outcome = yield
    except Exception:
        # a plugin has crashed: what the check had found until then stands
        if ending.settled:
            with _stopping(item.session):
                _write_end(run, item, step, ending)
        raise
    with _stopping(item.session):
        _write_end(run, item, step, ending)
    return outcome


@contextmanager
def _stopping(session: pytest.Session) -> Iterator[None]:
    """End the session after this check, when the log takes nothing any more."""
    try:
        yield
    except LogError as error:
        session.shouldstop = str(error)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take the status from the exception, and show one sentence instead of a traceback."""
    report = yield
    run = item.config.stash.get(RUN, None)
    ending = item.stash.get(_ENDING, None)
    if run is None or ending is None:
        return report
    if call.excinfo is None:
        if report.when == "call" and report.passed and not hasattr(report, "wasxfail"):
            warned = bool(item.stash[CHECK].warnings)
            ending.settle(CheckStatus.WARNED if warned else CheckStatus.PASSED)
        elif report.when == "call":
            ending.settle(CheckStatus.UNPROVEN, "an expected failure proves nothing")
        return report
    error = run.checks.explained(check_key(item), call.excinfo.value)
    ending.settle(*_meaning(error, ours=_is_ours(item, call)), error=error)
    if isinstance(error, NotCheckedError):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, run.redactor.redact(f"Skipped: {error}"))
    elif isinstance(error, SuiteError):
        report.longrepr = run.redactor.redact(str(error))
    elif not report.skipped:
        report.longrepr = run.redactor.redact(report.longreprtext)
    report.sections = [(title, run.redactor.redact(text)) for title, text in report.sections]
    return report


def _is_ours(item: pytest.Item, call: pytest.CallInfo[None]) -> bool:
    """Whether an error comes out of the check itself, and not of a plugin around it."""
    frames = call.excinfo.traceback if call.excinfo else ()
    return call.when == "call" and any(Path(str(frame.path)) == item.path for frame in frames)


def _meaning(error: BaseException, *, ours: bool = True) -> tuple[CheckStatus, str, str]:
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status, error.message, error.advice
    if isinstance(error, AssertionError) and ours:
        return CheckStatus.FAILED, str(error).split("\n", 1)[0] or "an assertion does not hold", ""
    if isinstance(error, pytest.skip.Exception):
        return CheckStatus.UNPROVEN, f"skipped: {error}", ""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        where = f": {error.filename}" if error.filename else ""
        return CheckStatus.UNPROVEN, f"{error.strerror}{where}.", "Make room on this machine, then run again."
    if isinstance(error, Warning):
        advice = "Run without -W error: a warning is none of the controller's."
        return CheckStatus.UNPROVEN, f"a warning was made an error: {str(error)[:300]}", advice
    advice = "This is a fault of the suite: please report it with the traceback in the report."
    return CheckStatus.UNPROVEN, f"unexpected {type(error).__name__}: {str(error)[:300]}", advice


def _write_end(run: ValidationRun, item: pytest.Item, step: int, ending: _Ending) -> None:
    check, key = item.stash[CHECK], check_key(item)
    spec, error = spec_of(key), ending.error
    run.checks.add(key, step, ending.status, error)
    item.stash[ENDED] = CheckFinished(
        check_id=check_id(item),
        key=key,
        step=step,
        title=spec.title if spec else key,
        status=ending.status,
        at=utc_now(),
        duration_seconds=round(time.monotonic() - ending.began, 6),
        message=ending.message,
        advice=ending.advice,
        facts=check.facts,
        warnings=tuple(check.warnings),
        for_want_of_posts=isinstance(error, UnaffordableError),
        left_to_seal=isinstance(error, LeftToSealError),
        triaged=isinstance(error, TriagedError),
        diagnoses=error.diagnoses if isinstance(error, TriagedError) else (),
    )
    run.record(item.stash[ENDED])
    run.record_ended_services()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(
    session: pytest.Session, exitstatus: int | pytest.ExitCode
) -> Generator[None, object, object]:
    """End the run: the verdict and the reports, then pytest-html's page, then the scan for secrets."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    ended = _end(session.config, run, exitstatus)
    outcome = None
    try:
        outcome = yield
    except Exception as error:  # noqa: BLE001 - of a plugin, whichever it is: the verdict stands beside it
        ended.met(error)
    ended.say(run, details=session.config.get_verbosity() > 0)
    session.exitstatus = session.config.stash[_EXIT_CODE] = ended.exit_code
    return outcome


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> Generator[None, object, object]:
    """Keep the exit code, whatever plugins do at the very end, and end a run that no session has ended."""
    run = config.stash.get(RUN, None)
    if run is None:
        return (yield)
    ended = None if _EXIT_CODE in config.stash else _end(config, run, pytest.ExitCode.INTERNAL_ERROR)
    outcome, code = None, config.stash.get(_EXIT_CODE, int(pytest.ExitCode.INTERNAL_ERROR))
    try:
        outcome = yield
    except Exception as error:  # noqa: BLE001 - as above
        sys.stderr.write(f"{crash_of(error, run.redactor)}\n")
        code = int(pytest.ExitCode.INTERNAL_ERROR)
    if ended is not None:
        ended.say(run, details=config.get_verbosity() > 0)
    if session := config.stash.get(_SESSION, None):
        session.exitstatus = code
    return outcome


class _CrashWatch:
    """Remembers what has crashed inside of pytest, for the log."""

    def __init__(self, run: ValidationRun) -> None:
        self._run = run
        self.seen = ""

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Take note of it."""
        self.seen = crash_of(excinfo.value, self._run.redactor)


def pytest_configure(config: pytest.Config) -> None:
    """Watch for crashes from here on: the options have begun the run before."""
    run = config.stash.get(RUN, None)
    if run is not None:
        config.stash[_CRASH] = _CrashWatch(run)
        config.pluginmanager.register(config.stash[_CRASH])


def _end(config: pytest.Config, run: ValidationRun, exitstatus: int | pytest.ExitCode) -> RunEnd:
    tests = TESTS_HTML if _tests_page_beside(config, run) else ""
    ended = end_run(run, exitstatus, tests, config.stash[_CRASH].seen if _CRASH in config.stash else "")
    if ended.written is not None:
        config.stash[WRITTEN] = ended.written
    return ended


def _tests_page_beside(config: pytest.Config, run: ValidationRun) -> bool:
    """Whether pytest-html's page is beside our report, not elsewhere by `--html`."""
    path = config.getoption("htmlpath", None)
    return bool(path) and Path(str(path)) == run.directory / TESTS_HTML


def pytest_sessionstart(session: pytest.Session) -> None:
    """Leave pytest-html's own table of the environment empty: the report has one, behind the verdict."""
    if RUN in session.config.stash:
        session.config.stash[_SESSION] = session
        session.config.stash.get(metadata_key, {}).clear()


@pytest.hookimpl(optionalhook=True)
def pytest_html_report_title(report: object) -> None:
    """Name pytest-html's page after what it proves."""
    report.title = "TSSE lake validation"  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_summary(prefix: list[str], session: pytest.Session) -> None:
    """Put our verdict at the top of pytest-html's page, with the way to the report."""
    config = session.config
    written = config.stash.get(WRITTEN, None)
    if written is not None:
        report = REPORT_HTML if _tests_page_beside(config, config.stash[RUN]) else ""
        prefix.append(render_summary(written.document, report))
