"""One window compared from the settings alone: what `tsse-validate parity` and a user's own script call."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tsse_validation.clients.jobs import JobRunner
from tsse_validation.diagnosis.count_triage import copies_counted
from tsse_validation.diagnosis.drill_down import DrillDown, drill_down
from tsse_validation.diagnosis.file_triage import malformed_files
from tsse_validation.diagnosis.kept_rows import KeptRows
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.aspects import FILE_ASPECTS
from tsse_validation.domain.contract import RUNBOOK_SAMPLE
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import SettingsError
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.polling import Told, unheard
from tsse_validation.domain.windows import Window
from tsse_validation.lake.file_checks import FileFindings, FileProblem, examine
from tsse_validation.parity.by_job import MismatchError, SpotCheck, SpotChecker
from tsse_validation.parity.comparing import sum_by_sensor
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.runlog.difference_files import DifferenceFiles
from tsse_validation.runlog.differences_record import DifferencesKept
from tsse_validation.runlog.records import CountRow, Finding
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.fields import Level
from tsse_validation.steps.inspecting import inspect_by_job, watch_by_jobs
from tsse_validation.steps.opening import lake_reader, postgres_client
from tsse_validation.steps.proving import compare_in_slices
from tsse_validation.steps.scoping import asked_scope, covered_scope
from tsse_validation.steps.spot_checking import explaining_again
from tsse_validation.steps.undisturbed import Undisturbed
from tsse_validation.steps.watermark import active_jobs_seen

MOST_ROWS_PRINTED = 50
NOTHING_READ = DrillDown((), (), 0, {})


@dataclass(frozen=True)
class WindowProof:
    """One window, compared by the job or directly; `scope` is what of the window asked for is promised.

    `rows` has a line for each sensor. `found` says what differs, where rows were read; `told` are findings that
    are no fault. `database` is what was read from: without a controller's word nothing proves it to be its own.
    `kept` says what is in the file of all differing rows, where one was asked for.
    """

    scope: Scope
    rows: Sequence[CountRow]
    by: str
    level: Level
    found: DrillDown = NOTHING_READ
    told: tuple[Finding, ...] = ()
    database: DatabaseSeen | None = None
    kept: DifferencesKept | None = None

    @property
    def mismatching(self) -> list[CountRow]:
        """The sensors that are not alike on both sides."""
        return [row for row in self.rows if not row.matches]


def prove_window(
    settings: Settings,
    on_scope: Callable[[Window, Scope], object] = lambda _asked, _scope: None,
    differences: DifferenceFiles | None = None,
    told: Told = unheard,
) -> WindowProof:
    """Compare a window in Postgres with the same in the lake's files, as they are now, by our own reading.

    The settings name the database (`database_url` or `setup_config`), the lake (`hot_path`, `cold_path`,
    `shards`), the window (`window_start`, `window_end`: UTC, both inclusive; by default the last 24 hours up to
    the watermark), the sensors (`sensor_ids`, by default all) and the `level`. Nothing is written to either side.
    `on_scope` gets the window asked for and its promised part, before anything is compared. The files of the
    window's dates are looked into as step 5 does: rows in another shard's file are read, and yet a fault.
    `differences` gets all rows that differ, of which `found` has the first. `cluster` names a Dask scheduler whose
    workers digest the files; `told` is told of waits for them.

    >>> from tsse_validation import Settings, prove_window
    >>> proof = prove_window(Settings(database_url=DSN, hot_path=HOT, cold_path=COLD))
    >>> proof.mismatching, proof.found.findings, proof.found.differing
    ([], [], 0)

    Raises:
        SettingsError: DSN or directory is not given.
        NotCheckedError: nothing is promised in the window.
        SuiteError: a side cannot be read.
    """
    postgres = postgres_client(settings)
    if postgres is None:
        raise SettingsError("--mode direct needs --database-url or --config.")
    lake = lake_reader(settings, told)
    covered = covered_scope(settings, lake.replication(), cold=settings.cold_path is not None, now=utc_now())
    asked, scope = asked_scope(settings, covered)
    on_scope(asked, scope)
    with postgres.snapshot() as snapshot:
        wanted = set(settings.sensor_ids or snapshot.sensor_ids())
        database = snapshot.database()
    active = partial(active_jobs_seen, postgres, settings.leftover_after)
    proof = DirectProof(postgres, lake, hold=Undisturbed(lake, lambda: covered.coverage.backfill_to, active))
    days = [
        row
        for _, rows in compare_in_slices(proof, [scope], settings.level)
        for row in rows
        if row.sensor_id in wanted or not settings.sensor_ids
    ]
    found, kept = _drilled(proof, scope, days, settings, differences)
    known = {finding.diagnosis for finding in found.findings}
    in_files = [found for found in _in_the_files(proof, scope, settings) if found.diagnosis not in known]
    found = replace(found, findings=[*found.findings, *in_files])
    rows = sum_by_sensor(days, wanted)
    return WindowProof(scope, rows, "direct", settings.level, found, database=database, kept=kept)


def _drilled(
    proof: DirectProof,
    scope: Scope,
    days: Sequence[CountRow],
    settings: Settings,
    differences: DifferenceFiles | None,
) -> tuple[DrillDown, DifferencesKept | None]:
    shards = settings.shards
    if differences is None:
        return drill_down(proof, scope, days, settings.level, RowTriage(shards, MOST_ROWS_PRINTED)), None
    kept = KeptRows(differences, proof, scope.coverage, shards)
    triage = RowTriage(shards, MOST_ROWS_PRINTED, kept.add)
    found = drill_down(proof, scope, days, settings.level, triage)
    kept.settle(triage)
    return found, differences.write()


def _in_the_files(proof: DirectProof, scope: Scope, settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the files of a window's dates, of the sensors asked for."""
    examined = FileFindings()
    dates = [part.start.date() for part in scope.window.split_by_day()]
    for file in proof.lake_rows(scope.coverage).files_of(dates):
        examine(file, settings.shards, examined)
    for aspect in FILE_ASPECTS:
        problems = _about(settings.sensor_ids, examined.problems[aspect])
        if (finding := malformed_files(aspect, problems)) is not None:
            yield finding


