"""Step 6, by our own reading: every sensor-day by digest, and every row that is due, on both sides."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date

from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.watch import ReplicationWatch
from tsse_validation.diagnosis.count_triage import explain_counts, healed, unlisted_sensors
from tsse_validation.diagnosis.drill_down import DrillDown, drill_down
from tsse_validation.diagnosis.kept_rows import KeptRows
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.diagnosis.tally import REPEAT_BACKFILL
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import NotCheckedError, SuiteError
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.polling import Update, quiet
from tsse_validation.parity.comparing import proven_days, sum_by_sensor
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.records import CountRow, CountsTaken, Finding, Note, RowsCompared
from tsse_validation.runlog.result import RunResult
from tsse_validation.settings.fields import Level
from tsse_validation.steps.backfilling import run_backfill
from tsse_validation.steps.loss_guard import WouldLoseError
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.resuming import earlier_run
from tsse_validation.steps.run import Check, ValidationRun
from tsse_validation.steps.scoping import covered_scope

MOST_ROWS_SHOWN = 200


def compare_in_slices(
    proof: DirectProof, scopes: Iterable[Scope], level: Level, on_day: Update = quiet
) -> Iterator[tuple[Scope, list[CountRow]]]:
    """Compare every sensor-day, and yield some days as soon as they are done."""
    wanted = list(scopes)
    for number, scope in enumerate(wanted):
        yield from proof.compare_in_slices(scope, level=level, on_day=_within(on_day, wanted, number))


def _within(update: Update, parts: Sequence[Scope], number: int) -> Update:
    """Report the progress within one part as progress over all parts."""
    days = [len(list(part.window.days())) for part in parts]

    def of_all(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
        del total  # of this part
        update(sum(days[:number]) + done, sum(days), message, rows=rows)

    return of_all


def count_days(
    run: ValidationRun, proof: DirectProof, covered: Scope, progress: ProgressReporter
) -> list[CountRow]:
    """Count and digest every sensor on every day of the covered range, on both sides.

    The log gets each slice once it is proven. `--resume` takes over what an earlier run has proven.
    """
    taken_over = _taken_over(run, covered)
    rows = [row for of_day in taken_over.values() for row in of_day]
    left = covered.without_days(taken_over.keys())
    with progress.track("digests") as update:
        try:
            for part, counted in compare_in_slices(proof, left, run.settings.level, update):
                run.record(_counts(run, part, counted))
                rows += counted
        except NotCheckedError as error:
            differing = sum(not row.matches for row in rows)
            if not differing:
                raise
            msg = f"{error.message} Before that, {count_of(differing, 'sensor-day')} had differed all the same."
            raise NotCheckedError(msg, error.advice) from error
    return sorted(rows)


def _taken_over(run: ValidationRun, covered: Scope) -> Mapping[date, list[CountRow]]:
    """Take over the days that the run named by `--resume` has proven, and say so, or why none is."""
    earlier = earlier_run(run)
    if earlier is None:
        return {}
    if why := _proves_no_more(earlier, covered):
        run.record(Note(text=f"Every day was compared anew: {why}."))
        return {}
    days = set(covered.window.days())
    proven = {day: rows for day, rows in proven_days(earlier).items() if day in days}
    run.record(
        Note(text=f"{len(proven)} days were not compared again: run {earlier.started.run_id} had proven them."),
        *(
            CountsTaken(
                source="direct", window=part, level=Level.DIGEST.value, rows=tuple(proven[part.start.date()])
            )
            for part in covered.window.split_by_day()
            if part.start.date() in proven
        ),
    )
    return proven


def _proves_no_more(earlier: RunResult, covered: Scope) -> str:
    """Return why what an earlier run has proven does not stand any more, or nothing."""
    name = f"run {earlier.started.run_id}"
    if earlier.seals:
        return f"{name} had the lake told by a seal, and what that rests on is told by its own run alone"
    if earlier.database is None or earlier.database.job_id is None:
        return f"{name} had not proven that the database was the controller's"
    if not earlier.replication or earlier.replication[-1].state.backfill_to_ts != covered.coverage.backfill_to:
        return f"a backfill has replaced the lake's files since {name}"
    return ""


def count_sensors(
    run: ValidationRun, database: PostgresClient, covered: Scope, day_counts: Sequence[CountRow]
) -> list[CountRow]:
    """Add the days up for each sensor that Postgres knows, those without a row too."""
    listed_ids = BoundedReader(database).ask(lambda snapshot: snapshot.sensor_ids())
    rows = sum_by_sensor(day_counts, listed_ids)
    run.record(*unlisted_sensors(rows, listed_ids))
    run.record(_counts(run, covered, rows).model_copy(update={"covered": covered.window}))
    return rows


def _counts(run: ValidationRun, scope: Scope, rows: Sequence[CountRow]) -> CountsTaken:
    return CountsTaken(
        source="direct",
        window=scope.window,
        level=run.settings.level.value,
        watermark=scope.coverage.watermark,
        rows=tuple(rows),
    )


def check_sensor_counts(day_counts: Collection[CountRow], sensor_counts: Sequence[CountRow], check: Check) -> None:
    """Hold that each sensor has as many rows on both sides."""
    check.fact("sensors", len(sensor_counts))
    check.fact("rows", f"{sum(row.postgres for row in sensor_counts):,}")
    check.needs(day_counts, "No row was counted.", "There is nothing to prove.")
    differing = [row for row in sensor_counts if row.postgres != row.lake]
    check.that(
        not differing,
        f"{count_of(len(differing), 'sensor')} not alike: "
        + "; ".join(f"{row.sensor_id}: Postgres {row.postgres:,}, lake {row.lake:,}" for row in differing[:3]),
        REPEAT_BACKFILL,
        told_by=(),
    )


def check_day_counts(proof: DirectProof, day_counts: Sequence[CountRow], check: Check) -> None:
    """Hold that each sensor-day is the same on both sides, by count or by digest."""
    check.fact("sensor-days", f"{len(day_counts):,}")
    check.needs(day_counts, "No row was counted.", "There is nothing to prove.")
    differing = [row for row in day_counts if not row.matches]
    torn = "; what a torn file holds is not known" if proof.unreadable else ""
    check.that(
        not differing,
        f"{count_of(len(differing), 'sensor-day')} not alike: {'; '.join(map(_both_sides, differing[:3]))}{torn}",
        REPEAT_BACKFILL,
        told_by=(),
    )


def _both_sides(row: CountRow) -> str:
    if row.postgres == row.lake:
        return f"{row.sensor_id} on {row.day}: {row.postgres} rows on both sides, and their digests differ"
    return f"{row.sensor_id} on {row.day}: Postgres {row.postgres}, lake {row.lake}"


def heal_check(
    run: ValidationRun,
    jobs: JobRunner,
    watch: ReplicationWatch,
    proof: DirectProof,
    day_counts: Sequence[CountRow],
    progress: ProgressReporter,
    establish: Callable[[], object],
) -> Finding:
    """Do as the runbook says when rows differ: backfill and compare again, and return what has healed."""
    try:
        run.facts.backfill = run_backfill(run, jobs, progress, one_day_more=True)
    except WouldLoseError as error:
        return error.finding()
    repeated = covered_scope(run.settings, watch.read(), cold=True, now=utc_now())
    run.facts.healed_to = repeated.coverage.backfill_to
    establish()  # a standby must have come up to the new watermark too
    with progress.track("digests") as update:
        again = [row for _, rows in compare_in_slices(proof, [repeated], Level.DIGEST, update) for row in rows]
    return healed(sum(not row.matches for row in day_counts), sum(not row.matches for row in again))


def compare_every_row(
    run: ValidationRun,
    proof: DirectProof,
    covered: Scope,
    day_counts: Sequence[CountRow],
    heal: Callable[[], Finding],
    progress: ProgressReporter,
) -> tuple[RowsCompared, DrillDown]:
    """Compare every due row with the lake's, and record the rows that differ with their diagnosis.

    By digest, the rows of a sensor-day are read only where its digests differ. All rows that differ are in the
    run's files of differences, the first of them in its log. `heal` is called with `--heal-check`, when rows
    differ.

    Raises NotCheckedError when the run compares counts only.
    """
    level = run.settings.level
    if level is Level.COUNT:
        raise NotCheckedError("left out by --level count: equal counts do not prove equal rows")
    kept = KeptRows(run.differences, proof, covered.coverage, run.settings.shards)
    triage = RowTriage(run.settings.shards, MOST_ROWS_SHOWN, kept.add)
    with progress.track("rows") as update:
        found = drill_down(proof, covered, day_counts, level, triage, update)
    kept.settle(triage)
    compared = RowsCompared(
        level=level.value,
        window=covered.window,
        days=len({row.day for row in day_counts}),
        rows=sum(row.postgres for row in day_counts),
        sensors=len({row.sensor_id for row in day_counts if row.postgres}),
        differing=found.differing,
        not_due=sum(row.not_due for row in day_counts),
        pending=sum(row.pending for row in day_counts),
        covered=covered.window,
    )
    run.record(*found.findings, *explain_counts(day_counts), *found.shown, compared, run.differences.write())
    if (found.differing or found.unreadable) and run.settings.heal_check:
        run.record(heal())
    differing = sum(not row.matches for row in day_counts)
    if differing and not found.differing and not found.unreadable:
        msg = f"The digests of {differing} sensor-days differed, and their rows agree."
        raise SuiteError(msg, "Rows were changed in Postgres or in the lake meanwhile: run again.")
    return compared, found


def check_rows(compared: RowsCompared, found: DrillDown, check: Check) -> None:
    """Hold that every due row is in the lake, as it is in Postgres."""
    check.fact("compared by", compared.level)
    check.fact("rows", f"{compared.rows:,} on {compared.days} days")
    check.fact("not due yet", f"{compared.not_due:,}")
    check.fact("pending upserts", f"{compared.pending:,}")
    diagnoses = "; ".join(f"{finding.diagnosis}: {finding.summary}" for finding in found.findings)
    # this comes first: with no row due, each row that the lake still holds is one too many
    check.that(
        not found.differing and not found.unreadable,
        f"{count_of(found.differing, 'row')} not as in Postgres: {diagnoses}.",
        REPEAT_BACKFILL,
        told_by=(finding.diagnosis for finding in found.findings),
    )
    check.needs(compared.rows, "No row was compared.", "There is nothing to prove.")
