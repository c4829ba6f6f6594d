"""Digests of shard-days whose files are as the lake's writer makes them, read by Arrow and compared by NumPy.

It gives what the SQL of `lake.sql` gives, at a fraction of the price for many small files. A shard-day that is in
any way out of the ordinary is left to that SQL: other columns or types, NULLs in a key, very many rows, any error.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import KEY_SCHEMA, ROW_SCHEMA, digest_days
from tsse_validation.domain.instants import DAY, MICROSECOND, day_start, to_micros
from tsse_validation.lake.reader import LakeFile

BATCH_ROWS = 131_072
"""About the rows that are digested at a time: of many small files, or a part of a large one."""
MOST_TOGETHER = 500_000
"""Rows of one shard-day that are searched for copies in memory, whole."""
_MOST_KEYS = 10_000_000
"""Rows of one shard-day whose keys are: of eight bytes each, and twice as many for a moment."""
_MOST_BYTES = 64 * 1024 * 1024
"""Of a row group, which is held in memory as it stands."""
_READ_AT_ONCE = 8 * 1024 * 1024
"""Bytes of a file that is taken into memory whole: one read in place of a dozen."""
_MOST_BYTES_TOGETHER = 4 * _READ_AT_ONCE
"""Of the files of one shard-day, where all are open at a time."""
_MOST_WAITING = 100
"""Shard-days that are digested at a time: their dates and sensors then have numbers that fit (`keys_of`)."""
_DAY_MICROS = DAY // MICROSECOND
_BEFORE_ALL = np.iinfo(np.int64).min
_SENSOR_CODES = pa.dictionary(pa.int32(), pa.string())
_TYPES = {field.name: field.type for field in ROW_SCHEMA} | {"sensor_id": _SENSOR_CODES}

Integers = npt.NDArray[np.int64]
_Part = tuple[LakeFile, pa.Table]


class _OddError(Exception):
    """A shard-day is none that is read here."""


_NOT_READ = (_OddError, pa.ArrowException, OSError, ValueError, KeyError)
"""Of a column that is not there Arrow raises a KeyError, of a name that is no text a ValueError."""


class ArrowDigests:
    """Digests the rows of one shard; `odd` are the files of the shard-days that must be read by other means.

    `not_due` is a table of the keys `(sensor_id, ts)` that are left out.
    """

    def __init__(self, scope: Scope, not_due: "NotDueKeys", *, hashed: bool) -> None:
        self._scope = scope
        self._not_due = not_due
        self._hashed = hashed
        self._waiting: dict[bool, list[_Part]] = {False: [], True: []}
        self._rows_waiting = self._days_waiting = 0
        self.digests: list[pa.Table] = []
        self.odd: list[LakeFile] = []

    def add(self, files: Sequence[LakeFile]) -> None:
        """Take in all files of a shard-day; their rows may wait until `finish`."""
        try:
            if len(files) == 1 or sum(file.size for file in files) <= _MOST_BYTES_TOGETHER:
                self._take_in(files, [_opened(file) for file in files])
            else:
                self.digests += self._by_keys(files)
        except _NOT_READ:
            self.odd += files
        # not within the try: what fails here are rows of other shard-days too
        if self._rows_waiting >= BATCH_ROWS or self._days_waiting >= _MOST_WAITING:
            self._digest_waiting()

    def _take_in(self, files: Sequence[LakeFile], opened: Sequence[pq.ParquetFile]) -> None:
        rows = sum(parquet.metadata.num_rows for parquet in opened)
        if len(files) == 1 and rows > BATCH_ROWS:
            self.digests += list(self._large(files[0], opened[0]))
            return
        if rows > MOST_TOGETHER:
            self.digests += self._by_keys(files)
            return
        parts = [
            (file, _checked(parquet.read(use_threads=False)))
            for file, parquet in zip(files, opened, strict=True)
            if parquet.metadata.num_rows
        ]
        self._waiting[len(files) > 1] += parts
        self._rows_waiting += rows
        self._days_waiting += 1

    def finish(self) -> None:
        """Digest what waits."""
        self._digest_waiting()

    def _digest_waiting(self) -> None:
        for several, parts in self._waiting.items():
            if parts:
                self.digests.append(self._digest(parts, several=several))
        self._waiting = {False: [], True: []}
        self._rows_waiting = self._days_waiting = 0

    def _large(self, file: LakeFile, parquet: pq.ParquetFile) -> Iterator[pa.Table]:
        for rows in _read_in_parts(parquet):
            yield self._digest([(file, rows)], several=False)

    def _by_keys(self, files: Sequence[LakeFile]) -> list[pa.Table]:
        """Digest several files of a shard-day, of which the rows with a copy alone are held together."""
        codes, digests, aside, copies = _SensorCodes(), list[pa.Table](), list[_Part](), 0
        copied = _keys_with_copies(files, codes)
        for file in files:
            of_file = list[pa.Table]()
            for rows in _read_in_parts(_opened(file)):
                batch = self._in_scope([(file, rows)])
                is_copy = _stand_in(copied, batch.keys(codes.of(batch)))
                if is_copy.any():
                    of_file.append(batch.rows.filter(pa.array(is_copy)))
                    if (copies := copies + of_file[-1].num_rows) > MOST_TOGETHER:
                        raise _OddError
                    batch.keep(~is_copy)
                digests.append(digest_days(batch.rows, hashed=self._hashed))
            if of_file:
                aside.append((file, pa.concat_tables(of_file)))
        return [*digests, self._digest(aside, several=True)] if aside else digests

    def _digest(self, parts: Sequence[_Part], *, several: bool) -> pa.Table:
        batch = self._in_scope(parts)
        if several:
            batch.take(batch.newest_and_repeated())
        return digest_days(batch.rows, hashed=self._hashed)

    def _in_scope(self, parts: Sequence[_Part]) -> "_Batch":
        batch = _Batch(parts)
        batch.keep(batch.in_scope(self._scope))
        batch.keep(self._not_due.absent_from(batch))
        return batch


class _Batch:
    """Rows of some files of one shard, and for each row which of the files it stands in."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self.rows = pa.concat_tables([table for _, table in parts]).unify_dictionaries().combine_chunks()
        sizes = [table.num_rows for _, table in parts]
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._days = np.array([to_micros(day_start(file.day)) for file, _ in parts], dtype=np.int64)
        self._file = np.repeat(np.arange(len(parts)), sizes)

    def keep(self, mask: npt.NDArray[np.bool_] | None) -> None:
        """Leave out the rows where a mask is false; `None` leaves out none."""
        if mask is not None:
            self.take(np.flatnonzero(mask))

    def take(self, places: Integers | None) -> None:
        """Take rows by their places; `None` takes all."""
        if places is not None:
            self.rows, self._file = self.rows.take(pa.array(places)), self._file[places]

    @property
    def sensors(self) -> pa.Array:
        """The ids that the codes stand for."""
        return self._codes_of_sensors().dictionary

    @property
    def codes(self) -> npt.NDArray[np.integer]:
        """The place of each row's sensor in `sensors`."""
        return np.asarray(self._codes_of_sensors().indices)

    @property
    def days(self) -> Integers:
        """The dates of the files, as the microseconds of their first instants; ascending, each once."""
        return np.unique(self._days)

    def in_scope(self, scope: Scope) -> npt.NDArray[np.bool_] | None:
        """Return which rows a reader of their date's partition sees, as of the watermark; `None` if all."""
        ts, inserted = self._micros("ts"), self._micros("inserted_at")
        first = np.maximum(self._days, to_micros(scope.window.start))
        last = np.minimum(self._days + (_DAY_MICROS - 1), to_micros(scope.window.end))
        watermark = to_micros(scope.coverage.watermark)
        masks = []
        earliest, latest = np.minimum.reduceat(ts, self._starts), np.maximum.reduceat(ts, self._starts)
        if (earliest < first).any() or (latest > last).any():
            masks.append((ts >= first[self._file]) & (ts <= last[self._file]))
        if inserted.max() > watermark:
            masks.append(inserted <= watermark)
        if scope.since is not None:
            masks.append(inserted > to_micros(scope.since))
        return np.logical_and.reduce(masks) if masks else None

    def keys(self, codes: npt.NDArray[np.integer] | None = None) -> Integers:
        """Return a number for each row's sensor and `ts`; only for rows of their files' dates.

        With `codes` in place of the sensors' own the numbers are those of other batches of the date, too.
        """
        starts = self._days[self._file]
        theirs = self.codes if codes is None else codes
        return self.keys_of(starts, theirs, self._micros("ts") - starts)

    def keys_of(self, days: Integers, codes: npt.NDArray[np.integer], into_day: Integers) -> Integers:
        """Return such numbers of days among `days`, sensors as codes, and microseconds since midnight.

        They fit in 63 bits for up to 10⁸ pairs of a sensor and a date: of `_MOST_WAITING` dates, and of no more
        sensors than rows.
        """
        ordinals = np.searchsorted(self.days, days).astype(np.int64)
        keys: Integers = (ordinals * len(self.sensors) + codes) * _DAY_MICROS + into_day
        return keys

    def newest_and_repeated(self) -> Integers | None:
        """Return the newest row of each key, and each further row of a key in one file; `None` if that is all.

        What one file holds twice is a fault, and must not vanish among the copies that wait for compaction.
        """
        keys = self.keys()
        order = np.argsort(keys, kind="stable")  # merges what is sorted already; rows of a file stay together
        same = keys[order[1:]] == keys[order[:-1]]
        if not same.any():
            return None
        repeated = order[1:][same & (self._file[order[1:]] == self._file[order[:-1]])]
        copied = np.append(same, False) | np.append(False, same)
        copies = order[copied]
        # of equal instants the later file's row counts, as compaction has it
        copies = copies[np.lexsort((self._micros("inserted_at")[copies], keys[copies]))]
        newest = copies[np.append(keys[copies[1:]] != keys[copies[:-1]], True)]
        places: Integers = np.sort(np.concatenate([order[~copied], newest, repeated]))
        return places

    def _codes_of_sensors(self) -> pa.DictionaryArray:
        return self.rows["sensor_id"].chunk(0)

    def _micros(self, name: str) -> Integers:
        """Return instants as microseconds; an absent one lies before all others."""
        column = self.rows[name].chunk(0).view(pa.int64())
        numbers: Integers = (column.fill_null(_BEFORE_ALL) if column.null_count else column).to_numpy()
        return numbers


