"""Step 6, beyond the covered range: what is due there all the same, and how much both sides hold in all."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.diagnosis import beyond_triage
from tsse_validation.diagnosis.count_triage import dropped_by_postgres
from tsse_validation.diagnosis.file_triage import unreadable_files
from tsse_validation.diagnosis.kept_rows import KeptRows
from tsse_validation.diagnosis.row_triage import RowTriage
from tsse_validation.domain.contract import Inspection
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.errors import DeadlineError, NotCheckedError
from tsse_validation.domain.phrasing import count_of, days_in_words
from tsse_validation.lake.rows import LakeRows
from tsse_validation.parity import beyond
from tsse_validation.parity.beyond import OuterReader, PostgresOutside, SensorDays
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.beyond_record import BeyondCompared, BeyondDate
from tsse_validation.runlog.records import CountRow, ExtentSeen, Finding
from tsse_validation.settings.fields import Cover, Level
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.proving import MOST_ROWS_SHOWN
from tsse_validation.steps.run import Check, Facts, ValidationRun

MOST_FOOTERS = 20_000
"""Files outside of the covered range whose footers are read to count their rows."""
MOST_ROWS_COUNTED = 5_000_000
"""Rows outside of the covered range that are counted in Postgres; of more there is an estimate."""
NOT_COUNTED_BEYOND = (
    "Rows dated after the watermark or before the covered range were not checked: the controller's job counts up "
    "to the watermark. Where Postgres and the lake's files are given, the run compares those that are due."
)


@dataclass(frozen=True)
class BeyondSeen:
    """What was found outside of the covered range, and how much both sides hold in all."""

    compared: BeyondCompared
    extent: ExtentSeen
    findings: Sequence[Finding]


def earlier_promise(facts: Facts) -> Coverage | None:
    """Return what the lake promised before this run, or `None` where it had no backfill, or is not known."""
    before = facts.inspection_before
    if before is None:
        return None
    try:
        return Coverage.promised_by(before.replication)
    except NotCheckedError:
        return None


def extent_by_inspection(inspection: Inspection, covered: Scope) -> ExtentSeen:
    """Return what the API alone tells of how much there is: the lake's dates."""
    days = sorted(day for day, partition in inspection.metrics.partitions.items() if partition.parquet_files)
    return ExtentSeen(covered=covered.window, **_lake_dates(days))


def compare_beyond(
    run: ValidationRun,
    proof: DirectProof,
    postgres: PostgresClient,
    covered: Scope,
    day_counts: Sequence[CountRow],
    progress: ProgressReporter,
) -> BeyondSeen:
    """Compare what is due outside of the covered range, and measure what both sides hold in all.

    With `--cover lake` every other row of the lake's dates is compared, too. Where Postgres has no row as old as a
    date of the lake, that date is the lake's alone and nothing to compare.

    Raises NotCheckedError when the run compares counts only.
    """
    settings, coverage = run.settings, covered.coverage
    reader = OuterReader(postgres)
    outside = _postgres_outside(reader, coverage, day_counts)
    first = min(outside.first or covered.window.start, covered.window.start)
    lake = proof.lake_rows(coverage)
    days = lake.days()
    with progress.track("rows beyond the covered range") as update:
        promised = beyond.compare_promised(
            proof, reader, coverage, earlier_promise(run.facts), first, settings.level
        )
        others: SensorDays = ()
        if settings.cover is Cover.LAKE:
            others = beyond.compare_other_dates(proof, coverage, days, first, settings.level)
        update(1, 1, "compared")
    extent = _extent(lake, covered, day_counts, outside, reader.estimated_rows, promised)
    run.record(extent)
    if settings.level is Level.COUNT:
        raise NotCheckedError("left out by --level count: equal counts do not prove equal rows")
    findings, differing = _diagnosed(run, proof, coverage, promised, others)
    if settings.cover is Cover.LAKE:
        findings += _alone(lake.rows_outside(covered.window), first)
    compared = _compared(settings.level, settings.cover, coverage, promised, others, differing)
    run.record(*findings, compared)
    return BeyondSeen(compared, extent, [found for found in findings if found.flagged])


def check_beyond(seen: BeyondSeen, check: Check) -> None:
    """Hold that every row that is due outside of the covered range is in the lake, as it is in Postgres."""
    compared, extent = seen.compared, seen.extent
    days = [row.day for row in compared.dates if row.postgres]
    where = f" on {days_in_words(days)}" if days else ""
    check.fact("compared by", f"{compared.level}, --cover {compared.cover}")
    check.fact("rows beyond the covered range", f"{count_of(compared.rows, 'row')}{where}")
    check.fact("not due yet", f"{compared.not_due:,}")
    if extent.unpromised_rows is None:
        check.fact("promised by nobody", "not counted")
    else:
        rows, dates = count_of(extent.unpromised_rows, "row"), count_of(extent.unpromised_dates or 0, "date")
        check.fact("promised by nobody", f"{rows} of the lake on {dates}{_whether_compared(compared, extent)}")
    told = "; ".join(f"{found.diagnosis}: {found.summary}" for found in seen.findings)
    check.that(
        not seen.findings,
        f"{count_of(compared.differing, 'row')} beyond the covered range not as in Postgres: {told}.",
        beyond_triage.NEXT_STEP,
        told_by=(found.diagnosis for found in seen.findings),
    )


def _whether_compared(compared: BeyondCompared, extent: ExtentSeen) -> str:
    if not extent.unpromised_rows:
        return ""
    return ", compared" if compared.cover == Cover.LAKE else ", not compared (--cover lake does)"


