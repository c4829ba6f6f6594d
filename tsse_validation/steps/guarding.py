"""The guard around one backfill: which way to look, whether it may start, and what it has taken away."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.watch import ControllerClock
from tsse_validation.domain.contract import INSPECT_JOB, BackfillResult, Inspection, InspectResult
from tsse_validation.domain.errors import AccessError, NotCheckedError, SuiteError
from tsse_validation.domain.replacement import MARGIN, Replacement
from tsse_validation.domain.stack import Capability
from tsse_validation.lake.reader import LakeReader
from tsse_validation.runlog.records import Note, Record
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.identifying import hold_shown, identify_anew
from tsse_validation.steps.inspecting import compare_inspections, inspect_by_job
from tsse_validation.steps.loss_guard import (
    Outlook,
    SeenBefore,
    TakenAway,
    emptied_dates,
    emptied_in_words,
    hold_no_loss,
    look_again,
    look_ahead,
    look_before,
    taken_away,
)
from tsse_validation.steps.loss_looks import DirectLook, JobLook, LossLook
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.run import ValidationRun

Recorder = Callable[[Record], object]
_MOST_LOOKS = 5
"""Looks at the first date, after the one at all: each takes a moment, and the first may take an hour."""


@dataclass(frozen=True)
class LossGuard:
    """Guards a controller's backfills; `now` tells its present, `last_inserted_at` what it has replicated."""

    jobs: JobRunner
    settings: Settings
    look: LossLook
    now: Callable[[], datetime]
    last_inserted_at: datetime | None
    accepts: str = ""
    """Why a loss is accepted, or nothing where it is not."""

    def of(self, days: int, record: Recorder) -> "GuardedBackfill":
        """Look at what a backfill of so many days would take away; errors as in `hold_no_loss`."""
        outlook = self._outlook(days)
        if outlook.unknown:
            said = "; ".join(outlook.unknown)
            record(Note(text=f"What the backfill takes out of the lake could not be told in full: {said}."))
        if outlook.losses and self.accepts:
            record(outlook.finding(self.look.by, self.accepts))
        else:
            hold_no_loss(self.look, outlook)
        return GuardedBackfill(self, outlook.replacement, look_before(self.look, outlook.replacement), outlook)

    def _outlook(self, days: int) -> Outlook:
        """Look ahead, and again where that took so long that the range would begin beyond its margin."""
        outlook = look_ahead(self.look, self._expected(days))
        for _ in range(_MOST_LOOKS):
            by_now = self._expected(days)
            if by_now.begins - outlook.replacement.begins < MARGIN / 2:
                break
            outlook = look_again(self.look, outlook, by_now)
        return outlook

    def _expected(self, days: int) -> Replacement:
        return Replacement.expected(days, self.now(), self.last_inserted_at)


@dataclass(frozen=True)
class GuardedBackfill:
    """A backfill that may start: what it replaces, and the lake as it was before."""

    guard: LossGuard
    replacement: Replacement
    before: SeenBefore
    outlook: Outlook

    @property
    def days(self) -> int:
        """The days that it is to export."""
        return self.replacement.days

    def taken_by(self, result: BackfillResult, after: Inspection, record: Recorder) -> TakenAway:
        """Return, and record, what the backfill has taken out of the lake; `after` is an inspection of now."""
        now = self._looking_at(after)
        losses = taken_away(self.before, now, result, self.days, self._retired(after))
        known = {loss.day for loss in self.outlook.losses}
        taken = TakenAway(
            tuple(loss for loss in losses if loss.day not in known),
            accepted=tuple(loss for loss in losses if loss.day in known),
        )
        for finding in taken.findings:
            record(finding)
        return taken

    def emptied(self, *, ask: bool = True) -> str:
        """Say which dates a backfill that did not end has left empty, as far as that can be seen; or nothing.

        Without `ask` the controller is not asked, where nothing else can tell.
        """
        if not ask and not isinstance(self.guard.look, DirectLook):
            return ""
        try:
            look = self.guard.look
            now = look if isinstance(look, DirectLook) else self._looking_at(self._inspect())
            days = emptied_dates(self.before, now.files(), self.replacement)
        except SuiteError:
            return ""
        return emptied_in_words(days) if days else ""

    def _inspect(self) -> Inspection:
        return inspect_by_job(self.guard.jobs, self.guard.settings)

    def _looking_at(self, inspection: Inspection) -> LossLook:
        look = self.guard.look
        return JobLook(look.jobs, look.settings, inspection) if isinstance(look, JobLook) else look

    def _retired(self, after: Inspection) -> Callable[[date], bool]:
        """Return whether retention may have removed a date, or moved it to where we do not look."""
        look = self.guard.look
        sees_the_cold = after.cold_path is not None
        if isinstance(look, DirectLook):
            sees_the_cold = sees_the_cold and look.lake.paths.cold is not None
        keeps = timedelta(days=self.guard.settings.hot_retention_days - 1)
        oldest = self.guard.now().date() - keeps
        return lambda day: not sees_the_cold and day < oldest


