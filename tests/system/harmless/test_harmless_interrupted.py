"""A backfill that is interrupted for real is left running and named, or canceled, and has no second beside it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.support.command import EXIT_INCOMPLETE, PATIENCE_SECONDS, Run, Runbook, StartedRun
from tests.system.harmless.conftest import Installed
from tsse_validation.domain.contract import BACKFILL_JOB, Job
from tsse_validation.domain.outcome import Outcome
from tsse_validation.domain.polling import wait_until
from tsse_validation.runlog.records import CheckStatus

STEPS = tuple(f"tests_validation/test_{name}.py" for name in ("1_health", "2_token", "3_inspect", "4_backfill"))
SLOW = (*STEPS, "--backfill-days=365", "--poll-interval=0.1", "--accept-loss")
SHORT = ("--backfill-days=1", "--accept-loss")
"""Of a lake of a year it cuts the first date: what goes with it is no matter here."""
BACKFILL = "backfill_job_completes"


def backfills(installed: Installed) -> dict[str, str]:
    """Return the statuses of all backfills that the controller knows, by id, oldest first."""
    rows = installed.controller.sql(
        "SELECT id::text, status FROM analysis_jobs WHERE job_type = %s ORDER BY created_at", BACKFILL_JOB
    )
    return dict(rows)


def all_ended(installed: Installed) -> bool:
    return not {"pending", "running"} & set(backfills(installed).values())


@pytest.fixture(autouse=True)
def _quiet(installed: Installed) -> Iterator[None]:
    """Begin and end with a controller that has nothing to do."""
    installed.controller.sql("TRUNCATE analysis_jobs CASCADE")
    yield
    installed.controller.sql("UPDATE analysis_jobs SET cancel_requested_at = now() WHERE status = 'running'")
    assert wait_until(lambda: all_ended(installed), seconds=PATIENCE_SECONDS)


def started_by_somebody(installed: Installed, days: int = 365) -> Job:
    """Start a backfill as another operator would, from another machine."""
    with installed.controller.core() as core:
        return core.create_job(BACKFILL_JOB, {"days": days, "replace_existing": True}, purpose="somebody's")


def interrupted(runbook: Runbook, installed: Installed, *more: str) -> Run:
    started = in_mid_backfill(runbook, installed, *more)
    started.process.send_signal(signal.SIGINT)
    run = started.end()
    assert (run.code, run.verdict.outcome) == (EXIT_INCOMPLETE, Outcome.INCOMPLETE), run
    assert run.result.finished is not None
    assert run.result.finished.reason == "interrupted"
    return run


def in_mid_backfill(runbook: Runbook, installed: Installed, *more: str) -> StartedRun:
    started = runbook.start(*installed.controller.by_api(), *SLOW, *more)
    started.wait_for_its_backfill()
    return started


@contextmanager
def backfills_held_up(installed: Installed) -> Iterator[None]:
    """Keep any backfill from its rows meanwhile: how far one has come must not go by how busy a machine is."""
    with psycopg.connect(installed.controller.conninfo) as other:
        other.execute("LOCK TABLE metrics IN ACCESS EXCLUSIVE MODE")
        yield


def said(run: Run) -> str:
    text = "\n".join(note.text for note in run.result.notes)
    for note in run.result.notes:
        if note.text.startswith("The backfill job"):
            assert note.text in " ".join(run.output.split())
    return text


def test_a_backfill_that_is_interrupted_goes_on_and_is_named_and_the_next_run_does_not_start_another(
    runbook: Runbook, installed: Installed
) -> None:
    run = interrupted(runbook, installed)
    ((job_id, status),) = backfills(installed).items()
    assert status == "running"
    assert f"The backfill job {job_id} was running and goes on: the run was stopped." in said(run)
    (seen,) = run.result.backfills
    assert (seen.job_id, seen.status) == (job_id, "running")

    with backfills_held_up(installed):
        # by the API alone, the next run knows it from the one before
        again = runbook(*installed.controller.by_api(), *SLOW, "--active-job-timeout=0.2")
        assert again.verdict.outcome is Outcome.INCOMPLETE, again
        check = again.check(BACKFILL)
        assert check.status is CheckStatus.NOT_CHECKED
        assert f"No backfill was started: the {BACKFILL_JOB} job {job_id}, running since " in check.message
        assert list(backfills(installed)) == [job_id]

        # with time, it waits for its end, and then has its turn
        started = runbook.start(*installed.controller.by_api(), *STEPS, *SHORT, "--poll-interval=0.1")
        started.wait_for(f" s for the {BACKFILL_JOB} job {job_id}")
    third = started.end()
    assert third.check(BACKFILL).status is CheckStatus.PASSED, third
    assert list(backfills(installed).values()) == ["completed", "completed"]
    assert list(runbook.cache.rglob("*.json")) == []


def test_a_backfill_is_canceled_when_that_was_asked_for(runbook: Runbook, installed: Installed) -> None:
    run = interrupted(runbook, installed, "--cancel-on-interrupt")
    ((job_id, status),) = backfills(installed).items()
    assert status == "canceled"
    assert f"The backfill job {job_id} was canceled: the run was stopped with --cancel-on-interrupt." in said(run)
    (seen,) = run.result.backfills
    assert (seen.job_id, seen.status) == (job_id, "canceled")
    assert run.posts.by_purpose["cancel"] == 1
    assert list(runbook.cache.rglob("*.json")) == []


def test_while_somebody_elses_backfill_is_active_none_is_started_and_it_is_not_canceled(
    runbook: Runbook, installed: Installed
) -> None:
    theirs = started_by_somebody(installed)
    run = runbook(
        *installed.controller.by_api(),
        *SLOW,
        "--active-job-timeout=0.2",
        "--cancel-on-interrupt",
        env=installed.environment,
    )
    assert run.verdict.outcome is Outcome.INCOMPLETE, run
    check = run.check(BACKFILL)
    assert check.status is CheckStatus.NOT_CHECKED
    assert f"the {BACKFILL_JOB} job {theirs.id}, " in check.message
    assert "others may have started" not in said(run)
    assert list(backfills(installed)) == [theirs.id]
    assert not {"backfill", "cancel"} & run.posts.by_purpose.keys()


def test_without_postgres_it_is_said_that_others_jobs_were_not_seen(
    runbook: Runbook, installed: Installed
) -> None:
    run = runbook(*installed.controller.by_api(), *STEPS, *SHORT)
    assert run.check(BACKFILL).status is CheckStatus.PASSED, run
    assert "not seen: the API lists no jobs, and no --database-url was given." in said(run)


def test_of_two_runs_at_once_the_second_waits_for_its_turn(runbook: Runbook, installed: Installed) -> None:
    first = in_mid_backfill(runbook, installed)
    second = runbook(*installed.controller.by_api(), *SLOW, "--active-job-timeout=0.2")
    check = second.check(BACKFILL)
    assert check.status is CheckStatus.NOT_CHECKED, second
    assert "by another run of this user is active" in check.message
    assert len(backfills(installed)) == 1
    assert first.end().check(BACKFILL).status is CheckStatus.PASSED


def test_the_turn_of_a_run_that_was_killed_is_free_and_its_backfill_is_waited_for(
    runbook: Runbook, installed: Installed
) -> None:
    killed = in_mid_backfill(runbook, installed)
    killed.process.kill()
    killed.process.wait(PATIENCE_SECONDS)
    run = runbook(*installed.controller.by_api(), *STEPS, *SHORT, "--poll-interval=0.1")
    assert run.check(BACKFILL).status is CheckStatus.PASSED, run
    first, _second = backfills(installed)
    assert f" s for the {BACKFILL_JOB} job {first}" in run.output
