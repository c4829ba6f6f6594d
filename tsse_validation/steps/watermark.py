"""Step 5: the watermark is set, recent, never retreats, and the lake has the partitions that it should have."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date

from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import ActiveJob
from tsse_validation.clients.watch import STANDS_STILL, ControllerClock, ReplicationWatch
from tsse_validation.diagnosis.file_triage import leftover_files, litter_left, malformed_files, manifest_findings
from tsse_validation.domain.contract import Inspection
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import AccessError
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.phrasing import count_of
from tsse_validation.lake.file_checks import FileFindings, examine
from tsse_validation.lake.reader import LakeReader
from tsse_validation.seals.sealed_lake import SealedLake
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.inspecting import temporary_files_left
from tsse_validation.steps.progress import ProgressReporter
from tsse_validation.steps.promises import crowded_shards, partition_differences
from tsse_validation.steps.run import Check, Facts
from tsse_validation.steps.undisturbed import Undisturbed

CLOCK_TOLERANCE_SECONDS = 2
MOST_SECOND_LOOKS = 2
"""How often dates that differ are looked at again."""
LEAST_LAG_GUARD_SECONDS = 60
"""A replication pass stays this far behind the controller's clock at least (contract section 4)."""


def seconds_ahead(postgres: PostgresClient, clock: ControllerClock) -> float:
    """Return the seconds by which Postgres's clock is ahead of the controller's."""
    with postgres.snapshot() as snapshot:
        return (snapshot.now() - clock.now()).total_seconds()


def active_jobs_seen(postgres: PostgresClient, leftover_after: float) -> list[ActiveJob] | None:
    """Return the lake jobs that wait or run now, or `None` where this role may not see them.

    What a crash has left, and has not moved for `leftover_after` seconds, holds nothing up.
    """
    try:
        with postgres.snapshot() as snapshot:
            return [job for job in snapshot.active_lake_jobs() if not job.left_over(leftover_after)]
    except AccessError:
        return None


def check_not_in_the_future(watch: ReplicationWatch, clock: ControllerClock, check: Check) -> None:
    """Hold the watermark against the controller's clock."""
    watermark = require(watch.read().computed_through_ts, "computed_through_ts")
    ahead = (watermark - clock.now()).total_seconds()
    check.fact("watermark", format_rfc3339(watermark))
    if clock.skewed:
        check.warn(f"the controller's clock is {clock.offset_seconds:+.0f} s off ours; its own was used")
    check.that(
        ahead <= CLOCK_TOLERANCE_SECONDS,
        f"The watermark {format_rfc3339(watermark)} lies {ahead:.0f} s in the future of the controller's clock.",
        "It promises rows that nobody has inserted yet: a replication bug, or the clock was set back.",
    )


def hold_clocks_agree(postgres_ahead: float | None, check: Check) -> None:
    """Require that Postgres's clock and the controller's agree, where both can be read: an age needs both."""
    if postgres_ahead is not None:
        check.fact("Postgres's clock", f"{round(postgres_ahead):+d} s off the controller's")
        check.needs(
            abs(postgres_ahead) < LEAST_LAG_GUARD_SECONDS,
            f"The controller's clock is {abs(postgres_ahead):.0f} s "
            f"{'behind' if postgres_ahead > 0 else 'ahead of'} Postgres's: "
            "how far the lake is behind Postgres cannot be told.",
            "Set both clocks right, then run again. A controller that is ahead loses the rows inserted meanwhile.",
        )


def check_recent(
    watch: ReplicationWatch,
    clock: ControllerClock,
    postgres_ahead: float | None,
    active: Callable[[], Sequence[ActiveJob] | None],
    settings: Settings,
    check: Check,
) -> None:
    """Hold the watermark's age against the gate; a replication pass gets time to end.

    `postgres_ahead` is in seconds, or `None` where it is not known. `active` returns the lake jobs that may hold
    the watermark up, or `None` where they cannot be seen.
    """
    hold_clocks_agree(postgres_ahead, check)
    gate = settings.watermark_max_age
    state, recent = watch.look_until(
        lambda state: clock.age_seconds(state.computed_through_ts) <= gate,
        f"a watermark that is at most {gate:.0f} s old",
        settings.settle_timeout,
    )
    age = f"{clock.age_seconds(state.computed_through_ts):.0f} s"
    check.fact("age", f"{age}, gate {gate:.0f} s")
    found = f"The watermark is {age} old, and was older than {gate:.0f} s all of {settings.settle_timeout:.0f} s."
    check.needs(recent or active() == [], f"{found} Another lake job may hold it up.", STANDS_STILL)
    check.that(recent, found, STANDS_STILL)


def check_never_retreats(facts: Facts, watch: ReplicationWatch, check: Check) -> None:
    """Hold the watermarks that were seen so far, and the one of now, to be ascending."""
    marks = {
        "before": require(facts.inspection_before, "the first inspection").replication.computed_through_ts,
        "after": require(facts.inspection, "the second inspection").replication.computed_through_ts,
        "now": watch.read().computed_through_ts,
    }
    known = [mark for mark in marks.values() if mark is not None]
    for name, mark in marks.items():
        check.fact(name, format_rfc3339(mark) if mark else "not set")
    check.that(known == sorted(known), "The watermark went backwards.", "A replication bug: rows may be lost.")
    check.that(marks["now"] is not None, "The watermark is not set any more.")


def check_backfilled_dates(touched: Sequence[date], after: Inspection, check: Check) -> None:
    """Hold that each date which a backfill has touched has files."""
    partitions = after.metrics.partitions
    bare = [day for day in touched if day not in partitions or not partitions[day].shards]
    check.fact("dates", len(touched))
    check.that(
        not bare,
        f"{len(bare)} backfilled dates have no files: {', '.join(map(str, bare[:5]))}.",
        "Re-run the backfill for them; if they stay bare, it is a replication bug.",
    )


