"""Faults in the lake's files: what disks, copies and torn writes do to them."""

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.support.controller import Controller, dataset, days_ago
from tests.support.damage import (
    APPLE_DOUBLE,
    Change,
    at_row,
    in_the_cold,
    lake_file,
    lose_all,
    next_double,
    rewrite,
    tear,
    with_extra_row,
    without_row,
)
from tests.system.faults.model import (
    CHANGED,
    DATES,
    DIGESTS,
    LOST,
    OURS,
    ROWS,
    SPOT,
    SPOT_AND_OURS,
    Fault,
    Place,
    Plant,
)
from tsse_validation.lake.shards import shard_of

MISLAID = (SPOT, SPOT_AND_OURS)
"""Red where rows lie in a shard in which the job does not look for them."""
AGO = 5
"""The day, so long ago, that is damaged: in the middle of the covered range."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
A_PART = "part-20260101T000000-0.parquet"
FORM = "lake_files_are_well_formed[{}]"
PARTITIONS = "direct_inspection_agrees_with_the_api[partitions]"
READABLE, SCHEMA, SHARD, DATE, TWICE = (
    FORM.format(aspect) for aspect in ("readable", "schema", "shard", "date", "duplicates")
)


def _file(controller: Controller, ago: int = AGO) -> Path:
    return lake_file(controller, controller.sensor(), days_ago(ago))


def _day(controller: Controller, ago: int = AGO) -> Path:
    return dataset(controller.paths) / f"date={days_ago(ago)}"


def on_the_file(work: Callable[[Path], object], ago: int = AGO) -> Plant:
    """Do something to the file that holds the regular sensor's rows of a day."""
    return lambda controller: work(_file(controller, ago))


def rewritten(change: Change, ago: int = AGO) -> Plant:
    """Change the file's rows."""
    return on_the_file(lambda path: rewrite(path, change), ago)


def of_the_sensor(change: Callable[[str], Change], ago: int = AGO) -> Plant:
    """Change rows of the regular sensor in its file."""
    return lambda controller: rewrite(_file(controller, ago), change(controller.sensor()))


def _zero_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    # behind the magic number stands the header of the first page
    content[4:36] = bytes(32)
    path.write_bytes(content)


def _flip_a_bit_of_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(_ZSTD_MAGIC)] ^= 1
    path.write_bytes(content)


def _flip_a_bit_of_a_value(path: Path) -> None:
    """Flip the last bit of a value's mantissa, in a file that no codec guards."""
    with pq.ParquetFile(path) as parquet:
        table = parquet.read()
    pq.write_table(table, path, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    packed = (struct.pack("<d", value) for value in table["value"].to_pylist())
    content[content.index(next(value for value in packed if content.count(value) == 1))] ^= 1
    path.write_bytes(content)


def _tear_the_footer(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("gone-elsewhere.parquet"))


def _shard_directory(controller: Controller, number: int) -> Path:
    return _day(controller) / f"shard={number % controller.paths.shards:02d}"


def _own_shard(controller: Controller) -> int:
    return int(shard_of(controller.sensor(), controller.paths.shards))


def _move_to_another_shard(controller: Controller) -> None:
    path, other = _file(controller), _shard_directory(controller, _own_shard(controller) + 1)
    other.mkdir(exist_ok=True)
    path.rename(other / A_PART)


def _swap_two_shards(controller: Controller) -> None:
    own = _shard_directory(controller, _own_shard(controller))
    other = next(path for path in sorted(_day(controller).iterdir()) if path != own)
    aside = own.with_name("aside")
    own.rename(aside)
    other.rename(own)
    aside.rename(other)


def _put_under_another_date(controller: Controller) -> None:
    path = _file(controller)
    other = path.parents[2] / f"date={days_ago(AGO - 1)}" / path.parent.name
    path.rename(other / A_PART)


def _copy_a_day_over_another(controller: Controller) -> None:
    shutil.rmtree(_day(controller))
    shutil.copytree(_day(controller, AGO - 1), _day(controller))


def _leave_half_of_a_day(controller: Controller) -> None:
    kept, *lost = sorted(_day(controller).iterdir())
    assert lost, kept
    for shard in lost:
        shutil.rmtree(shard)


def _misname_the_date(controller: Controller) -> None:
    day = _day(controller)
    day.rename(day.with_name(f"date={days_ago(AGO):%Y%m%d}"))


def doubled(table: pa.Table) -> pa.Table:
    """Let each row stand twice."""
    return table.take(pa.array([row for row in range(table.num_rows) for _ in range(2)]))


def _appended(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table])


