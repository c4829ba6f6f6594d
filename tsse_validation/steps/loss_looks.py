"""Looks at what a backfill would take out of the lake: by our own reading of both sides, or by the API alone."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tsse_validation.clients.jobs import JobRunner
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.contract import InspectedPartition, Inspection, ParityResult
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import KEY_SCHEMA, add_digests, rows_digested
from tsse_validation.domain.errors import SuiteError
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, utc_day
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.replacement import FilesOfDate, Loss
from tsse_validation.domain.windows import Window, on_days
from tsse_validation.lake.reader import LakeFile, LakeReader
from tsse_validation.lake.rows import LakeRows
from tsse_validation.lake.sql import column_engine
from tsse_validation.parity.comparing import compare_digests
from tsse_validation.parity.job_counts import ALL_SENSORS, ParityJobs, counts_of
from tsse_validation.parity.postgres_side import PostgresSide, SideOfDays
from tsse_validation.settings.definitions import Settings

_EVER = datetime(9999, 1, 1, tzinfo=UTC)
"""A watermark behind which every row lies: what is asked here is what there is, not what is due."""
_MOST_RUNS = 4
"""Parity jobs that narrow a surplus down: each takes one of the POST budget."""

DateFiles = Mapping[date, FilesOfDate]


@dataclass(frozen=True)
class Surplus:
    """What the lake holds and Postgres does not, in a range; `unknown` is what could not be told, in words."""

    losses: tuple[Loss, ...] = ()
    unknown: tuple[str, ...] = ()


class LossLook(Protocol):
    """A way to look at what would be lost; `by` says which it is."""

    by: str

    def rows_in(self, window: Window) -> int | None:
        """Return how many rows the lake holds in a window of a day or two; `None` where that cannot be told."""

    def may_hold(self, window: Window) -> bool:
        """Whether the lake may hold a row there, without a look into its rows."""

    def beyond_postgres(self, window: Window) -> Surplus:
        """Return what the lake holds in a window and Postgres does not."""

    def files(self) -> DateFiles:
        """Return the files of each date, hot and cold."""

    def times_of(self, day: date) -> Mapping[datetime, int]:
        """Return how many rows the lake holds of each minute of a date; nothing where that cannot be told."""


@dataclass
class DirectLook:
    """Reads both sides: exact, by digests first, and by keys where those differ."""

    postgres: PostgresClient
    lake: LakeReader
    by: str = "our own reading of Postgres and of the lake's files"

    def rows_in(self, window: Window) -> int | None:
        """Count distinct keys."""
        rows = LakeRows(self.lake)
        counted = sum(
            rows_digested(part)
            for _, part in rows.digests(_everything(window), KEY_SCHEMA.empty_table(), hashed=False)
        )
        return None if any(file.day in set(window.days()) for file in rows.unreadable) else counted

    def may_hold(self, window: Window) -> bool:
        """Look at the files' footers."""
        of_days = [file for day in window.days() for file in self._listed.get(day, ())]
        return any((first := _first_ts(file)) is None or first <= window.end for file in of_days)

    @cached_property
    def _listed(self) -> Mapping[date, Sequence[LakeFile]]:
        """The lake's files by date, listed once: many ranges are tried, one after the other."""
        listed = defaultdict[date, list[LakeFile]](list)
        for file in self.lake.listing().files:
            listed[file.day].append(file)
        return dict(listed)

    def beyond_postgres(self, window: Window) -> Surplus:
        """Compare digests, and keys of what differs; only dates that the lake has are asked for."""
        rows = LakeRows(self.lake)
        held = window.clamp(_spanned(self._listed)) if self._listed else None
        losses: list[Loss] = []
        for side in PostgresSide(self.postgres).slices(_everything(held), hashed=True) if held else ():
            losses += self._lost_in(side, rows)
        unread = sorted({file.day for file in rows.unreadable if day_start(file.day) in _whole_days(window)})
        if not unread:
            return Surplus(tuple(losses))
        said = f"{count_of(len(unread), 'date')} with files that cannot be read, such as {unread[0]}"
        return Surplus(tuple(losses), (said,))

    def _lost_in(self, side: SideOfDays, rows: LakeRows) -> Iterator[Loss]:
        scope = side.scope
        none = KEY_SCHEMA.empty_table()
        theirs = add_digests([part for _, part in rows.digests(scope, none)])
        compared = compare_digests(side.digests, theirs, none, none)
        known = {row.day for row in compared if row.postgres}
        doubtful = defaultdict[date, list[str]](list)
        for row in compared:
            if row.lake and not row.matches and row.day is not None:
                doubtful[row.day].append(row.sensor_id)
        for day, sensor_ids in sorted(doubtful.items()):
            part = scope.window.on(day)
            if part is not None and (lost := self._lost_keys(scope.narrowed(part), sensor_ids, rows)):
                yield Loss(day, lost, whole=day not in known)

    def _lost_keys(self, scope: Scope, sensor_ids: Sequence[str], rows: LakeRows) -> int:
        # the lake first: a row that comes in between is then on the side of Postgres
        held = rows.newest_rows(scope, sensor_ids).select(KEY_SCHEMA.names)
        if not held.num_rows:
            return 0
        due, not_due = PostgresSide(self.postgres).due_rows(scope, sensor_ids)
        there = pa.concat_tables([due.select(KEY_SCHEMA.names), not_due.cast(KEY_SCHEMA)])
        with column_engine(held=held, there=there) as engine:
            found = engine.execute("SELECT count(*) FROM held ANTI JOIN there USING (sensor_id, ts)").fetchone()
        return int(found[0]) if found else 0

    def files(self) -> DateFiles:
        """List hot and cold, with the rows by each file's footer."""
        return files_with_rows(self.lake)

    def times_of(self, day: date) -> Mapping[datetime, int]:
        """Count distinct keys by minute."""
        return minutes_of(self.lake, day)


