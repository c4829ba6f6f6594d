"""Runs the runbook's own commands beside our own calls, and holds what they say against the controller.

They are run only with ``--helpers``. What a helper says is held against its own job, which the API tells of, and
as far as comparable against what we see ourselves.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.helper_calls import (
    INSPECTOR,
    PARITY_CHECK,
    HelperCall,
    inspector_call,
    parity_call,
)
from tsse_validation.clients.helper_output import (
    HelperEnd,
    ParitySaid,
    counts_in,
    failed_job,
    inspector_said,
    parity_said,
    why_it_failed,
)
from tsse_validation.clients.helpers import Helpers, token_file
from tsse_validation.clients.jobs import JobRunner, failure_of
from tsse_validation.domain.contract import InspectResult, ParityResult
from tsse_validation.domain.errors import JobFailedError, NotCheckedError, PromiseBrokenError, SuiteError
from tsse_validation.domain.holding import require
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.windows import Window
from tsse_validation.parity.job_counts import counts_of
from tsse_validation.steps.helper_told import HelperTold, step_of_helper
from tsse_validation.steps.inspecting import inspect_by_job, unlike_our_inspections
from tsse_validation.steps.run import Check, ValidationRun
from tsse_validation.steps.spot_checking import OurReading, unlike_our_reading

HELPER_REPORT = "tsse_lake_parity_check.md"
"""The report that the parity helper writes, in the run's folder."""
_TOKEN_FILE = "TOKEN-FILE"  # noqa: S105 - what stands for the path of a private file that is gone by then
_NOTHING_TO_COUNT = frozenset({"invalid_window", "no_sensors"})
_TRUST = "Trust neither before it is known which of the two is wrong: compare them by hand with the API's answer."
_Said = TypeVar("_Said")


@contextmanager
def recorded(run: ValidationRun, helper: str) -> Iterator[HelperTold]:
    """Write down what a helper has said at the end, however that comes; a SuiteError is remembered in it."""
    told = HelperTold(helper, step_of_helper(helper))
    try:
        yield told
    except SuiteError as error:
        told.error = error
    finally:
        run.record(told.record())


def check_told(told: HelperTold, check: Check) -> None:
    """Hold that a helper has ended as it should, and says what the controller says.

    Raises what kept it from proving anything.
    """
    check.fact("command", " ".join(told.command) or "not run")
    if told.end is not None:
        check.fact("exit code", "none: it was ended" if told.end.exit_code is None else told.end.exit_code)
    if told.tells_the_token:
        check.warn(f"{told.helper} prints the API token, which its terminal and its logs then hold")
    if told.error is not None:
        raise told.error
    check.fact("said", told.said)
    check.that(
        not told.differences,
        f"{told.helper} does not say what the controller says: {'; '.join(told.differences[:3])}.",
        _TRUST,
    )


@contextmanager
def lent_token(run: ValidationRun) -> Iterator[Path]:
    """Lend the file with the run's token to a helper."""
    stack = require(run.stack, "the stack")
    with token_file(run.settings.auth_token_file, stack.token) as path:
        yield path


def helpers_of(run: ValidationRun) -> Helpers:
    """Return how the helpers are run."""
    return Helpers(require(run.settings.helpers, "where the helpers are"))


def shown_command(run: ValidationRun, call: HelperCall, file: Path) -> tuple[str, ...]:
    """Return a helper's command as reports show it, without the path of a file that is gone by then."""
    words = helpers_of(run).command(call)
    return (
        words
        if file == run.settings.auth_token_file
        else tuple(_TOKEN_FILE if word == str(file) else word for word in words)
    )


def masked(run: ValidationRun, told: HelperTold, end: HelperEnd) -> HelperEnd:
    """Return how a helper has ended with every secret masked, and take note whether it has printed the token.

    It is masked before anything is cut off: a part of a token would not be known as one.
    """
    token = require(run.stack, "the stack").token.get_secret_value()
    told.tells_the_token = token in end.stdout or token in end.stderr
    redact = run.redactor.redact
    return replace(end, stdout=redact(end.stdout), stderr=redact(end.stderr))


def read_said(told: HelperTold, read: Callable[[str], _Said]) -> _Said:
    """Return what a helper has printed; where that cannot be read, why the helper has failed comes first."""
    end = require(told.end, "the helper's end")
    if end.exit_code is None:
        raise why_it_failed(told.helper, end)
    try:
        said = read(end.stdout)
    except NotCheckedError:
        if end.exit_code:
            raise why_it_failed(told.helper, end) from None
        raise
    if end.exit_code:
        told.differences.append(f"its exit code is {end.exit_code}, and it has printed what it does on success")
    return said


