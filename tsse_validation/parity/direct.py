"""Reads both sides and compares them: the suite's own evidence, independent of the controller.

Digests come first, rows only where digests differ: a full proof transfers one line for each sensor and day, and
still names the exact rows that differ.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import KEY_SCHEMA, add_digests, digest_days
from tsse_validation.domain.polling import Update, quiet
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeFile, LakeReader
from tsse_validation.lake.rows import LakeRows
from tsse_validation.lake.shards import shard_of
from tsse_validation.parity.comparing import (
    DayComparison,
    DayFiles,
    compare_counts,
    compare_digests,
    diff_rows,
    only_since,
    sum_by_sensor,
    without_keys,
)
from tsse_validation.runlog.records import CountRow
from tsse_validation.settings.fields import Level

GROUP_ROWS = 200_000
"""Rows that are read from each side at a time where sensor-days differ, about."""
OLDER_ROWS = 20_000
"""What a sensor may have on one date beside the rows that are compared, about, where only some are."""
SLICE_ROWS = 50_000_000
"""Rows that one statement digests at the most, about: some 20 seconds of one core of the server."""


@dataclass(frozen=True)
class WindowCount:
    """One window counted on both sides; `rows` has a line for each sensor with a row on either."""

    window: Window
    rows: Sequence[CountRow]

    @property
    def postgres(self) -> int:
        """Due rows in Postgres."""
        return sum(row.postgres for row in self.rows)

    @property
    def lake(self) -> int:
        """Distinct keys in the lake."""
        return sum(row.lake for row in self.rows)

    @property
    def mismatching(self) -> tuple[str, ...]:
        """The sensors whose counts differ."""
        return tuple(row.sensor_id for row in self.rows if not row.matches)


class DirectProof:
    """Compares Postgres and the lake by our own reading, over one connection.

    The coverage is read first: every row due at its watermark was in the lake by then, and replication adds only
    later ones. One race is left. A row that is upserted after the snapshot, and whose older version a compaction
    removes before we read it, looks lost. So whatever differs is read again, the lake first and Postgres after: a
    row that is due in the later snapshot was current all the time, and no newer version can have displaced it.
    """

    def __init__(self, postgres: PostgresClient, lake: LakeReader) -> None:
        self._postgres = postgres
        self._lake = lake
        self._listed: tuple[Coverage, LakeRows] | None = None

    def slices(self, scope: Scope) -> list[Scope]:
        """Split a scope into slices of about `SLICE_ROWS` rows, each read by one statement."""
        with self._postgres.snapshot() as snapshot:
            return scope.in_slices(-(-snapshot.estimated_rows() // SLICE_ROWS))

    def compare_sensor_days(
        self, scope: Scope, *, level: Level = Level.DIGEST, on_day: Update = quiet
    ) -> list[CountRow]:
        """Compare every sensor on every UTC day of a scope, by digest or by count alone.

        Postgres works on its side while the lake's files are digested here.
        """
        hashed = level is not Level.COUNT
        lake = self.lake_rows(scope.coverage)
        days = (scope.window.end.date() - scope.window.start.date()).days + 1
        with self._postgres.snapshot() as snapshot:
            not_due = snapshot.not_due_keys(scope)
            with _beside(snapshot, lambda: snapshot.digests(scope, hashed=hashed)) as postgres:
                parts = []
                for part, digests in lake.digests(scope, not_due, hashed=hashed):
                    parts.append(digests)
                    done = (part.window.end.date() - scope.window.start.date()).days + 1
                    on_day(done, days, f"digested up to {part.window.end.date()}", rows=_rows_of(digests))
                pending = lake.pending_keys(scope, not_due)
                rows = compare_digests(postgres(), add_digests(parts), not_due, pending)
        return self._settled(rows, scope, hashed=hashed)

    def count_window(self, scope: Scope) -> WindowCount:
        """Count every sensor in one window, in one query a side: give at most a few days."""
        with self._postgres.snapshot() as snapshot:
            not_due = snapshot.not_due_keys(scope)
            postgres = snapshot.counts(scope)
        lake = self.lake_rows(scope.coverage).counts(scope, not_due)
        rows = compare_counts(None, postgres, lake)
        if doubtful := [row.sensor_id for row in rows if not row.matches]:
            again = sum_by_sensor(self._look_again(scope, doubtful, hashed=False), doubtful)
            rows = sorted([row for row in rows if row.matches] + again)
        return WindowCount(scope.window, rows)

    def _settled(self, rows: list[CountRow], scope: Scope, *, hashed: bool) -> list[CountRow]:
        """Read the sensor-days that differ again, and replace them by the result.

        The rows of an unreadable file are not known: no sensor-day of its shard matches.
        """
        settled = [row for row in rows if row.matches]
        for part, sensor_ids in _in_groups(scope, (row for row in rows if not row.matches)):
            settled += self._look_again(part, sensor_ids, hashed=hashed)
        if unknown := {(file.day, file.shard) for file in self.unreadable}:
            settled = [
                row._replace(matches=row.matches and (row.day, self._shard_of(row)) not in unknown)
                for row in settled
            ]
        return sorted(settled)

    def _shard_of(self, row: CountRow) -> str:
        return shard_of(row.sensor_id, self._lake.paths.shards)

    def _look_again(self, scope: Scope, sensor_ids: Sequence[str], *, hashed: bool) -> list[CountRow]:
        newest, copies = self._newest(scope, sensor_ids)
        with self._postgres.snapshot() as snapshot:
            not_due = _of_sensors(snapshot.not_due_keys(scope), sensor_ids)
            if scope.since is None:
                postgres = snapshot.digests(scope, sensor_ids=sensor_ids, hashed=hashed)
            else:
                held = snapshot.held_rows(scope, sensor_ids)
        if scope.since is not None:
            held, newest = only_since(scope.since, held, newest)
            _, copies = without_keys(copies, newest.select(KEY_SCHEMA.names))
            postgres = digest_days(held, hashed=hashed)
        kept, pending = without_keys(newest, not_due)
        twice = {(key["sensor_id"], key["ts"].date()) for key in copies.to_pylist()}
        rows = compare_digests(postgres, digest_days(kept, hashed=hashed), not_due, pending)
        return [row._replace(matches=row.matches and (row.sensor_id, row.day) not in twice) for row in rows]

    def _newest(self, scope: Scope, sensor_ids: Sequence[str]) -> tuple[pa.Table, pa.Table]:
        """Return the lake's newest row of each key, however old, and the keys that a file holds twice."""
        lake, whole = self.lake_rows(scope.coverage), scope.with_older_versions()
        return lake.newest_rows(whole, sensor_ids), lake.copies_in_a_file(whole, sensor_ids)

    def compare_rows(
        self, scope: Scope, sensor_days: Iterable[CountRow], on_day: Update = quiet
    ) -> Iterator[DayComparison]:
        """Compare sensor-days row by row, and yield each day as it is done, a large one in parts.

        A part has about `GROUP_ROWS` rows, and all of a sensor's that day.
        """
        groups = list(_in_groups(scope, sensor_days))
        days = sorted({part.window.start.date() for part, _ in groups})
        for part, sensor_ids in groups:
            compared = self._compare(part, sensor_ids)
            yield compared
            on_day(days.index(compared.day) + 1, len(days), f"compared {compared.day}", rows=compared.rows)

    def _compare(self, scope: Scope, sensor_ids: Sequence[str]) -> DayComparison:
        lake, day = self.lake_rows(scope.coverage), scope.window.start.date()
        newest, copies = self._newest(scope, sensor_ids)
        with self._postgres.snapshot() as snapshot:
            due = (snapshot.due_rows if scope.since is None else snapshot.held_rows)(scope, sensor_ids)
            not_due = snapshot.not_due_keys(scope)
        if scope.since is not None:
            due, newest = only_since(scope.since, due, newest)
        files = DayFiles.of(lake.files_of([day]), lake.unreadable)
        compared = diff_rows(day, due, newest, not_due, copies, files)
        missing = compared.missing_keys()
        return replace(compared, elsewhere=lake.elsewhere(day, missing)) if missing.num_rows else compared

    @property
    def unreadable(self) -> Mapping[LakeFile, str]:
        """The files that could not be read so far, each with the reader's error."""
        return self._listed[1].unreadable if self._listed is not None else {}

    def lake_rows(self, coverage: Coverage) -> LakeRows:
        """Return the lake as listed for a coverage: rows due then are in those files, or in what replaced them."""
        listed = self._listed
        if listed is None or listed[0].watermark < coverage.watermark:
            self._listed = listed = (coverage, LakeRows(self._lake))
        return listed[1]