def files_with_rows(lake: LakeReader) -> DateFiles:
    """Return the files of each date, those that no reader takes too, with the rows by each file's footer."""
    listing = lake.listing()
    found = defaultdict[date, FilesOfDate](dict)
    for file in (*listing.files, *listing.shadowed):
        found[file.day][file.shard, file.path.name] = _rows_of(file)
    return dict(found)


def minutes_of(lake: LakeReader, day: date) -> Mapping[datetime, int]:
    """Return how many keys the lake holds of each minute of a date."""
    scope = _everything(_spanned([day]))
    try:
        return LakeRows(lake).minutes(scope)
    except SuiteError:  # a torn file: other checks tell of it
        return {}


@dataclass
class JobLook:
    """Asks the controller: the inspection for dates and files, and its parity job for rows of all sensors.

    The job counts rows and not keys (contract section 3), so that a surplus is exact only where each shard-day is
    one file. Deleted sensors are not counted.
    """

    jobs: JobRunner
    settings: Settings
    inspection: Inspection
    by: str = "the controller's inspection and its parity job, without deleted sensors"
    _unknown: list[str] = field(default_factory=list)

    def rows_in(self, window: Window) -> int | None:
        """Count the lake's rows by the job, where it has files of the date."""
        if not self.may_hold(window):
            return 0
        counted = self._count(window)
        return None if counted is None else sum(row.lake_count for row in counted.rows)

    def may_hold(self, window: Window) -> bool:
        """Look at the inspection's dates."""
        return any(self._partition(day).shards for day in window.days())

    def beyond_postgres(self, window: Window) -> Surplus:
        """Count the whole range, and where there is a surplus the dates of which no row can stand twice.

        Where these do not explain it, the first date is counted too: retention begins there.
        """
        held = [day for day in window.days() if self._partition(day).shards]
        if not held:
            return Surplus()
        self._unknown.clear()
        counted = self._count(_clamped(window, held))
        if counted is None:
            return Surplus(unknown=tuple(self._unknown))
        if not (surplus := _surplus_of(counted)):
            return Surplus()
        losses = [loss for run in self._single_files(held)[:_MOST_RUNS] for loss in self._lost_in(window, run)]
        if surplus > sum(loss.rows or 0 for loss in losses) and held[0] not in {loss.day for loss in losses}:
            losses += self._dropped(window, held[0])
        if left := surplus - sum(loss.rows or 0 for loss in losses):
            more = count_of(left, "row")
            self._unknown.append(f"{more} more in the lake than in Postgres may be copies until compaction")
        return Surplus(tuple(losses), tuple(self._unknown))

    def files(self) -> DateFiles:
        """Return no names, for the inspection has none: a shard's files stand for it."""
        return {
            day: {(shard, "files"): None for shard, files in partition.shards.items() if files.parquet_files}
            for day, partition in self.inspection.metrics.partitions.items()
            if partition.shards
        }

    def times_of(self, day: date) -> Mapping[datetime, int]:  # noqa: ARG002 - as the protocol has it
        """Tell nothing: that would take a job for each minute."""
        return {}

    def _lost_in(self, window: Window, run: Sequence[date]) -> Iterator[Loss]:
        asked = _clamped(window, run)
        counted = self._count(asked)
        if counted is None or not _surplus_of(counted):
            return
        # a row in the microsecond behind the end counts on the lake's side alone, but not behind two ends
        again = self._count(Window(asked.start, asked.end - MICROSECOND))
        rows = min(_surplus_of(counted), _surplus_of(again)) if again is not None else 0
        if rows:
            whole = not any(row.pg_count for row in counted.rows)
            yield from (Loss(day, None, whole=whole) for day in run[1:])
            yield Loss(run[0], rows, whole=whole)

    def _dropped(self, window: Window, first: date) -> Iterator[Loss]:
        """Yield the first date when Postgres has none of its rows: the oldest are dropped, and are no copies."""
        counted = self._count(_clamped(window, [first]))
        if counted is not None and _surplus_of(counted) and not any(row.pg_count for row in counted.rows):
            yield Loss(first, _surplus_of(counted), whole=True)

    def _single_files(self, days: Sequence[date]) -> list[list[date]]:
        """Return the runs of dates whose shard-days are one file each, the longest first."""
        alone = [day for day in days if self._partition(day).most_in_a_shard == 1]
        runs = [list(run.days()) for run in on_days(_spanned(alone), alone)] if alone else []
        return sorted(runs, key=len, reverse=True)

    def _partition(self, day: date) -> InspectedPartition:
        return self.inspection.metrics.partitions.get(day, InspectedPartition())

    def _count(self, window: Window) -> ParityResult | None:
        # the lake is counted a microsecond further than asked (contract section 3)
        end = max(window.end - MICROSECOND, window.start + MICROSECOND)
        asked = Window(window.start, end)
        try:
            counter = ParityJobs(self.jobs, self.settings.job_timeout)
            return counter.count(asked, (), ALL_SENSORS, purpose="loss").result
        except SuiteError as error:
            self._unknown.append(error.message.rstrip("."))
            return None