def check_dates_with_rows(
    postgres: PostgresClient, lake: LakeReader, covered: Scope, undisturbed: Undisturbed, check: Check
) -> None:
    """Hold that the lake has a partition of each date with a due row, and of no date without any row.

    Dates that differ are looked at again, the lake first: a chunk that the server rewrote under our snapshot made
    its rows vanish there, and a partition may have come meanwhile.

    Raises NotCheckedError as `Undisturbed` where dates differ.
    """
    reader = BoundedReader(postgres)
    listing = lake.listing()
    days = _days_with_rows(reader, covered)
    missing, extra = partition_differences(days, listing.days(), covered.window)
    for _ in range(MOST_SECOND_LOOKS if missing or extra else 0):
        listing = lake.listing()
        days = _looked_at_again(reader, covered, days, {*missing, *extra})
        missing, extra = partition_differences(days, listing.days(), covered.window)
    if missing or extra:
        undisturbed()
    wanted = {day for day, is_due in days.items() if is_due}
    check.record(*manifest_findings(listing, wanted))
    check.fact("dates with rows", len(wanted))
    check.needs(wanted, "Postgres has no row in the covered range.", "There is nothing to prove.")
    check.that(
        not missing,
        f"{len(missing)} dates with rows have no partition: {', '.join(map(str, missing[:5]))}.",
        "Re-run the backfill for them; if they stay missing, it is a replication bug.",
    )
    check.that(
        not extra,
        f"{len(extra)} partitions have no row in Postgres: {', '.join(map(str, extra[:5]))}.",
        "Were the rows deleted in Postgres? Re-run the backfill with replace_existing.",
    )


def _days_with_rows(reader: BoundedReader, scope: Scope) -> dict[date, bool]:
    """Return the UTC days on which Postgres has a row, and of each whether a row is due."""
    days: dict[date, bool] = {}
    for _, found in reader.pieces(scope, lambda snapshot, part: snapshot.days_with_rows(part)):
        for day, is_due in found.items():
            days[day] = days.get(day, False) or is_due
    return days


def _looked_at_again(
    reader: BoundedReader, covered: Scope, days: Mapping[date, bool], doubtful: Collection[date]
) -> dict[date, bool]:
    """Return the days with rows, asked anew about those that are doubtful."""
    kept = {day: is_due for day, is_due in days.items() if day not in doubtful}
    for part in covered.split_by_day():
        if part.window.start.date() in doubtful:
            kept |= _days_with_rows(reader, part)
    return kept


def check_file_counts(inspection: Inspection, today: date, check: Check) -> None:
    """Hold that no shard-day has more files than compaction leaves; `today` is the UTC day."""
    crowded = crowded_shards(inspection.metrics, today)
    partitions = inspection.metrics.partitions.values()
    check.fact(
        "most files in a shard-day", max((partition.most_in_a_shard for partition in partitions), default=0)
    )
    check.that(
        not crowded,
        f"{len(crowded)} shard-days hold too many files: {'; '.join(crowded[:3])}.",
        "Compaction does not keep up: look at the controller's log (contract section 4).",
    )


def check_temporary_files(lake: LakeReader, check: Check) -> None:
    """Hold that no temporary file stays; name what is none of the lake's."""
    listing = lake.listing()
    if litter := litter_left(listing.litter):
        check.record(litter)
    if listing.foreign:
        check.warn(
            f"{len(listing.foreign)} names in the lake are none of its own, such as {listing.foreign[0].name}"
        )
    if isinstance(lake, SealedLake):
        # a seal shows one moment: what is in the making then is renamed before long
        names = count_of(len(listing.temporary), "temporary file")
        check.needs(not listing.temporary, f"{names} lay there as it was sealed: whether they stay is open.")
    left = temporary_files_left(lake)
    finding = leftover_files(left)
    if finding is not None:
        check.record(finding)
    check.that(
        not left,
        f"{len(left)} temporary files are left over: {', '.join(path.name for path in left[:3])}.",
        "A write was torn: look at the controller's log, then remove them.",
        told_by=(found.diagnosis for found in (finding,) if found is not None),
    )


def examine_files(lake: LakeReader, progress: ProgressReporter) -> FileFindings:
    """Look into every file of the lake, or take what its seal says was found there."""
    if isinstance(lake, SealedLake):
        return lake.findings()
    findings = FileFindings()
    files = lake.listing().files
    with progress.track("lake files") as update:
        for done, file in enumerate(files, start=1):
            examine(file, lake.paths.shards, findings)
            update(done, len(files), f"date={file.day}")
    return findings


def check_files(aspect: str, examined: FileFindings, check: Check) -> None:
    """Hold one of `FILE_ASPECTS` of every file."""
    check.fact("files", f"{examined.files:,}")
    check.fact("rows", f"{examined.rows:,}")
    if examined.unsorted and aspect == "duplicates":
        check.fact("order starts again in", f"{count_of(examined.unsorted, 'file')}, as several threads leave it")
    problems = examined.problems[aspect]
    check.needs(examined.files, "The lake has no file.", "There is nothing to look at.")
    finding = malformed_files(aspect, problems)
    if finding is not None:
        check.record(finding)
    check.that(
        not problems,
        f"{count_of(len(problems), 'file')}: {'; '.join(map(str, problems[:3]))}.",
        "Re-run the backfill with replace_existing for the date; see contract section 4.",
        told_by=(found.diagnosis for found in (finding,) if found is not None),
    )