def _with_a_shadow(path: Path) -> None:
    tear(path)
    path.with_name(f"._{path.name}").write_bytes(APPLE_DOUBLE)


def _as_type(column: str, kind: pa.DataType) -> Change:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(column)
        return table.set_column(place, column, table[column].cast(kind, safe=False))

    return change


def _values_swapped(table: pa.Table) -> pa.Table:
    values = table["value"].to_pylist()
    pairs = [(at, at + 1) for at in range(0, len(values) - 1, 2)]
    for one, other in pairs:
        values[one], values[other] = values[other], values[one]
    return table.set_column(table.schema.get_field_index("value"), "value", pa.array(values, pa.float64()))


def _first_half_only(table: pa.Table) -> pa.Table:
    ts = table["ts"]
    middle = pc.min(ts).as_py() + (pc.max(ts).as_py() - pc.min(ts).as_py()) / 2
    return table.filter(pc.less(ts, pa.scalar(middle, ts.type)))


def _hide_in_the_cold(controller: Controller) -> None:
    shard = _file(controller).parent
    shard.rename(in_the_cold(controller, shard))


def _lose_all(controller: Controller) -> None:
    lose_all(controller, controller.sensor())


def _fault(name: str, models: str, red: tuple[str, ...], plant: Plant) -> Fault:
    return Fault(name, Place.LAKE, models, red, plant)


def _unreadable(name: str, models: str, work: Callable[[Path], object]) -> Fault:
    """Do to the file what leaves none of its rows to be read, by us or by the job."""
    return _fault(name, models, (READABLE, *LOST), on_the_file(work)).told("unreadable file")


def _changed(name: str, models: str, plant: Plant, *more: str) -> Fault:
    """Change rows and not their number; `more` is red beside that."""
    return _fault(name, models, (*more, *CHANGED), plant)


def _typed(name: str, column: str, kind: pa.DataType, *rounded: str) -> Fault:
    """Keep a column as another type, which may round it."""
    red = (SCHEMA, *(CHANGED if rounded else ()))
    return _fault(name, "another writer", red, rewritten(_as_type(column, kind))).told(*rounded, "wrong schema")