class _SensorCodes:
    """Numbers sensors in the order in which they are met, across batches."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def of(self, batch: _Batch) -> Integers:
        """Return the number of each row's sensor."""
        numbers = [self._codes.setdefault(sensor, len(self._codes)) for sensor in batch.sensors.to_pylist()]
        theirs: Integers = np.array(numbers, dtype=np.int64)[batch.codes]
        return theirs


class NotDueKeys:
    """The keys `(sensor_id, ts)` that are not due."""

    def __init__(self, keys: pa.Table) -> None:
        self._sensors = keys["sensor_id"].combine_chunks()
        self._micros = keys["ts"].cast(pa.int64()).to_numpy()
        self._days = self._micros - self._micros % _DAY_MICROS

    def absent_from(self, batch: _Batch) -> npt.NDArray[np.bool_] | None:
        """Return which rows of a batch have none of the keys; `None` if all."""
        if not (len(self._sensors) and batch.rows.num_rows):
            return None
        of_days = np.flatnonzero(np.isin(self._days, batch.days))
        if not of_days.size:
            return None
        codes = pc.index_in(self._sensors.take(pa.array(of_days)), value_set=batch.sensors)
        there = codes.is_valid().to_numpy(zero_copy_only=False)
        of_days, known = of_days[there], codes.drop_null().to_numpy().astype(np.int64)
        days = self._days[of_days]
        wanted = np.sort(batch.keys_of(days, known, self._micros[of_days] - days))
        return ~_stand_in(wanted, batch.keys()) if wanted.size else None


