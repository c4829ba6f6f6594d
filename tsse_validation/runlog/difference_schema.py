"""The columns of `differences.parquet` and `differences.csv`: pure; `reports/README.md` documents each of them."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_INSTANT = pa.timestamp("us", tz="UTC")
COPY_TYPE = pa.struct(
    [("place", pa.string()), ("file", pa.string()), ("row_group", pa.int32()), ("row", pa.int64())]
)
"""Where one copy of a row stands in the lake."""
FILE_SCHEMA = pa.schema(
    [
        ("sensor_id", pa.string()),
        ("ts", _INSTANT),
        ("kind", pa.string()),
        ("diagnosis", pa.string()),
        *(
            (f"{side}_{name}", kind)
            for side in ("postgres", "lake")
            for name, kind in (
                ("value", pa.float64()),
                ("bits", pa.string()),
                ("quality", pa.int32()),
                ("inserted_at", _INSTANT),
            )
        ),
        ("lake_place", pa.string()),
        ("lake_file", pa.string()),
        ("lake_row_group", pa.int32()),
        ("lake_row", pa.int64()),
        ("other_copies", pa.list_(COPY_TYPE)),
        ("shard_expected", pa.string()),
        ("shard_found", pa.string()),
        ("date_expected", pa.date32()),
        ("date_found", pa.date32()),
    ]
)
_AS_TEXT = {pa.types.is_timestamp, pa.types.is_list}
CSV_SCHEMA = pa.schema(
    [(field.name, pa.string() if any(of(field.type) for of in _AS_TEXT) else field.type) for field in FILE_SCHEMA]
)
_HEX_DIGITS = 16
_NAN = np.uint64(0x7FF8_0000_0000_0000)
_FORMULA = r"^[=+\-@\t\r\n']"


def hex_bits(values: pa.ChunkedArray) -> pa.Array:
    """Write doubles as `0x` and the 16 hexadecimal digits of their IEEE 754 bits, most significant first.

    The payload of a NaN means nothing: each is written alike. What is null stays null.
    """
    doubles = values.combine_chunks()
    numbers = pc.fill_null(doubles, 0.0).to_numpy(zero_copy_only=False)
    bits = np.where(np.isnan(numbers), _NAN, numbers.view(np.uint64))
    digits = bits.astype(">u8").tobytes().hex()
    texts = [f"0x{digits[at : at + _HEX_DIGITS]}" for at in range(0, len(digits), _HEX_DIGITS)]
    return pc.if_else(doubles.is_valid(), pa.array(texts, pa.string()), None)


def to_csv_columns(rows: pa.Table) -> pa.Table:
    """Return rows in `FILE_SCHEMA` as they stand in the CSV: in `CSV_SCHEMA`.

    An id that a spreadsheet would take for a formula gets a `'` before it, and so does one that begins with `'`:
    who takes one leading `'` away has the id.
    """
    columns = {name: rows[name] for name in FILE_SCHEMA.names}
    columns["sensor_id"] = pc.if_else(
        pc.match_substring_regex(rows["sensor_id"], _FORMULA),
        pc.binary_join_element_wise("'", rows["sensor_id"], ""),
        rows["sensor_id"],
    )
    for field in FILE_SCHEMA:
        if pa.types.is_timestamp(field.type):
            columns[field.name] = _as_rfc3339(rows[field.name])
    columns["other_copies"] = pa.array(map(_as_json, rows["other_copies"].to_pylist()), pa.string())
    return pa.table(columns, schema=CSV_SCHEMA)


def _as_rfc3339(instants: pa.ChunkedArray) -> pa.ChunkedArray:
    # without a zone, so that no time zone database is asked for; all of them are UTC
    written = pc.strftime(instants.cast(pa.timestamp("us")), "%Y-%m-%dT%H:%M:%S")
    return pc.binary_join_element_wise(written, "+00:00", "")


def _as_json(copies: list[Mapping[str, Any]] | None) -> str | None:
    return json.dumps(copies, ensure_ascii=False, separators=(",", ":")) if copies else None