FAULTS = (
    _fault("a file is lost", "somebody tidied up", LOST, on_the_file(os.unlink)).told(
        "shard missing", says="lake 0", by=DIGESTS
    ),
    _fault(
        "yesterday's file is lost",
        "the same, where the spot check looks",
        LOST,
        on_the_file(os.unlink, 1),
    ).told("shard missing"),
    _fault("a shard is lost on every day", "a sensor's whole history", LOST, _lose_all).told("shard missing"),
    _fault(
        "a partition is lost",
        "retention ran amok",
        (DATES, *LOST),
        lambda controller: shutil.rmtree(_day(controller)),
    ).told("partition missing", says="no partition"),
    _fault("half of a day's shards are lost", "a copy broke off", LOST, _leave_half_of_a_day).told(
        "shard missing"
    ),
    _fault("a row is missing", "a lost update", LOST, of_the_sensor(without_row)).told("rows missing"),
    _fault("the second half of a day is missing", "an export broke off", LOST, rewritten(_first_half_only)).told(
        "day tail lost", says="nothing after", by=ROWS
    ),
    _fault("a row that never was", "a test's left-over", LOST, of_the_sensor(with_extra_row)).told(
        "deleted in Postgres"
    ),
    _changed("every row stands twice in a file", "an export ran twice", rewritten(doubled), TWICE).told(
        "duplicate rows"
    ),
    _changed("a file is appended to itself", "a merge that reads a file twice", rewritten(_appended), TWICE).told(
        "duplicate rows", says="that the file has already"
    ),
    _fault(
        "a value is one unit in the last place off",
        "decimal and back",
        CHANGED,
        of_the_sensor(lambda sensor: at_row(sensor, "value", next_double)),
    ).told("changed in place", says="their digests differ", by=DIGESTS),
    _changed("neighbours' values are swapped", "a sort without its values", rewritten(_values_swapped)).told(
        "values swapped"
    ),
    _changed(
        "a quality differs",
        "a column mapped wrongly",
        of_the_sensor(lambda sensor: at_row(sensor, "quality", lambda quality: quality + 1)),
    ).told("quality differs"),
    _unreadable("a file is torn in the middle", "a crash without a rename", tear).told(
        "unreadable file", says="unreadable file", by=ROWS
    ),
    _unreadable("a footer is torn", "a disk ran full", _tear_the_footer),
    _fault(
        "a torn file beside a whole one",
        "a compaction broke off",
        (READABLE, *CHANGED, SPOT),
        on_the_file(lambda path: path.with_name(A_PART).write_bytes(path.read_bytes()[:-10])),
    ).told("unreadable file", says="what a torn file holds is not known", by=DIGESTS),
    _unreadable("a torn file has a shadow beside it", "a crash, and a Mac that looked at it", _with_a_shadow).told(
        "unreadable file", says="unreadable file", by=ROWS
    ),
    _unreadable("a file is empty", "a crash before the first write", lambda path: path.write_bytes(b"")),
    _unreadable("a page's first bytes are zeroes", "a block that a crash left unwritten", _zero_a_page),
    _unreadable("a bit of a page is flipped", "a failing disk", _flip_a_bit_of_a_page),
    _changed(
        "a bit of a value is flipped",
        "a failing disk, under a file that is not compressed",
        on_the_file(_flip_a_bit_of_a_value),
    ).told("changed in place"),
    _fault("a file is a link to nowhere", "a mount is gone", (PARTITIONS, SPOT), on_the_file(_dangle)).told(
        says="The API and the files differ"
    ),
    _typed("values are kept as texts", "value", pa.string()),
    _typed("values are kept as 32-bit floats", "value", pa.float32(), "values rounded"),
    _typed("timestamps are kept in milliseconds", "ts", pa.timestamp("ms"), "timestamps rounded"),
    _changed(
        "a column is missing", "an old schema", rewritten(lambda table: table.drop_columns(["quality"])), SCHEMA
    ).told(*("quality differs", "wrong schema")),
    _fault("a file lies in another shard", "another hash", (SHARD, *MISLAID), _move_to_another_shard).told(
        "wrong shard", says="which belongs to shard"
    ),
    _fault("two shards are swapped", "a restore by hand", (SHARD, *MISLAID), _swap_two_shards).told("wrong shard"),
    _fault("a file lies under another date", "another time zone", (DATE, *OURS), _put_under_another_date).told(
        "wrong date", says="whose ts is not on"
    ),
    _fault("a day is a copy of its neighbour", "a restore by hand", (DATE, *LOST), _copy_a_day_over_another).told(
        *("rows missing", "shard missing", "wrong date")
    ),
    _fault("a date's name is spelt otherwise", "another writer", (DATES, *LOST), _misname_the_date).told(
        "partition missing"
    ),
    _fault(
        "a temporary file is left",
        "a write was torn off",
        ("no_temporary_file_is_left",),
        on_the_file(lambda path: path.with_name(f"{A_PART}.tmp").write_bytes(b"PAR1")),
    ).told("leftover temporary file"),
    _fault(
        "a shard lies where the manifest does not point", "a move to the NAS broke off", LOST, _hide_in_the_cold
    ).told("hidden by the manifest"),
)