def _postgres_outside(reader: OuterReader, coverage: Coverage, day_counts: Sequence[CountRow]) -> PostgresOutside:
    """Look at what Postgres holds outside; where counting it takes long, leave that to the server's estimate."""
    if reader.estimated_rows - _rows_counted(day_counts) <= MOST_ROWS_COUNTED:
        try:
            return reader.look_outside(coverage, counted=True)
        except DeadlineError:
            pass  # the ends of what is there are found by the primary key, without counting
    return reader.look_outside(coverage, counted=False)


def _rows_counted(day_counts: Sequence[CountRow]) -> int:
    return sum(row.postgres + row.not_due for row in day_counts)


def _extent(
    lake: LakeRows,
    covered: Scope,
    day_counts: Sequence[CountRow],
    outside: PostgresOutside,
    estimated: int,
    promised: SensorDays,
) -> ExtentSeen:
    inside = _rows_counted(day_counts)
    days = [row.day for row in day_counts if row.day is not None and (row.postgres or row.not_due)]
    days += [instant.date() for instant in (outside.first, outside.last) if instant is not None]
    unpromised = None
    if len(lake.files_outside(covered.window)) <= MOST_FOOTERS:
        unpromised = lake.rows_outside(covered.window)
        for row in (row for _, rows in promised for row in rows):
            if row.day is not None:
                # what came in after the watermark is the next one's promise, and replicated meanwhile
                unpromised[row.day] = unpromised.get(row.day, 0) - row.lake - row.not_due
    left = [rows for rows in (unpromised or {}).values() if rows > 0]
    return ExtentSeen(
        covered=covered.window,
        postgres_rows=max(estimated, inside) if outside.rows is None else inside + outside.rows,
        exact=outside.rows is not None,
        postgres_first=min(days, default=None),
        postgres_last=max(days, default=None),
        unpromised_rows=None if unpromised is None else sum(left),
        unpromised_dates=None if unpromised is None else len(left),
        **_lake_dates(lake.days()),
    )


def _lake_dates(days: Sequence[date]) -> dict[str, object]:
    return {
        "lake_dates": len(days),
        "lake_first": days[0] if days else None,
        "lake_last": days[-1] if days else None,
    }


def _diagnosed(
    run: ValidationRun, proof: DirectProof, coverage: Coverage, promised: SensorDays, others: SensorDays
) -> tuple[list[Finding], int]:
    """Read the rows that differ; record the first of them, and return the findings and how many rows differ."""
    level, shards = run.settings.level, run.settings.shards
    of_due = KeptRows(run.differences, proof, coverage, shards)
    due = RowTriage(shards, MOST_ROWS_SHOWN, of_due.add)
    for comparison in beyond.compare_rows_of(proof, promised, level):
        due.add(comparison)
    of_due.settle(due)
    of_rest = KeptRows(run.differences, proof, coverage, shards)
    rest = RowTriage(shards, MOST_ROWS_SHOWN, of_rest.add)
    heads: dict[date, int] = defaultdict(int)
    scopes = [scope for scope, _ in promised]
    for comparison in beyond.compare_rows_of(proof, others, level):
        first = proof.lake_rows(coverage).first_instant(comparison.day)
        left, before = beyond.unpromised_part(comparison, scopes, first)
        rest.add(left)
        heads[comparison.day] += before
    of_rest.settle(rest)
    run.record(*due.shown, *rest.shown, run.differences.write())
    findings = [beyond_triage.of_promised(found) for found in due.findings()]
    findings += [beyond_triage.of_others(found) for found in rest.findings()]
    findings += beyond_triage.before_a_backfill({day: rows for day, rows in heads.items() if rows})
    unread = {
        file: why
        for file, why in proof.unreadable.items()
        if coverage.window is not None and coverage.window.on(file.day) is None
    }
    if (torn := unreadable_files(unread)) is not None and torn.diagnosis not in {
        found.diagnosis for found in findings
    }:
        findings.insert(0, torn)
    return findings, due.differing + rest.differing


def _alone(rows: Mapping[date, int], first: datetime) -> list[Finding]:
    """Tell of the lake's dates that are older than all rows of Postgres."""
    alone = {day: number for day, number in sorted(rows.items()) if number and day < first.date()}
    return [dropped_by_postgres(first, sum(alone.values()), list(alone))] if alone else []


def _compared(
    level: Level, cover: Cover, coverage: Coverage, promised: SensorDays, others: SensorDays, differing: int
) -> BeyondCompared:
    """Add the sensor-days up; a date of which every row was compared counts with all of them."""
    whole = {row.day for _, rows in others for row in rows}
    rows = [row for _, part in others for row in part]
    rows += [row for _, part in promised for row in part if row.day not in whole]
    by_day: dict[date, list[CountRow]] = defaultdict(list)
    for row in rows:
        if row.day is not None:
            by_day[row.day].append(row)
    return BeyondCompared(
        level=level.value,
        cover=cover.value,
        since=coverage.backfill_to,
        watermark=coverage.watermark,
        rows=sum(row.postgres for row in rows),
        sensors=len({row.sensor_id for row in rows if row.postgres}),
        dates=tuple(
            BeyondDate(
                day,
                sum(row.postgres for row in of_day),
                sum(row.lake for row in of_day),
                all(row.matches for row in of_day),
            )
            for day, of_day in sorted(by_day.items())
        ),
        differing=differing,
        not_due=sum(row.not_due for row in rows),
        pending=sum(row.pending for row in rows),
    )
