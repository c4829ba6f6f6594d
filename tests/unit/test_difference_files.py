"""The files of differing rows: their texts, and what becomes of them when writing or comparing is broken off."""

import csv
import errno
import hashlib
import io
import math
import os
import struct
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.differing import LINE, room_for, table
from tsse_validation.runlog.difference_files import SPOOL_SUFFIX, DifferenceFiles
from tsse_validation.runlog.difference_schema import CSV_SCHEMA, FILE_SCHEMA, hex_bits, to_csv_columns

NAMES = ("differences.parquet", "differences.csv")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[DifferenceFiles]:
    with closing(DifferenceFiles([tmp_path / name for name in NAMES])) as made:
        yield made


def in_folder(tmp_path: Path) -> set[str]:
    return {path.name for path in tmp_path.iterdir()}


def ids_in(tmp_path: Path) -> list[str]:
    ids: list[str] = pq.read_table(tmp_path / NAMES[0])["sensor_id"].to_pylist()
    return ids


@given(st.lists(st.none() | st.floats(), max_size=8))
def test_bits_are_those_of_the_double_and_every_nan_is_written_alike(values: list[float | None]) -> None:
    written = hex_bits(pa.chunked_array([pa.array(values, pa.float64())])).to_pylist()
    for value, text in zip(values, written, strict=True):
        if value is None:
            assert text is None
        elif math.isnan(value):
            assert text == "0x7ff8000000000000"
        else:
            assert len(text) == 18
            (back,) = struct.unpack(">d", bytes.fromhex(text[2:]))
            assert repr(back) == repr(value)


IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
HOSTILE = st.tuples(st.sampled_from("=+-@\t\r\n'\",;"), IDS).map("".join)
INSTANTS = st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - made UTC
    lambda at: at.replace(tzinfo=UTC)
)


@given(IDS | HOSTILE, st.none() | st.floats(allow_nan=False), INSTANTS)
def test_the_csv_reads_back_as_it_was_and_no_id_begins_as_a_formula_does(
    sensor_id: str, value: float | None, inserted_at: datetime | None
) -> None:
    line = LINE | {"sensor_id": sensor_id, "lake_value": value, "lake_inserted_at": inserted_at}
    sink = io.BytesIO()
    with pcsv.CSVWriter(sink, CSV_SCHEMA, write_options=pcsv.WriteOptions(quoting_style="needed")) as writer:
        writer.write_table(to_csv_columns(table([line], FILE_SCHEMA)))
    (read,) = csv.DictReader(io.StringIO(sink.getvalue().decode("utf-8"), newline=""))
    assert not read["sensor_id"].startswith(tuple("=+-@\t\r\n"))
    guarded = sensor_id.startswith(tuple("=+-@\t\r\n'"))
    assert read["sensor_id"] == (f"'{sensor_id}" if guarded else sensor_id)
    assert (repr(float(read["lake_value"])) if read["lake_value"] else None) == (
        None if value is None else repr(value)
    )
    assert read["lake_inserted_at"] == (inserted_at.isoformat(timespec="microseconds") if inserted_at else "")


def test_rows_come_in_their_order_with_their_last_diagnosis_and_the_record_has_the_hashes(
    files: DifferenceFiles, tmp_path: Path
) -> None:
    files.begin()
    one, other = files.diagnosis("rows missing"), files.diagnosis("changed in place")
    files.append(table([LINE, LINE | {"sensor_id": "b"}]), [one, other])
    files.append(table([LINE | {"sensor_id": "c"}]), [one])
    files.rename(one, "day head lost")
    files.end()
    record = files.write()
    assert (record.rows, record.complete, record.why) == (3, True, "")
    read = pq.read_table(tmp_path / NAMES[0])
    assert read.schema.equals(FILE_SCHEMA)
    assert read["sensor_id"].to_pylist() == ["a", "b", "c"]
    assert read["diagnosis"].to_pylist() == ["day head lost", "changed in place", "day head lost"]
    for file in record.files:
        assert file.sha256 == hashlib.sha256((tmp_path / file.name).read_bytes()).hexdigest()
    files.close()
    assert in_folder(tmp_path) == set(NAMES)


