"""Counts and reads the lake's rows through DuckDB: deduplicated, as of a watermark, bounded in memory.

The copy of a key with the newest `inserted_at` counts (contract section 4). Rows that were inserted after the
watermark are left out, so that replication may go on meanwhile.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial

import pyarrow as pa

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import KEY_SCHEMA, ROW_SCHEMA, add_digests
from tsse_validation.domain.instants import to_micros, utc_day
from tsse_validation.domain.tiling import Tiling
from tsse_validation.domain.windows import Window, spanned
from tsse_validation.lake import sql as lake_sql
from tsse_validation.lake.listed import Connection, ListedLake
from tsse_validation.lake.reader import LakeFile, LakeReader
from tsse_validation.lake.tasks import BATCH_BYTES, DigestTask, ShardDay, TaskPart, digest_task, split_tasks

COPY_SCHEMA = pa.schema(
    [
        *ROW_SCHEMA,
        ("is_read", pa.bool_()),
        ("place", pa.string()),
        ("file", pa.string()),
        ("day", pa.date32()),
        ("shard", pa.string()),
        ("row_group", pa.int32()),
        ("row", pa.int64()),
    ]
)
"""A copy of a row, and where it stands: `is_read` where a reader of its date sees it. Numbers count from 0."""
_WANTED_SCHEMA = pa.schema([KEY_SCHEMA.field("sensor_id")])
_INSTANT = KEY_SCHEMA.field("ts").type
_TILE_SCHEMA = pa.schema({"tile": pa.int32(), "day": pa.date32(), "first": _INSTANT, "last": _INSTANT})

Key = tuple[str, datetime]
"""A sensor, and a `ts` in UTC without a zone, as the lake's columns have it."""


