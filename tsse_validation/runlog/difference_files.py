"""Writes every differing row down as it is found, and at the end the files that people read.

A row's diagnosis may depend on rows that are found later. So rows go to a spool first, an Arrow stream beside the
files, and the files are written from it, each at once or not at all. A process that is killed leaves the spool.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from tsse_validation.runlog.difference_schema import CSV_SCHEMA, FILE_SCHEMA, to_csv_columns
from tsse_validation.runlog.differences_record import DifferencesKept, KeptFile
from tsse_validation.runlog.whole_files import replacing

PARQUET, CSV = ".parquet", ".csv"
DIFFERENCE_NAMES = (f"differences{PARQUET}", f"differences{CSV}")
"""The files in a run's folder."""
SPOOL_SUFFIX = ".partial.arrows"
_SPOOLED_ROWS = 20_000
"""Rows of one batch: as many are in memory at a time when the files are written."""
_TOLD = "told"
_SPOOL_SCHEMA = FILE_SCHEMA.append(pa.field(_TOLD, pa.int32()))

Rows = Callable[[], Iterator[pa.Table]]


class DifferenceFiles:
    """All differing rows of a run, or of a command, in one or more files.

    Where they cannot be written the comparison goes on, and the record says why they are not complete: a full disk
    must not take a verdict away. `masked` masks the secrets in a text.
    """

    def __init__(self, paths: Sequence[Path], masked: Callable[[str], str] = str) -> None:
        self._paths = paths
        self._masked = masked
        self._path = paths[0].with_suffix(SPOOL_SUFFIX)
        self._stream: BinaryIO | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._diagnoses: list[str] = []
        self._begun = self._ended = 0
        self._failure = ""
        self._rows = 0
        self._written = True

    @property
    def unwritten(self) -> bool:
        """Whether there is something to tell that `write` has not told."""
        return not self._written

    def open(self) -> None:
        """Make the spool; raises OSError where that cannot be written."""
        if self._stream is None:
            self._stream = self._path.open("wb")
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            self._writer = pa.ipc.new_stream(self._stream, _SPOOL_SCHEMA, options=options)

    def begin(self) -> None:
        """Begin a comparison of rows: until it has come to its `end`, the rows are not all."""
        self._begun += 1
        self._written = False
        self._trying(self.open)

    def end(self) -> None:
        """End a comparison of rows."""
        self._ended += 1

    def diagnosis(self, name: str) -> int:
        """Return a number for rows of a diagnosis, which may still be renamed."""
        self._diagnoses.append(name)
        return len(self._diagnoses) - 1

    def rename(self, number: int, name: str) -> None:
        """Give all rows of a number another diagnosis."""
        self._diagnoses[number] = name

    def append(self, rows: pa.Table, told: Sequence[int]) -> None:
        """Take in rows in `FILE_SCHEMA` without `diagnosis`, each with the number of its diagnosis."""
        diagnoses = pa.array([self._diagnoses[number] for number in told], pa.string())
        columns = {name: rows[name] for name in FILE_SCHEMA.names if name != "diagnosis"}
        ids = columns["sensor_id"].unique().to_pylist()
        if changed := {one: self._masked(one) for one in ids if self._masked(one) != one}:
            named = [changed.get(one, one) for one in columns["sensor_id"].to_pylist()]
            columns["sensor_id"] = pa.chunked_array([pa.array(named, pa.string())])
        table = pa.table(
            {**columns, "diagnosis": diagnoses, _TOLD: pa.array(told, pa.int32())}, schema=_SPOOL_SCHEMA
        )
        self._trying(lambda: self._spool(table))

    def _spool(self, table: pa.Table) -> None:
        if self._stream is None or self._writer is None:
            return
        for batch in table.to_batches(max_chunksize=_SPOOLED_ROWS):
            self._writer.write_batch(batch)
            self._stream.flush()
            self._rows += batch.num_rows

    def write(self) -> DifferencesKept:
        """Write the files anew, of all rows so far, and return their record."""
        files: list[KeptFile] = []
        for path in self._paths:
            self._trying(lambda path=path: files.append(self._file(path)), anyway=True)  # type: ignore[misc]
        self._written = True
        why = self._failure
        if not why and self._begun != self._ended:
            why = "The comparison of rows did not come to its end: what was found until then is there."
        return DifferencesKept(rows=self._rows, complete=not why, why=why, files=tuple(files))

    def close(self) -> None:
        """Remove the spool: the files have its rows."""
        if self._stream is not None:
            with suppress(OSError):  # what a full disk has not taken is told by then
                self._stream.close()
            self._stream = self._writer = None
            self._path.unlink(missing_ok=True)

    def _file(self, path: Path) -> KeptFile:
        with replacing(path) as unfinished:
            with _writer_of(path.suffix, unfinished, self._metadata()) as write:
                for rows in self._read_back():
                    write.write_table(rows if path.suffix == PARQUET else to_csv_columns(rows))
            with unfinished.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return KeptFile(name=path.name, rows=self._rows, sha256=digest)

    def _metadata(self) -> dict[str, str]:
        whole = not self._failure and self._begun == self._ended
        return {"tsse_complete": "true" if whole else "false"}

    def _read_back(self) -> Iterator[pa.Table]:
        """Yield the spool's batches, each row with its last diagnosis."""
        if not self._rows:  # the stream's head comes with its first batch
            return
        rows = 0
        with self._path.open("rb") as stream, pa.ipc.open_stream(stream) as reader:
            while rows < self._rows:  # what a full disk has cut off comes after these
                batch = pa.Table.from_batches([reader.read_next_batch()])
                rows += batch.num_rows
                names = pa.array(self._diagnoses, pa.string()).take(batch[_TOLD].combine_chunks())
                at = FILE_SCHEMA.get_field_index("diagnosis")
                yield batch.drop_columns([_TOLD]).set_column(at, FILE_SCHEMA.field(at), names)

    def _trying(self, work: Callable[[], object], *, anyway: bool = False) -> None:
        if self._failure and not anyway:
            return
        try:
            work()
        except (OSError, pa.ArrowException) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._failure = f"Not all differing rows could be written beside {self._paths[0]}: {reason}."


def _writer_of(
    suffix: str, path: Path, metadata: dict[str, str]
) -> AbstractContextManager["pq.ParquetWriter | pcsv.CSVWriter"]:
    if suffix == PARQUET:
        schema = FILE_SCHEMA.with_metadata(metadata)
        return pq.ParquetWriter(path, schema, compression="zstd")  # type: ignore[no-any-return]
    options = pcsv.WriteOptions(quoting_style="needed")
    return pcsv.CSVWriter(path, CSV_SCHEMA, write_options=options)  # type: ignore[no-any-return]