def test_a_later_comparison_adds_to_the_files(files: DifferenceFiles, tmp_path: Path) -> None:
    for sensor_id in "ab":
        files.begin()
        files.append(table([LINE | {"sensor_id": sensor_id}]), [files.diagnosis("rows missing")])
        files.end()
        assert files.write().complete
    assert ids_in(tmp_path) == ["a", "b"]


def test_without_a_comparison_there_is_no_file(files: DifferenceFiles, tmp_path: Path) -> None:
    assert not files.unwritten
    files.close()
    assert in_folder(tmp_path) == set()


def test_what_was_found_before_a_comparison_was_broken_off_is_kept_and_said_to_be_a_part(
    files: DifferenceFiles, tmp_path: Path
) -> None:
    files.begin()
    files.append(table([LINE]), [files.diagnosis("rows missing")])
    assert files.unwritten
    record = files.write()
    assert (record.rows, record.complete, files.unwritten) == (1, False, False)
    assert "did not come to its end" in record.why
    assert pq.read_schema(tmp_path / NAMES[0]).metadata[b"tsse_complete"] == b"false"
    assert ids_in(tmp_path) == ["a"]


def test_a_process_that_is_killed_leaves_what_it_had_found(tmp_path: Path) -> None:
    pid = os.fork()
    if not pid:
        files = DifferenceFiles([tmp_path / name for name in NAMES])
        files.begin()
        files.append(table([LINE, LINE | {"sensor_id": "b"}]), [files.diagnosis("rows missing")] * 2)
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert in_folder(tmp_path) == {f"differences{SPOOL_SUFFIX}"}
    with (tmp_path / f"differences{SPOOL_SUFFIX}").open("rb") as stream:
        left = pa.ipc.open_stream(stream).read_all()
    assert left["sensor_id"].to_pylist() == ["a", "b"]
    assert left["diagnosis"].to_pylist() == ["rows missing"] * 2


def test_a_full_disk_ends_no_comparison_and_what_was_whole_is_kept(tmp_path: Path) -> None:
    files = DifferenceFiles([tmp_path / name for name in NAMES])
    files.begin()
    told = [files.diagnosis("rows missing")]
    written = [f"{number:04}-{os.urandom(500).hex()}" for number in range(40)]
    with room_for(20_000):
        for sensor_id in written:
            files.append(table([LINE | {"sensor_id": sensor_id}]), told)
        files.end()
        full = files.write()
    assert (full.complete, os.strerror(errno.EFBIG) in full.why) == (False, True)
    record = files.write()
    files.close()
    assert 0 < record.rows < len(written)
    assert not record.complete
    assert ids_in(tmp_path) == written[: record.rows]
    assert in_folder(tmp_path) == set(NAMES)


def test_a_folder_that_has_gone_ends_no_comparison(tmp_path: Path) -> None:
    with closing(DifferenceFiles([tmp_path / "gone" / name for name in NAMES])) as files:
        files.begin()
        files.append(table([LINE]), [files.diagnosis("rows missing")])
        files.end()
        record = files.write()
    assert (record.rows, record.complete) == (0, False)
    assert "No such file or directory" in record.why


def test_a_secret_in_an_id_is_masked_in_both_files(tmp_path: Path) -> None:
    secret = "s3cret-token"
    names = [tmp_path / name for name in NAMES]
    with closing(DifferenceFiles(names, lambda text: text.replace(secret, "[redacted]"))) as files:
        files.begin()
        files.append(table([LINE | {"sensor_id": f"x{secret}"}, LINE]), [files.diagnosis("rows missing")] * 2)
        files.end()
        files.write()
        assert ids_in(tmp_path) == ["x[redacted]", "a"]
        assert secret not in names[1].read_text(encoding="utf-8")
