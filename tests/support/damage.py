"""Faults, planted for real into a controller's lake and database; `Controller.restore` takes them away."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.support.controller import Controller, dataset
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.instants import DAY, day_start, format_rfc3339
from tsse_validation.lake.shards import shard_of

Change = Callable[[pa.Table], pa.Table]
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(4_072)
"""What a Mac leaves as `._NAME` beside a file on a share."""


def lake_file(controller: Controller, sensor_id: str, day: date) -> Path:
    """Return the one file that holds a sensor's rows of a day."""
    shard = shard_of(sensor_id, controller.paths.shards)
    (path,) = (dataset(controller.paths) / f"date={day}" / f"shard={shard}").glob("*.parquet")
    return path


def lose_all(controller: Controller, sensor_id: str) -> None:
    """Lose all files of the shard that a sensor is in, of every day up to the present one."""
    for path in dataset(controller.paths).glob(f"date=*/shard={shard_of(sensor_id, controller.paths.shards)}/*"):
        path.unlink()


def rewrite(path: Path, change: Change) -> None:
    """Replace a lake file by a changed one of the same form."""
    with pq.ParquetFile(path) as parquet:
        changed = change(parquet.read())
    pq.write_table(changed, path, compression="zstd")


def at_row(sensor_id: str, column: str, value: Callable[[float], float]) -> Change:
    """Change one column of the first row of a sensor."""

    def change(table: pa.Table) -> pa.Table:
        place = _first(table, sensor_id)
        values = table[column].to_pylist()
        values[place] = value(values[place])
        return table.set_column(
            table.schema.get_field_index(column), column, pa.array(values, table.schema.field(column).type)
        )

    return change


def without_row(sensor_id: str) -> Change:
    """Leave the first row of a sensor out."""

    def change(table: pa.Table) -> pa.Table:
        place = _first(table, sensor_id)
        return pa.concat_tables([table.slice(0, place), table.slice(place + 1)])

    return change


def with_extra_row(sensor_id: str) -> Change:
    """Put a row beside the first of a sensor, a microsecond later, that Postgres has never seen."""

    def change(table: pa.Table) -> pa.Table:
        place = _first(table, sensor_id)
        extra = table.slice(place, 1).to_pylist()[0]
        extra["ts"] += timedelta(microseconds=1)
        row = pa.Table.from_pylist([extra], schema=table.schema)
        return pa.concat_tables([table.slice(0, place + 1), row, table.slice(place + 1)])

    return change


def in_the_cold(controller: Controller, path: Path) -> Path:
    """Return where something of the hot lake would lie in the cold one, in a directory that is there."""
    twin = controller.cold / path.relative_to(controller.paths.hot)
    twin.parent.mkdir(parents=True, exist_ok=True)
    return twin


def next_double(value: float) -> float:
    """Return the double right above: one unit in the last place away."""
    return float(np.nextafter(value, np.inf))


def tear(path: Path) -> None:
    """Cut a file off in the middle, as a crash without a rename would."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def edit_state(controller: Controller, name: str, change: Callable[[Any], object]) -> None:
    """Change a state file's JSON; the controller must not write it meanwhile."""
    path = controller.paths.hot / "_state" / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def move_manifest(controller: Controller, watermark: datetime) -> None:
    """Write another watermark into the manifest."""
    told = {"computed_through_ts": format_rfc3339(watermark)}
    edit_state(controller, "manifest.json", lambda manifest: manifest["datasets"][DATASET].update(told))


def move_watermark(controller: Controller, watermark: datetime) -> None:
    """Write another watermark into both state files."""
    told = dict.fromkeys(("computed_through_ts", "last_inserted_at"), format_rfc3339(watermark))
    edit_state(controller, "replication.json", lambda state: state.update(told))
    move_manifest(controller, watermark)


def _first(table: pa.Table, sensor_id: str) -> int:
    return int(pc.index(table["sensor_id"], sensor_id).as_py())


def first_instant(controller: Controller, sensor_id: str, day: date) -> datetime:
    """Return when a sensor has its first row of a day that knows when it was inserted."""
    ((instant,),) = controller.sql(
        "SELECT min(ts) FROM metrics WHERE sensor_id = %s AND ts >= %s AND ts < %s AND inserted_at IS NOT NULL",
        *(sensor_id, day_start(day), day_start(day) + DAY),
    )
    assert isinstance(instant, datetime)
    return instant