def _about(sensor_ids: Collection[str], problems: Sequence[FileProblem]) -> list[FileProblem]:
    """Return the problems that concern some sensors, or all where none is named; one of a whole file does."""
    return [one for one in problems if not sensor_ids or not one.sensors or not one.sensors.isdisjoint(sensor_ids)]


def count_window_by_job(
    settings: Settings, jobs: JobRunner, on_scope: Callable[[Window, Scope], object]
) -> WindowProof:
    """Have the controller's job count a sample of sensors, or those asked for; errors as in `asked_scope`."""
    inspection = inspect_by_job(jobs, settings)
    cold = inspection.cold_path is not None
    covered = covered_scope(settings, inspection.replication, cold=cold, now=utc_now())
    asked, scope = asked_scope(settings, covered)
    on_scope(asked, scope)
    again = explaining_again(jobs, watch_by_jobs(jobs, settings), settings)
    ids, sample = settings.sensor_ids, settings.sample or RUNBOOK_SAMPLE
    try:
        spot = SpotChecker(again.counter, again).check(scope.window, ids, sample, purpose="parity")
    except MismatchError as error:
        return WindowProof(scope, _as_told(error.spot), "job", Level.COUNT)
    explained = spot.explained
    findings = (copies_counted(explained, read=False),) if explained.copies else ()
    return WindowProof(scope, _as_told(spot), "job", Level.COUNT, told=findings)


def _as_told(spot: SpotCheck) -> list[CountRow]:
    """Return the job's counts by sensor; what was explained counts as alike."""
    counts = spot.counts()
    return [row._replace(matches=row.matches or row.sensor_id in counts.late) for row in counts.rows]