def _opened(file: LakeFile) -> pq.ParquetFile:
    """Open a file; raises _OddError where its columns are not those of the contract."""
    source: pa.BufferReader | str = str(file.path)
    if file.size <= _READ_AT_ONCE:
        source = pa.BufferReader(file.path.read_bytes())
    parquet = pq.ParquetFile(source, read_dictionary=["sensor_id"], pre_buffer=False)
    columns = parquet.schema_arrow
    if len(columns) != len(_TYPES) or dict(zip(columns.names, columns.types, strict=True)) != _TYPES:
        raise _OddError
    return parquet


def _read_in_parts(parquet: pq.ParquetFile, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield a file's rows, checked; raises _OddError where that would need much memory."""
    footer = parquet.metadata
    if any(footer.row_group(at).total_byte_size > _MOST_BYTES for at in range(footer.num_row_groups)):
        raise _OddError
    for batch in parquet.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
        if batch.num_rows:
            yield _checked(pa.Table.from_batches([batch]))


def _keys_with_copies(files: Sequence[LakeFile], codes: _SensorCodes) -> Integers:
    """Return the keys that stand more than once in files of one date, ascending, each once.

    A row of another date may have the number of a key that it is not, which then is taken for a copy.
    """
    if sum(pq.read_metadata(file.path).num_rows for file in files) > _MOST_KEYS:
        raise _OddError
    found = list[Integers]()
    for file in files:
        for part in _read_in_parts(_opened(file), KEY_SCHEMA.names):
            batch = _Batch([(file, part)])
            found.append(batch.keys(codes.of(batch)))
    keys = np.concatenate([np.empty(0, dtype=np.int64), *found])
    found.clear()
    keys.sort()
    copied: Integers = np.unique(keys[1:][keys[1:] == keys[:-1]])
    return copied


def _stand_in(wanted: Integers, keys: Integers) -> npt.NDArray[np.bool_]:
    """Return which keys are wanted ones, which ascend."""
    if not wanted.size:
        return np.zeros(keys.shape, dtype=np.bool_)
    found: npt.NDArray[np.bool_] = wanted[np.minimum(np.searchsorted(wanted, keys), wanted.size - 1)] == keys
    return found


def _checked(rows: pa.Table) -> pa.Table:
    """Return rows whose key is not NULL and whose ids are text, which Arrow takes on trust; raises _OddError."""
    rows["sensor_id"].validate(full=True)
    if rows["sensor_id"].null_count or rows["ts"].null_count:
        raise _OddError
    return rows
