"""Whether the DSN leads to the controller's own database: by jobs of ours that its `analysis_jobs` must show.

It is asked twice. Before the backfill, so that no other database is asked what is active; and for a job that was
created after the watermark was read, before anything is compared. On a standby that second job proves more: what
the watermark promises was committed before the job, commits are replayed in their order, and so a state which
shows the job holds every row that the lake must hold.
"""

import time

from tsse_validation.clients.identity import Anchor
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.contract import INSPECT_JOB, InspectResult, Job
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import AccessError
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.phrasing import listed
from tsse_validation.domain.polling import Told, poll
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import Check, ValidationRun

_PRIMARY_SECONDS = 20.0
"""How long a server that replays nothing is waited for: the controller wrote the job before it answered."""
_PAUSE_SECONDS = 1.0


def identify_anew(
    run: ValidationRun, jobs: JobRunner, postgres: PostgresClient, progress: ProgressReporter
) -> DatabaseSeen:
    """Have the controller create a job now, and hold that the database shows it; errors as in `identify`."""
    made = jobs.run(INSPECT_JOB, {}, InspectResult, purpose="identity", timeout=run.settings.job_timeout)
    return identify(run, made.job, postgres, progress)


def identify(run: ValidationRun, job: Job, postgres: PostgresClient, progress: ProgressReporter) -> DatabaseSeen:
    """Hold that the database shows a job that the controller has created, and write down whose it is.

    Errors as in `hold_shown`.
    """
    seen = hold_shown(run.settings, job, postgres, progress.waits)
    proven = seen.model_copy(update={"job_id": job.id, "job_created_at": job.created_at})
    run.record(proven)
    run.facts.database, run.facts.anchor = proven, postgres.anchor
    return proven


def hold_shown(settings: Settings, job: Job, postgres: PostgresClient, told: Told) -> DatabaseSeen:
    """Hold that the database shows a job that the controller has created, and later sessions to that state.

    A standby is waited for, up to `--settle-timeout`.

    Raises:
        AccessError: it does not show the job, or cannot be asked for it.
        NotCheckedError: this role may not read `analysis_jobs`.
    """
    began = time.monotonic()
    anchor, seen = _look(postgres, job)
    if anchor is None:
        anchor, seen = _wait(settings, job, postgres, told, seen)
    if anchor is None:
        created = (
            f"the {job.job_type} job {job.id} that the controller created at {format_rfc3339(job.created_at)}"
        )
        msg = (
            f"Postgres at {seen.server}: this is not the controller's database (or a standby that stands still):"
            f" {created} is not in its analysis_jobs after {time.monotonic() - began:.0f} s."
        )
        advice = "Give the DSN that the controller itself uses, or that of a standby which follows its server."
        raise AccessError(msg, advice)
    postgres.anchor = anchor
    return seen


def _look(postgres: PostgresClient, job: Job) -> tuple[Anchor | None, DatabaseSeen]:
    with postgres.snapshot() as snapshot:
        return snapshot.anchor(job.id), snapshot.database()


def _wait(
    settings: Settings, job: Job, postgres: PostgresClient, told: Told, seen: DatabaseSeen
) -> tuple[Anchor | None, DatabaseSeen]:
    seconds = settings.settle_timeout if seen.standby else min(_PRIMARY_SECONDS, settings.settle_timeout)
    what = "standby" if seen.standby else "database"
    told(f"the {what} at {seen.server} to show the job {job.id}", seconds)
    pause = min(_PAUSE_SECONDS, settings.poll_interval)
    return poll(lambda: _look(postgres, job), lambda found: found[0], timeout=seconds, pause=pause)


def check_as_new(run: ValidationRun, database: PostgresClient, covered: Scope, check: Check) -> None:
    """State which job, created after the watermark was read, the database shows."""
    seen = require(run.facts.database, "the database")
    check.fact("watermark read", format_rfc3339(covered.coverage.watermark))
    check.fact(
        "job created after it", f"{seen.job_id}, {format_rfc3339(require(seen.job_created_at, 'its time'))}"
    )
    check.fact("shown by", f"{database.where}, {'a standby' if seen.standby else 'the primary'}")


def state_database(seen: DatabaseSeen, check: Check) -> None:
    """State whose database it is, and warn of policies that may hide rows from the controller."""
    check.fact("server", f"{seen.server}, {'a standby' if seen.standby else 'the primary'}")
    check.fact("address", seen.address or "a local socket")
    check.fact("database", f"{seen.database}, schema {seen.tables_in}, read as {seen.role}")
    check.fact("system identifier", seen.system_identifier or "not readable to this role")
    check.fact("shows our job", seen.job_id)
    if seen.policies:
        check.warn(
            f"row-level security policies: {listed(seen.policies)}: this role sees all rows,"
            " and what they hide from the controller's role is missing in the lake"
        )