def inspect_by_helper(run: ValidationRun, jobs: JobRunner) -> HelperTold:
    """Run the inspector, and hold its inspection against its own job and against ours before and after it."""
    before = require(run.facts.inspection_before, "the lake's inspection")
    base_url = require(run.stack, "the stack").base_url
    with recorded(run, INSPECTOR) as told:
        _run(run, jobs.core, told, lambda file: inspector_call(base_url, file))
        said = read_said(told, inspector_said)
        inspection = said.result.inspection
        partitions = inspection.metrics.partitions
        told.said = f"{count_of(len(partitions), 'date')}, watermark {inspection.replication.computed_through_ts}"
        try:
            own = jobs.core.result(said.job_id, InspectResult)
        except PromiseBrokenError as error:
            told.differences.append(f"its job {said.job_id} is not known as completed: {error.message}")
        else:
            if own != said.result:
                told.differences.append(f"its job {said.job_id} has another result than it printed")
        after = inspect_by_job(jobs, run.settings)
        told.differences += unlike_our_inspections(inspection, before, after)
    return told


def check_parity_by_helper(
    run: ValidationRun, jobs: JobRunner, window: Window, ours: OurReading | None
) -> HelperTold:
    """Run the parity helper, and hold its line, its exit code and its report against its own job.

    `ours` counts the same by our own reading, where that is possible.
    """
    base_url = require(run.stack, "the stack").base_url
    report = run.directory / HELPER_REPORT
    with recorded(run, PARITY_CHECK) as told:
        _run(run, jobs.core, told, lambda file: parity_call(base_url, file, window, report))
        end = require(told.end, "the helper's end")
        if job_id := failed_job(end.stderr):
            raise _of_failed_job(jobs, told, job_id)
        said = read_said(told, parity_said)
        told.said = f"{said.mismatches} mismatch{'' if said.mismatches == 1 else 'es'}, job {said.job_id}"
        told.differences += _unlike_its_job(jobs, said, report, window, ours)
    return told


def _run(run: ValidationRun, core: CoreClient, told: HelperTold, call_with: Callable[[Path], HelperCall]) -> None:
    """Run a helper that creates one job to its end, in the time that a job may take."""
    helpers = helpers_of(run)
    core.let_another_post(told.helper)
    with lent_token(run) as file:
        call = call_with(file)
        told.command = shown_command(run, call, file)
        with helpers.started(call) as process:
            process.wait(helpers.start_seconds + run.settings.job_timeout)
            told.end = masked(run, told, process.end())


def _of_failed_job(jobs: JobRunner, told: HelperTold, job_id: str) -> SuiteError:
    """Return what a job means that the helper calls failed."""
    job = jobs.core.job(job_id)
    if job.status == "completed":
        told.differences.append(f"it says that its job {job_id} failed, and the job has completed")
        told.said = "its job failed"
        return PromiseBrokenError(f"{told.helper}: {told.differences[0]}.", _TRUST)
    if not job.terminal:
        return NotCheckedError(f"{told.helper} says that its job {job_id} failed, and it is {job.status}.", _TRUST)
    failure: JobFailedError = failure_of(job)
    if failure.code in _NOTHING_TO_COUNT:
        return NotCheckedError(failure.message, failure.advice)
    return failure


def _unlike_its_job(
    jobs: JobRunner, said: ParitySaid, report: Path, window: Window, ours: OurReading | None
) -> Iterator[str]:
    try:
        result = jobs.core.result(said.job_id, ParityResult)
    except PromiseBrokenError as error:
        yield f"its job {said.job_id} is not known as completed: {error.message}"
        return
    if said.mismatches != result.mismatches:
        yield f"it says {said.mismatches} mismatches, and its job {result.mismatches}"
    if result.window_requested != window:
        yield f"it was asked for {window}, and its job for {result.window_requested}"
    yield from _unlike_its_report(said, report, result)
    if ours is not None:
        counts = {count.sensor_id: count for count in counts_of(result)}
        yield from unlike_our_reading(ours, [result.window_checked], counts)


def _unlike_its_report(said: ParitySaid, report: Path, result: ParityResult) -> Iterator[str]:
    if Path(said.report) != report:
        yield f"it says that its report is {said.report}, and it was told {report}"
    try:
        text = report.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield f"its report cannot be read: {type(error).__name__}"
        return
    if text.rstrip() != result.report_markdown.rstrip():
        yield "its report is not the one of its job"
    reported: Sequence[tuple[str, int, int, bool]] = [
        (line.sensor_id, line.postgres, line.lake, line.matches) for line in counts_in(text)
    ]
    if reported != [(row.sensor_id, row.pg_count, row.lake_count, row.matches) for row in result.rows]:
        yield "the counts of its report are not those of its job"
