"""What `tsse-validate parity` compares, by the controller's job or by our own reading."""

from collections.abc import Sequence
from dataclasses import dataclass

import typer

from tsse_validation.cli.common import job_runner, lake_reader
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.watch import API_PAUSE_SECONDS, ReplicationWatch
from tsse_validation.diagnosis.drill_down import drill_down
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.contract import Replication
from tsse_validation.domain.errors import NotCheckedError, SettingsError
from tsse_validation.domain.instants import format_rfc3339, utc_now
from tsse_validation.domain.windows import Coverage, Window, asked_and_promised
from tsse_validation.parity.by_job import MismatchError, SpotChecker
from tsse_validation.parity.comparing import sum_by_sensor
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.records import CountRow, Finding, RowDifference
from tsse_validation.settings.credentials import conninfo_of
from tsse_validation.settings.fields import Level
from tsse_validation.settings.model import Settings
from tsse_validation.steps.inspecting import inspect
from tsse_validation.steps.promises import promised_range

MOST_ROWS_SHOWN = 50


@dataclass(frozen=True)
class Compared:
    """One window, compared: `by` the job or directly, up to `watermark`, on a `level`.

    `rows` has a line for each sensor; `findings` and `differences` say what differs, where rows were read, and of
    `differing` rows in all the first are in `differences`.
    """

    window: Window
    watermark: str
    rows: Sequence[CountRow]
    by: str
    level: Level
    findings: Sequence[Finding] = ()
    differences: Sequence[RowDifference] = ()
    differing: int = 0

    @property
    def mismatching(self) -> list[CountRow]:
        """The sensors that are not alike on both sides."""
        return [row for row in self.rows if not row.matches]


def compare_directly(settings: Settings) -> Compared:
    """Compare all sensors, or those asked for, from the DSN and the lake's directories.

    Raises:
        SettingsError: DSN or directory is not given.
        NotCheckedError: nothing is promised in the window.

    """
    conninfo = conninfo_of(settings)
    if conninfo is None:
        raise SettingsError("--mode direct needs --database-url or --config.")
    lake = lake_reader(settings)
    coverage = _coverage(settings, lake.replication(), cold=settings.cold_path is not None)
    window = _window(settings, coverage)
    postgres = PostgresClient.from_settings(conninfo, settings)
    with postgres.snapshot() as snapshot:
        wanted = set(settings.sensor_ids or snapshot.sensor_ids())
    proof = DirectProof(postgres, lake)
    days = proof.digest_days(window, coverage, level=settings.level)
    days = [row for row in days if row.sensor_id in wanted or not settings.sensor_ids]
    triage = RowTriage(lake.paths.shards, MOST_ROWS_SHOWN)
    found = drill_down(proof, window, coverage, days, settings.level, triage)
    return Compared(
        window,
        format_rfc3339(coverage.watermark),
        sum_by_sensor(days, wanted),
        "direct",
        settings.level,
        found.findings,
        found.shown,
        found.differing,
    )


def count_by_job(settings: Settings) -> Compared:
    """Have the controller's job count a sample of sensors, or those asked for.

    Raises:
        NotCheckedError: nothing is promised in the window.

    """
    with job_runner(settings) as jobs:
        watch = ReplicationWatch(lambda: inspect(jobs, settings).replication, pause=API_PAUSE_SECONDS)
        inspection = inspect(jobs, settings)
        coverage = _coverage(settings, inspection.replication, cold=inspection.cold_path is not None)
        window = _window(settings, coverage)
        checker = SpotChecker(
            jobs, watch, job_timeout=settings.job_timeout, settle_timeout=settings.settle_timeout
        )
        try:
            counts = checker.check(window, settings.sensor_ids, settings.sample, purpose="parity").counts()
        except MismatchError as error:
            counts = error.counts
    return Compared(window, format_rfc3339(coverage.watermark), counts.rows, "job", Level.COUNT)


def _coverage(settings: Settings, replication: Replication, *, cold: bool) -> Coverage:
    return promised_range(replication, cold=cold, retention_days=settings.hot_retention_days, now=utc_now())


def _window(settings: Settings, coverage: Coverage) -> Window:
    covered = coverage.window
    if covered is None:
        raise NotCheckedError("The lake's covered range is empty.", "Backfill it first.")
    asked, window = asked_and_promised(covered, settings.window_start, settings.window_end)
    if window is None:
        msg = f"The window {asked} lies outside of what the lake covers, {covered}."
        raise NotCheckedError(msg, "Choose another by --start and --end.")
    if window != asked:
        typer.echo(f"tsse-validate: only {window} is promised, of the {asked} asked for", err=True)
    return window