def guard_of_run(run: ValidationRun, jobs: JobRunner, progress: ProgressReporter) -> LossGuard:
    """Return the guard of a run's backfill, by what the run can look at."""
    stack = run.stack
    inspection = run.facts.inspection
    lake = LakeReader(stack.lake) if stack and stack.lake and Capability.LAKE not in run.unavailable else None
    postgres = _postgres_of(run, jobs, progress)
    owned = "the stack is this run's own" if stack and stack.owned else ""
    return loss_guard(jobs, run.settings, lake, postgres, inspection, accepts=owned)


def _postgres_of(run: ValidationRun, jobs: JobRunner, progress: ProgressReporter) -> PostgresClient | None:
    """Return the controller's database as it is now, or `None` where it has not proven to be the controller's.

    Another one may hold what the controller's has dropped. A standby is waited for: rows that it lacks for a while
    would seem lost.
    """
    if run.stack is None or run.stack.conninfo is None or run.facts.database is None:
        return None
    postgres = PostgresClient.from_settings(run.stack.conninfo, run.settings, run.sessions)
    postgres.anchor = run.facts.anchor
    if run.facts.database.standby:
        identify_anew(run, jobs, postgres, progress)
    return postgres


def guard_of_command(
    jobs: JobRunner,
    settings: Settings,
    lake: LakeReader | None,
    postgres: PostgresClient | None,
    say: Callable[[str], object],
) -> LossGuard:
    """Return the guard of a backfill outside of a run: by our own reading where both sides prove to be its own.

    Elsewhere the controller is asked, which knows its own: a copy may hold what it has lost.

    Raises AccessError when Postgres does not show a job that the controller has just created.
    """
    if postgres is None:
        return loss_guard(jobs, settings, None, None)
    made = jobs.run(INSPECT_JOB, {}, InspectResult, purpose="identity", timeout=settings.job_timeout)
    try:
        hold_shown(settings, made.job, postgres, jobs.core.told)
    except NotCheckedError as error:
        say(f"Postgres is not looked at: {error.message}")
        return loss_guard(jobs, settings, None, None, made.result.inspection)
    if lake is None:
        return loss_guard(jobs, settings, None, None, made.result.inspection)
    compared = compare_inspections(lake, jobs, settings).values()
    if differ := [difference for aspect in compared for difference in aspect.differences]:
        say(f"The lake's files are not looked at: the API and they differ: {'; '.join(differ[:3])}.")
        return loss_guard(jobs, settings, None, None, made.result.inspection)
    return loss_guard(jobs, settings, lake, postgres, made.result.inspection)


def loss_guard(
    jobs: JobRunner,
    settings: Settings,
    lake: LakeReader | None,
    postgres: PostgresClient | None,
    inspection: Inspection | None = None,
    *,
    accepts: str = "",
) -> LossGuard:
    """Return the guard of a controller's backfill: by our own reading where both sides are shown in full."""
    now = ControllerClock(jobs.core.health().date).now
    accepts = "--accept-loss was given" if settings.accept_loss else accepts
    if lake is not None and postgres is not None and _both_readable(lake, postgres):
        state = lake.replication()
        return LossGuard(jobs, settings, DirectLook(postgres, lake), now, state.last_inserted_at, accepts)
    seen = inspection or inspect_by_job(jobs, settings)
    look = JobLook(jobs, settings, seen)
    return LossGuard(jobs, settings, look, now, seen.replication.last_inserted_at, accepts)


def _both_readable(lake: LakeReader, postgres: PostgresClient) -> bool:
    """Whether every date of the lake can be read, and Postgres's rows too."""
    cold = any(partition.location == "cold" for partition in lake.manifest().metrics.partitions.values())
    if cold and lake.paths.cold is None:
        return False
    try:
        with postgres.snapshot() as snapshot:
            snapshot.sensor_ids()
            snapshot.estimated_rows()
    except AccessError:
        return False
    return True