def _rows_of(digests: pa.Table) -> int:
    return int(pc.sum(digests["rows"]).as_py() or 0)


def _in_groups(scope: Scope, sensor_days: Iterable[CountRow]) -> Iterator[tuple[Scope, list[str]]]:
    """Split sensor-days by day, and a day's sensors so that a group has some `GROUP_ROWS` rows."""
    by_day = defaultdict[date, list[CountRow]](list)
    for row in sensor_days:
        if row.day is not None:
            by_day[row.day].append(row)
    beside = OLDER_ROWS if scope.since is not None else 0
    for day in sorted(by_day):
        if (within := scope.window.on(day)) is None:
            continue
        part = scope.narrowed(within)
        group: list[str] = []
        rows = 0
        for row in by_day[day]:
            size = max(row.postgres, row.lake) + beside
            if group and rows + size > GROUP_ROWS:
                yield part, group
                group, rows = [], 0
            group.append(row.sensor_id)
            rows += size
        yield part, group


def _of_sensors(table: pa.Table, sensor_ids: Sequence[str]) -> pa.Table:
    return table.filter(pc.is_in(table["sensor_id"], value_set=pa.array(sensor_ids, pa.string())))


@contextmanager
def _beside(snapshot: Snapshot, work: Callable[[], pa.Table]) -> Iterator[Callable[[], pa.Table]]:
    """Run a query in a thread of its own, and yield how to get its result; an error here ends it there."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work)
        try:
            yield future.result
        except BaseException:
            snapshot.cancel()
            raise
