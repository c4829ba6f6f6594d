"""From pytest's outcomes to the run log, from the log to the verdict, the reports and the exit code."""

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_metadata.plugin import metadata_key
from rich.console import Console

from tsse_validation.domain.catalogue import spec_of
from tsse_validation.domain.errors import (
    BlockedError,
    NotCheckedError,
    PromiseBrokenError,
    SuiteError,
    UnaffordableError,
)
from tsse_validation.domain.instants import utc_now
from tsse_validation.pytest_plugin.options import RUN
from tsse_validation.pytest_plugin.ordering import check_id, check_key, step_of
from tsse_validation.report.earlier import last_run_of
from tsse_validation.report.html.html_pages import render_summary
from tsse_validation.report.markdown.step_summary import render_step_summary
from tsse_validation.report.model.document import REPORT_HTML, TESTS_HTML
from tsse_validation.report.terminal import print_summary
from tsse_validation.report.writer import Written, append_step_summary, write_reports
from tsse_validation.runlog.records import CheckFinished, CheckStarted, CheckStatus, PostsSpent, RunFinished
from tsse_validation.runlog.result import RunResult
from tsse_validation.steps.run import Check, ValidationRun, sessions_used
from tsse_validation.verdict import EXIT_LEAK

WRITTEN = pytest.StashKey[Written]()
CHECK = pytest.StashKey[Check]()
_ENDING = pytest.StashKey["_Ending"]()

_STATUSES: Mapping[type[SuiteError], CheckStatus] = {
    PromiseBrokenError: CheckStatus.FAILED,
    BlockedError: CheckStatus.BLOCKED,
    NotCheckedError: CheckStatus.NOT_CHECKED,
    SuiteError: CheckStatus.UNPROVEN,
}
"""What an error means for its check; the first kind that fits."""
_INTERRUPTED = {pytest.ExitCode.INTERRUPTED}
_OWN_EXIT_CODES = {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}


@dataclass
class _Ending:
    """How a check has ended so far, over its setup, call and teardown."""

    began: float = field(default_factory=time.monotonic)
    status: CheckStatus = CheckStatus.UNPROVEN
    message: str = "it did not run to its end"
    advice: str = ""
    for_want_of_posts: bool = False

    def settle(self, status: CheckStatus, message: str = "", advice: str = "") -> None:
        self.status, self.message, self.advice = status, message, advice


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Write down that a check begins, and how it has ended."""
    run, step = item.config.stash.get(RUN, None), step_of(item)
    if run is None or step is None:
        return (yield)
    ending = item.stash[_ENDING] = _Ending()
    item.stash[CHECK] = Check(run)
    run.record(CheckStarted(check_id=check_id(item), at=utc_now()))
    outcome = yield
    _write_end(run, item, step.number, ending)
    return outcome


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
    error = call.excinfo.value
    ending.settle(*_meaning(error))
    ending.for_want_of_posts = isinstance(error, UnaffordableError)
    if isinstance(error, NotCheckedError):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, run.redactor.redact(f"Skipped: {error}"))
    elif isinstance(error, SuiteError):
        report.longrepr = run.redactor.redact(str(error))
    elif not report.skipped:
        report.longrepr = run.redactor.redact(report.longreprtext)
    report.sections = [(title, run.redactor.redact(text)) for title, text in report.sections]
    return report


def _meaning(error: BaseException) -> tuple[CheckStatus, str, str]:
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status, error.message, error.advice
    if isinstance(error, AssertionError):
        return CheckStatus.FAILED, str(error).split("\n", 1)[0] or "an assertion does not hold", ""
    if isinstance(error, pytest.skip.Exception):
        return CheckStatus.UNPROVEN, f"skipped: {error}", ""
    advice = "This is a fault of the suite: please report it with the traceback in the report."
    return CheckStatus.UNPROVEN, f"unexpected {type(error).__name__}: {str(error)[:300]}", advice


def _write_end(run: ValidationRun, item: pytest.Item, step: int, ending: _Ending) -> None:
    check, key = item.stash[CHECK], check_key(item)
    spec = spec_of(key)
    run.steps.add(step, ending.status)
    run.record(
        CheckFinished(
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
            for_want_of_posts=ending.for_want_of_posts,
        )
    )
    run.record_ended_services()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(
    session: pytest.Session, exitstatus: int | pytest.ExitCode
) -> Generator[None, object, object]:
    """End the run: the verdict and the reports, then pytest-html's page, then the scan for secrets."""
    config = session.config
    run = config.stash.get(RUN, None)
    if run is None:
        return (yield)
    _measure_against_the_last_run(run)
    _finish_log(run, exitstatus)
    tests = TESTS_HTML if _tests_page_beside(config, run) else ""
    written = config.stash[WRITTEN] = write_reports(run.directory, RunResult.from_log(run.log.path), tests)
    outcome = yield
    if exitstatus not in _OWN_EXIT_CODES:
        session.exitstatus = written.verdict.exit_code
    leaks = list(run.redactor.leaks_in(path for path in run.directory.rglob("*") if path.is_file()))
    console = Console()
    print_summary(console, written.document, [written.html])
    if leaks:
        session.exitstatus = EXIT_LEAK
        for path in leaks:
            path.unlink()
            console.print(f"A known secret stood in {path}: the file was deleted, and the run counts as failed.")
    elif run.settings.step_summary is not None:
        console.print(_step_summary(run, written, run.settings.step_summary), markup=False, highlight=False)
    return outcome


def _step_summary(run: ValidationRun, written: Written, path: Path) -> str:
    """Add the run to a CI's step summary, and say so; a failure here leaves the verdict as it is."""

    def content(room: int) -> str:
        return run.redactor.redact(render_step_summary(written.document, room))

    try:
        had_room = append_step_summary(path, content)
    except OSError as error:
        return f"The step summary {path} could not be written: {error.strerror}."
    return f"Step summary: {path}" if had_room else f"The step summary {path} is full: nothing was added."


def _tests_page_beside(config: pytest.Config, run: ValidationRun) -> bool:
    """Whether pytest-html's page is beside our report, not elsewhere by `--html`."""
    return bool(config.option.htmlpath) and Path(config.option.htmlpath) == run.directory / TESTS_HTML


def _measure_against_the_last_run(run: ValidationRun) -> None:
    """Write down what the last run of this controller compared: a smaller one must not look like the rest."""
    if run.stack is None or run.stack.owned:
        return
    earlier = last_run_of(run.stack.base_url, run.directory.parent, run.directory.name)
    if earlier is not None:
        run.record(earlier)


def _finish_log(run: ValidationRun, exitstatus: int | pytest.ExitCode) -> None:
    budget = run.budget
    run.record(
        PostsSpent(
            spent=budget.spent,
            refused=budget.refused,
            waited_seconds=round(budget.waited_seconds, 3),
            by_purpose=budget.by_purpose,
        )
    )
    if run.sessions.transactions:
        run.record(sessions_used(run.sessions))
    if exitstatus == pytest.ExitCode.INTERNAL_ERROR:
        run.record(RunFinished(at=utc_now(), reason="internal_error", message="pytest met an internal error"))
    elif exitstatus in _INTERRUPTED:
        run.record(RunFinished(at=utc_now(), reason="interrupted", message="it was stopped before its end"))
    else:
        run.record(RunFinished(at=utc_now(), reason="completed"))
    run.log.close()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Leave pytest-html's own table of the environment empty: the report has one, behind the verdict."""
    if RUN in session.config.stash:
        session.config.stash[metadata_key].clear()


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
