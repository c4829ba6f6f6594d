"""Puts each differing row beside its places in the lake: pure. The copies are looked up elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.lake.shards import shard_of
from tsse_validation.lake.sql import column_engine
from tsse_validation.parity.comparing import DayComparison
from tsse_validation.runlog.difference_schema import FILE_SCHEMA, hex_bits

_PLACES = """
    WITH ordered AS (
        SELECT d.number, c.place, c.file, c.row_group, c.row, c.shard, c.day,
            coalesce(d.has_copy AND c.is_read AND c.bits IS NOT DISTINCT FROM d.bits
                AND c.quality IS NOT DISTINCT FROM d.quality
                AND c.inserted_at IS NOT DISTINCT FROM d.inserted_at, false) AS same
        FROM differing AS d JOIN copies AS c USING (sensor_id, ts)
    ), numbered AS (
        SELECT *, row_number() OVER (PARTITION BY number ORDER BY same DESC, place DESC, file, row) AS nth
        FROM ordered
    )
    SELECT d.number,
        max(place) FILTER (nth = 1 AND same) AS place, max(file) FILTER (nth = 1 AND same) AS file,
        max(row_group) FILTER (nth = 1 AND same) AS row_group, max(row) FILTER (nth = 1 AND same) AS row,
        max(shard) FILTER (nth = 1) AS shard, max(day) FILTER (nth = 1) AS day,
        coalesce(list({'place': place, 'file': file, 'row_group': row_group, 'row': row} ORDER BY nth)
            FILTER (nth > 1 OR NOT same), []) AS others
    FROM differing AS d LEFT JOIN numbered USING (number) GROUP BY d.number ORDER BY d.number
"""
"""The first copy that is as the lake's side of the comparison counts; all the others follow by place and file."""


def placed(comparison: DayComparison, copies: pa.Table, shards: int) -> pa.Table:
    """Return a day's differing rows in `FILE_SCHEMA` but for `diagnosis`, in the order of the comparison.

    `copies` are all copies of their keys, in `lake.rows.COPY_SCHEMA`. Where none counts, as of a missing row,
    shard and date found are those of the first of the other copies.
    """
    rows = comparison.differences
    expected = {sensor: shard_of(sensor, shards) for sensor in pc.unique(rows["sensor_id"]).to_pylist()}
    columns: dict[str, Any] = {
        "sensor_id": rows["sensor_id"],
        "ts": _utc(rows["ts"]),
        "kind": rows["kind"],
        "shard_expected": pa.array([expected[sensor] for sensor in rows["sensor_id"].to_pylist()], pa.string()),
        "date_expected": pa.array([comparison.day] * rows.num_rows, pa.date32()),
        **_places(rows, copies),
    }
    for side, name in (("postgres", "pg"), ("lake", "lake")):
        columns[f"{side}_value"] = rows[f"{name}_value"]
        columns[f"{side}_bits"] = hex_bits(rows[f"{name}_value"])
        columns[f"{side}_quality"] = rows[f"{name}_quality"]
        columns[f"{side}_inserted_at"] = _utc(rows[f"{name}_inserted_at"])
    names = [name for name in FILE_SCHEMA.names if name != "diagnosis"]
    schema = pa.schema([FILE_SCHEMA.field(name) for name in names])
    return pa.table([_cast(columns[name], schema.field(name).type) for name in names], schema=schema)


def keys_of(comparison: DayComparison) -> pa.Table:
    """Return the distinct `(sensor_id, ts)` of a day's differing rows."""
    return comparison.differences.select(["sensor_id", "ts"]).group_by(["sensor_id", "ts"]).aggregate([])


def _places(rows: pa.Table, copies: pa.Table) -> Mapping[str, Sequence[Any] | pa.ChunkedArray]:
    differing = pa.table(
        {
            "number": pa.array(range(rows.num_rows), pa.int64()),
            "sensor_id": rows["sensor_id"],
            "ts": rows["ts"],
            "has_copy": pc.not_equal(rows["kind"], "missing"),
            "bits": hex_bits(rows["lake_value"]),
            "quality": rows["lake_quality"],
            "inserted_at": rows["lake_inserted_at"],
        }
    )
    with_bits = copies.append_column("bits", hex_bits(copies["value"]))
    with column_engine(differing=differing, copies=with_bits) as engine:
        found = engine.execute(_PLACES).to_arrow_table()
    return {
        "lake_place": found["place"],
        "lake_file": found["file"],
        "lake_row_group": found["row_group"],
        "lake_row": found["row"],
        "shard_found": found["shard"],
        "date_found": found["day"],
        "other_copies": found["others"],
    }


def _utc(instants: pa.ChunkedArray) -> pa.ChunkedArray:
    return instants.cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))


def _cast(column: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return column if column.type == kind else column.cast(kind)