def _surplus_of(counted: ParityResult) -> int:
    return sum(count.surplus for count in counts_of(counted))


def _clamped(window: Window, days: Sequence[date]) -> Window:
    return window.clamp(_spanned(days)) or window


def _spanned(days: Collection[date]) -> Window:
    return _whole_days(Window(day_start(min(days)), day_start(max(days))))


def _whole_days(window: Window) -> Window:
    return Window(day_start(utc_day(window.start)), day_start(utc_day(window.end)) + DAY - MICROSECOND)


def _everything(window: Window) -> Scope:
    return Scope(window, Coverage(window.start, _EVER, _EVER))


def _rows_of(file: LakeFile) -> int | None:
    try:
        return int(pq.read_metadata(file.path).num_rows)
    except (OSError, pa.ArrowException):
        return None


def _first_ts(file: LakeFile) -> datetime | None:
    """Return the first `ts` by a file's footer, or `None` where it does not tell."""
    try:
        metadata = pq.read_metadata(file.path)
        column = metadata.schema.names.index("ts")
        groups = (metadata.row_group(number).column(column) for number in range(metadata.num_row_groups))
        first: datetime = min(group.statistics.min for group in groups)
        return first.replace(tzinfo=UTC)
    except (OSError, ValueError, AttributeError, TypeError, pa.ArrowException):
        return None