class LakeRows:
    """Reads the rows of one lake.

    A file that compaction replaces or retention moves meanwhile is looked for again, a bounded number of times. A
    file that cannot be read is set aside and listed in `unreadable`: nothing proves the rows in it, so callers
    must look there.
    """

    def __init__(self, reader: LakeReader) -> None:
        self._reader = reader
        self._listed = ListedLake(reader.listing)
        self._straying: Mapping[date, Sequence[LakeFile]] | None = None

    @property
    def unreadable(self) -> Mapping[LakeFile, str]:
        """The files that were set aside, with the reader's error of each; those since replaced are left out."""
        return self._listed.unreadable

    def counts(self, scope: Scope, not_due: pa.Table) -> dict[str, tuple[int, int]]:
        """Count each sensor's distinct keys in a window of at most a few days; returns `(keys, pending)`.

        `not_due` is a table of the keys `(sensor_id, ts)` that are not due yet; `pending` counts those of them
        that the lake holds in an older version. No file is set aside here.
        """

        def query(connection: Connection, files: Sequence[LakeFile]) -> dict[str, tuple[int, int]]:
            rows = connection.execute(lake_sql.COUNTS, lake_sql.parameters(files, scope)).fetchall()
            return {sensor_id: (keys, pending) for sensor_id, keys, pending in rows}

        files, keys = partial(self._files_in, scope.window), not_due.cast(KEY_SCHEMA)
        return self._listed.ask(files, query, empty={}, set_aside=False, not_due=keys)

    def tile_counts(
        self, scope: Scope, tiling: Tiling, not_due: pa.Table
    ) -> Iterator[tuple[str, int, tuple[int, int]]]:
        """Count as `counts`, for each sensor and tile: yields `(sensor_id, tile, (keys, pending))`.

        A tile that reaches over several dates may come in parts. Only dates that have a tile are read.
        """
        keys = not_due.cast(KEY_SCHEMA)
        for batch in self._batches(scope.window):
            pieces = list(tiling.tiles_in(batch))
            if pieces:
                part = scope.narrowed(spanned(piece for _, piece in pieces))
                yield from self._count_tiles(part, pieces, keys)

    def _count_tiles(
        self, scope: Scope, pieces: Sequence[tuple[int, Window]], not_due: pa.Table
    ) -> Sequence[tuple[str, int, tuple[int, int]]]:
        def query(connection: Connection, files: Sequence[LakeFile]) -> Sequence[tuple[str, int, tuple[int, int]]]:
            rows = connection.execute(lake_sql.TILE_COUNTS, lake_sql.parameters(files, scope)).fetchall()
            return [(sensor_id, tile, (keys, pending)) for sensor_id, tile, keys, pending in rows]

        days = sorted({piece.start.date() for _, piece in pieces})
        tables = {"tiles": _tiles_table(pieces), "not_due": not_due}
        return self._listed.ask(lambda: self.files_of(days), query, empty=(), set_aside=False, **tables)

    def minutes(self, scope: Scope) -> dict[datetime, int]:
        """Count the distinct keys of each minute of a window of at most a day; no file is set aside here."""

        def query(connection: Connection, files: Sequence[LakeFile]) -> dict[datetime, int]:
            rows = connection.execute(lake_sql.MINUTES, lake_sql.parameters(files, scope)).fetchall()
            return {minute.replace(tzinfo=UTC): keys for minute, keys in rows}

        return self._listed.ask(partial(self._files_in, scope.window), query, empty={}, set_aside=False)

    def rows_as_they_stand(self, window: Window, sensor_ids: Sequence[str]) -> Counter[str]:
        """Count some sensors' rows in the files of a window's dates: copies, and rows not due, count too."""

        def query(connection: Connection, files: Sequence[LakeFile]) -> Counter[str]:
            found = connection.execute(lake_sql.ROWS_OF_WANTED, lake_sql.window_only(files, part))
            return Counter(dict(found.fetchall()))

        total: Counter[str] = Counter()
        for part in self._batches(window):
            files = partial(self._files_in, part)
            total += self._listed.ask(files, query, empty=Counter(), wanted=_wanted(sensor_ids))
        return total

    def newest_rows(self, scope: Scope, sensor_ids: Sequence[str]) -> pa.Table:
        """Return the newest row of each key of some sensors in a window; give at most a day at a time."""
        return self._table(lake_sql.NEWEST_OF_WANTED, scope, ROW_SCHEMA, wanted=_wanted(sensor_ids))

    def digests(self, scope: Scope, not_due: pa.Table, *, hashed: bool = True) -> Iterator[tuple[Scope, pa.Table]]:
        """Yield the digests of the lake's newest rows, without those not due, a few days at a time.

        Each table is in `digest.DIGEST_SCHEMA`, with the part of the scope that it covers. A shard-day in one file
        should hold each key once and is not searched for copies: with one, its digest differs.
        """
        for part, lines in self.lines(scope, not_due, hashed=hashed):
            yield part, add_digests([lines.drop_columns("shard")])

    def lines(
        self, scope: Scope, not_due: pa.Table, *, only: Collection[ShardDay] | None = None, hashed: bool = True
    ) -> Generator[tuple[Scope, pa.Table]]:
        """Yield digests as `digests`, a line for each shard: in `SHARD_DIGEST_SCHEMA`, `only` of some shard-days.

        Dates ascend; a large one comes in parts, each of some of its shards.
        """
        tasks = list(self._tasks(scope, not_due.cast(KEY_SCHEMA), only, hashed=hashed))
        for task, answer in zip(tasks, self._reader.workers.run(digest_task, tasks), strict=True):
            self._listed.take_over(answer.unreadable)
            yield task.parts[0].scope, answer.lines[0]

    def pending_keys(self, scope: Scope, not_due: pa.Table) -> pa.Table:
        """Return which of the keys not due the lake holds in an older version, as `(sensor_id, ts)`."""
        if not not_due.num_rows:
            return KEY_SCHEMA.empty_table()
        days = not_due["ts"].cast(pa.date32(), safe=False).unique().to_pylist()
        files = partial(self.files_of, days)
        return self._table(lake_sql.PENDING, scope, KEY_SCHEMA, files, not_due=not_due.cast(KEY_SCHEMA))

    def copies_in_a_file(self, scope: Scope, sensor_ids: Sequence[str]) -> pa.Table:
        """Return the keys that stand more than once in one file, as `(sensor_id, ts)`: a fault of the writer.

        A key in several files waits for compaction, and is no fault (contract section 4).
        """
        return self._table(lake_sql.COPIES_OF_WANTED, scope, KEY_SCHEMA, wanted=_wanted(sensor_ids))

    def elsewhere(self, day: date, keys: pa.Table) -> dict[Key, LakeFile]:
        """Look for missing rows of a date in files of other dates, and of the place that is not read.

        `keys` is a table of `(sensor_id, ts)`. The first call reads the `ts` of the whole lake.
        """
        files = [
            *self._files_straying_from(day),
            *(file for file in self._listed.listing.shadowed if file.day == day),
        ]

        def query(connection: Connection, files: Sequence[LakeFile]) -> dict[Key, LakeFile]:
            paths = {str(file.path): file for file in files}
            found = connection.execute(lake_sql.STANDING_IN, lake_sql.files_only(files)).fetchall()
            return {(sensor_id, ts): paths[name] for sensor_id, ts, name in found}

        return self._listed.ask(lambda: files, query, empty={}, keys=keys.cast(KEY_SCHEMA))

    def copies(self, day: date, keys: pa.Table) -> pa.Table:
        """Return every copy of some keys of a date, not due ones too, and where it stands: in `COPY_SCHEMA`.

        `keys` is a table of distinct `(sensor_id, ts)`. The date's files of both places are searched, and once
        `elsewhere` was asked, those of other dates with rows of this one.
        """

        def files() -> list[LakeFile]:
            straying = (file for file in (self._straying or {}).get(day, ()) if file.there)
            hidden = (file for file in self._listed.listing.shadowed if file.day == day)
            return [*self.files_of([day]), *hidden, *straying]

        def query(connection: Connection, files: Sequence[LakeFile]) -> pa.Table:
            connection.register("listed", _as_listed(files, {*self.files_of([day])}))
            found = connection.execute(lake_sql.COPIES_OF_KEYS, lake_sql.files_only(files))
            return found.to_arrow_table().cast(COPY_SCHEMA)

        return self._listed.ask(files, query, empty=COPY_SCHEMA.empty_table(), keys=keys.cast(KEY_SCHEMA))

    def rows_outside(self, window: Window) -> dict[date, int]:
        """Count the rows of each date that lie outside of a window, copies too.

        By their footers where a whole date does; only files of the window's first and last date are read.
        """
        first, last = utc_day(window.start), utc_day(window.end)

        def by_footer(connection: Connection, files: Sequence[LakeFile]) -> Counter[date]:
            days = {str(file.path): file.day for file in files}
            rows = Counter[date]()
            for name, count in connection.execute(lake_sql.ROWS_BY_FILE, lake_sql.files_only(files)).fetchall():
                rows[days[name]] += count
            return rows

        def by_rows(connection: Connection, files: Sequence[LakeFile]) -> Counter[date]:
            found = connection.execute(lake_sql.ROWS_OUTSIDE, lake_sql.window_only(files, window)).fetchall()
            return Counter(dict(found))

        whole = self._listed.ask(lambda: self.files_outside(window), by_footer, empty=Counter[date]())
        return whole + self._listed.ask(lambda: self.files_of([first, last]), by_rows, empty=Counter[date]())

    def files_outside(self, window: Window) -> list[LakeFile]:
        """Return the files of the dates that lie outside of a window, as last listed."""
        first, last = utc_day(window.start), utc_day(window.end)
        return [file for file in self._listed.listing.files if not first <= file.day <= last]

    def days(self) -> list[date]:
        """Return the dates that have a file, ascending, as last listed."""
        return sorted(self._listed.listing.days())

    def first_instant(self, day: date) -> datetime | None:
        """Return the first `ts` of a date's files, UTC without a zone; `None` where it has no row."""

        def query(connection: Connection, files: Sequence[LakeFile]) -> datetime | None:
            row = connection.execute(lake_sql.FIRST_OF_DATE, lake_sql.files_only(files)).fetchone()
            return row[0] if row is not None else None

        return self._listed.ask(lambda: self.files_of([day]), query, empty=None)

    def files_of(self, days: Sequence[date]) -> list[LakeFile]:
        """Return the files of some partitions, as last listed."""
        wanted = set(days)
        return [file for file in self._listed.listing.files if file.day in wanted]

    def _files_straying_from(self, day: date) -> Sequence[LakeFile]:
        if self._straying is None:
            none: Mapping[date, Sequence[LakeFile]] = {}
            self._straying = self._listed.ask(lambda: self._listed.listing.files, self._find_straying, empty=none)
        return self._straying.get(day, ())

    def _find_straying(
        self, connection: Connection, files: Sequence[LakeFile]
    ) -> Mapping[date, Sequence[LakeFile]]:
        paths = {str(file.path): file for file in files}
        straying: dict[date, list[LakeFile]] = defaultdict(list)
        for day, name in connection.execute(lake_sql.STRAYING, lake_sql.files_only(files)).fetchall():
            straying[day].append(paths[name])
        return straying

    def _tasks(
        self, scope: Scope, not_due: pa.Table, only: Collection[ShardDay] | None, *, hashed: bool
    ) -> Iterator[DigestTask]:
        files = self._files_in(scope.window)
        there = defaultdict[date, set[ShardDay]](set)
        for file in files:
            there[file.day].add((file.day, file.shard))
        wanted = files if only is None else [file for file in files if (file.day, file.shard) in only]
        for places in split_tasks(wanted):
            days = tuple(sorted({day for day, _ in places}))
            whole = all(places >= there[day] for day in days)
            part = TaskPart.within(scope, not_due, days)
            aside = {file: why for file, why in self._listed.reasons.items() if file.day in days}
            yield DigestTask(
                self._reader.paths, days, None if whole else places, (part,), hashed=hashed, set_aside=aside
            )

    def _batches(self, window: Window) -> Iterator[Window]:
        """Split a window at midnights into parts with at most `BATCH_BYTES` of files, or one day."""
        sizes: Counter[date] = Counter()
        for file in self._listed.listing.files:
            sizes[file.day] += file.size
        # not every day of the window: it may be all time before the covered range
        days = [part for day in sorted(sizes) if (part := window.on(day)) is not None]
        first = 0
        for at, day in enumerate(days):
            size = sum(sizes[part.start.date()] for part in days[first : at + 1])
            if at > first and size > BATCH_BYTES:
                yield Window(days[first].start, days[at - 1].end)
                first = at
            if at == len(days) - 1:
                yield Window(days[first].start, day.end)

    def _table(
        self,
        statement: str,
        scope: Scope,
        schema: pa.Schema,
        files_now: Callable[[], Sequence[LakeFile]] | None = None,
        **tables: pa.Table,
    ) -> pa.Table:
        def query(connection: Connection, files: Sequence[LakeFile]) -> pa.Table:
            # not the relational connection.sql(): it opens every file once more to describe the result
            found = connection.execute(statement, lake_sql.parameters(files, scope))
            return found.to_arrow_table().cast(schema)

        files_now = files_now or partial(self._files_in, scope.window)
        return self._listed.ask(files_now, query, empty=schema.empty_table(), **tables)

    def _files_in(self, window: Window) -> Sequence[LakeFile]:
        first, last = utc_day(window.start), utc_day(window.end)
        return [file for file in self._listed.listing.files if first <= file.day <= last]


def _as_listed(files: Sequence[LakeFile], read: Collection[LakeFile]) -> pa.Table:
    return pa.table(
        {
            "filename": [str(file.path) for file in files],
            "is_read": [file in read for file in files],
            "place": [file.location for file in files],
            "file": [file.relative for file in files],
            "day": [file.day for file in files],
            "shard": [file.shard for file in files],
        }
    )


def _wanted(sensor_ids: Sequence[str]) -> pa.Table:
    return pa.table({"sensor_id": list(sensor_ids)}, schema=_WANTED_SCHEMA)


def _tiles_table(pieces: Sequence[tuple[int, Window]]) -> pa.Table:
    rows = [
        {"tile": tile, "day": piece.start.date(), "first": to_micros(piece.start), "last": to_micros(piece.end)}
        for tile, piece in pieces
    ]
    return pa.Table.from_pylist(rows, schema=_TILE_SCHEMA)
