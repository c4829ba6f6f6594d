"""Reads both sides and compares them: the suite's own evidence, independent of the controller.

Digests come first, rows only where digests differ: a full proof transfers one line for each sensor and day, and
still names the exact rows that differ.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import KEY_SCHEMA, digest_days
from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.domain.polling import Update, quiet
from tsse_validation.domain.slicing import Pace
from tsse_validation.domain.tiling import Tiling
from tsse_validation.domain.windows import Window, spanned
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
from tsse_validation.parity.lake_side import LakeSide
from tsse_validation.parity.postgres_side import Ahead, PostgresSide, SideOfDays, ahead
from tsse_validation.parity.tile_sums import TileSums
from tsse_validation.runlog.records import CountRow
from tsse_validation.settings.fields import Level

GROUP_ROWS = 200_000
"""Rows that are read from each side at a time where sensor-days differ, about."""
OLDER_ROWS = 20_000
"""What a sensor may have on one date beside the rows that are compared, about, where only some are."""
MOST_LOOKS = 3
"""How often what differs is read again while Postgres's own answer changes: chunks are rewritten meanwhile."""


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
    later ones. Postgres answers in pieces. The rows not due of a piece are of the same snapshot as its digests,
    and a key lies in one piece: each row is due or not, and digested, as of one state. Meanwhile the lake's files
    are digested, up to the watermark. Where a piece has a key that is not due, they are digested again without it.

    One race is left. Files may be read after the snapshot. A row that is upserted between the two, and whose older
    version a compaction removes, looks lost. So whatever differs is read again, the lake first and Postgres after:
    a row that is due in the later snapshot was current all the time, and no newer version can have displaced it. A
    chunk that the server rewrites under a snapshot, as it is compressed or decompressed, makes rows vanish there:
    so what differs is read again for as long as Postgres counts otherwise than before, up to `MOST_LOOKS`.

    `hold` is called where both sides differ still, and raises where that is no evidence.
    """

    def __init__(
        self,
        postgres: PostgresClient,
        lake: LakeReader,
        *,
        pace: Pace | None = None,
        hold: Callable[[], object] = lambda: None,
    ) -> None:
        self._postgres = PostgresSide(postgres, pace)
        self._lake = lake
        self._hold = hold
        self._listed: tuple[Coverage, LakeRows] | None = None

    def compare_sensor_days(
        self, scope: Scope, *, level: Level = Level.DIGEST, on_day: Update = quiet
    ) -> list[CountRow]:
        """Compare every sensor on every UTC day of a scope, by digest or by count alone."""
        slices = self.compare_in_slices(scope, level=level, on_day=on_day)
        return sorted(row for _, rows in slices for row in rows)

    def compare_in_slices(
        self, scope: Scope, *, level: Level = Level.DIGEST, on_day: Update = quiet
    ) -> Iterator[tuple[Scope, list[CountRow]]]:
        """Compare as `compare_sensor_days`, and yield some days as soon as they are done.

        Postgres begins while the lake is listed, and works on some days while the lake's files of others are
        digested here. No session is open while the caller has what is yielded.
        """
        hashed = level is not Level.COUNT
        with (
            ExitStack() as after_postgres,
            ahead(self._postgres.slices(scope, hashed=hashed), self._postgres.cancel) as upcoming,
        ):
            lake = self.lake_rows(scope.coverage)
            ours = LakeSide(lake, scope, self._lake.paths.shards, hashed=hashed, on_day=on_day)
            after_postgres.callback(ours.close)
            _work_meanwhile(upcoming, ours)
            while (taken := upcoming.take()) is not None:
                pending = lake.pending_keys(taken.scope, taken.not_due)
                rows = compare_digests(taken.digests, ours.of(taken), taken.not_due, pending)
                _work_meanwhile(upcoming, ours)
                yield taken.scope, self.settled(rows, taken.scope, hashed=hashed)

    def count_window(self, scope: Scope) -> WindowCount:
        """Count every sensor in one window: give at most a few days."""
        postgres, not_due = self._postgres.counts(scope)
        lake = self.lake_rows(scope.coverage).counts(scope, not_due)
        return self._window_settled(scope, compare_counts(None, postgres, lake))

    def count_windows(
        self, covered: Scope, windows: Sequence[Window], on_part: Update = quiet
    ) -> Iterator[WindowCount]:
        """Count every sensor in many windows, each of at most a few days, and yield them as they are given.

        Both sides are read once, in pieces of what the windows cover together. What differs in a window is read
        again by itself before the window is yielded, as `count_window` does.
        """
        if not windows:
            return
        tiling, sums = Tiling(windows), TileSums()
        lake = self.lake_rows(covered.coverage)
        for part, counts, not_due in self._postgres.tile_counts(covered.narrowed(spanned(windows)), tiling):
            sums.add_postgres(counts)
            sums.add_lake(lake.tile_counts(part, tiling, not_due))
            until = part.window.end
            rows = sum(count.due for count in counts.values())
            on_part(tiling.ended_by(until), len(windows), f"counted up to {until.date()}", rows=rows)
        for window in windows:
            rows_of = compare_counts(None, *sums.of(tiling.tiles_of(window)))
            yield self._window_settled(covered.narrowed(window), rows_of)

    def _window_settled(self, scope: Scope, rows: list[CountRow]) -> WindowCount:
        if doubtful := [row.sensor_id for row in rows if not row.matches]:
            again = sum_by_sensor(self._look_again(scope, doubtful, hashed=False), doubtful)
            self._hold_evidence(again)
            rows = sorted([row for row in rows if row.matches] + again)
        return WindowCount(scope.window, rows)

    def rows_as_the_job_counts(self, windows: Iterable[Window], sensor_ids: Sequence[str]) -> Counter[str]:
        """Count some sensors' rows in the lake as the parity job does: copies too, and a microsecond further.

        The files are listed anew: the job has seen them a moment ago (contract section 3).
        """
        lake, found = LakeRows(self._lake), Counter[str]()
        for window in windows:
            found += lake.rows_as_they_stand(Window(window.start, window.end + MICROSECOND), sensor_ids)
        return found

    def settled(self, rows: list[CountRow], scope: Scope, *, hashed: bool) -> list[CountRow]:
        """Read the sensor-days that differ again, and replace them by the result.

        The rows of an unreadable file are not known: no sensor-day of its shard matches.
        """
        settled = [row for row in rows if row.matches]
        doubtful = [row for row in rows if not row.matches]
        for _ in range(MOST_LOOKS):
            told = {(row.sensor_id, row.day): row.postgres for row in doubtful}
            again: list[CountRow] = []
            for part, sensor_ids in _in_groups(scope, doubtful):
                again += self._look_again(part, sensor_ids, hashed=hashed)
            doubtful = [row for row in again if not _holds(row, told)]
            settled += [row for row in again if _holds(row, told)]
            if not doubtful:
                break
        settled += doubtful
        if unknown := {(file.day, file.shard) for file in self.unreadable}:
            settled = [
                row._replace(matches=row.matches and (row.day, self._shard_of(row)) not in unknown)
                for row in settled
            ]
        self._hold_evidence(settled)
        return sorted(settled)

    def _hold_evidence(self, rows: Iterable[CountRow]) -> None:
        if not all(row.matches for row in rows):
            self._hold()

    def _shard_of(self, row: CountRow) -> str:
        return shard_of(row.sensor_id, self._lake.paths.shards)

    def _look_again(self, scope: Scope, sensor_ids: Sequence[str], *, hashed: bool) -> list[CountRow]:
        newest, copies = self._newest(scope, sensor_ids)
        if scope.since is None:
            postgres, not_due = self._postgres.digests(scope, sensor_ids, hashed=hashed)
        else:
            held, not_due = self._postgres.held_rows(scope, sensor_ids)
            held, newest = only_since(scope.since, held, newest)
            _, copies = without_keys(copies, newest.select(KEY_SCHEMA.names))
            postgres = digest_days(held, hashed=hashed)
        not_due = _of_sensors(not_due, sensor_ids)
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
            compared = self._compare_settled(part, sensor_ids)
            yield compared
            on_day(days.index(compared.day) + 1, len(days), f"compared {compared.day}", rows=compared.rows)

    def _compare_settled(self, scope: Scope, sensor_ids: Sequence[str]) -> DayComparison:
        """Compare again while rows that the lake has alone may have vanished under our snapshot."""
        compared = self._compare(scope, sensor_ids)
        for _ in range(MOST_LOOKS):
            if not compared.extra:
                break
            before, compared = compared, self._compare(scope, sensor_ids)
            if compared.due == before.due:
                break
        if compared.differences.num_rows:
            self._hold()
        return compared

    def _compare(self, scope: Scope, sensor_ids: Sequence[str]) -> DayComparison:
        lake, day = self.lake_rows(scope.coverage), scope.window.start.date()
        newest, copies = self._newest(scope, sensor_ids)
        if scope.since is None:
            due, not_due = self._postgres.due_rows(scope, sensor_ids)
        else:
            held, not_due = self._postgres.held_rows(scope, sensor_ids)
            due, newest = only_since(scope.since, held, newest)
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
        if self._listed is None or self._listed[0].watermark < coverage.watermark:
            self._listed = (coverage, LakeRows(self._lake))
        return self._listed[1]


def _work_meanwhile(postgres: Ahead[SideOfDays], lake: LakeSide) -> None:
    """Wait until Postgres has answered, and digest the lake's files until then, not too far ahead."""
    while not postgres.settle(0):
        if not lake.go_ahead():
            lake.stand_by()
            postgres.settle()


def _holds(row: CountRow, told: Mapping[tuple[str, date | None], int]) -> bool:
    """Whether a look stands: both sides agree, or Postgres counts as it did the last time."""
    return row.matches or row.postgres == told.get((row.sensor_id, row.day))


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
