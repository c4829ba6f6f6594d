"""The columns of rows and keys, as the lake keeps them (contract section 4)."""

import pyarrow as pa

ROW_SCHEMA = pa.schema(
    [
        ("sensor_id", pa.string()),
        ("ts", pa.timestamp("us")),
        ("value", pa.float64()),
        ("quality", pa.int32()),
        ("inserted_at", pa.timestamp("us")),
    ]
)
"""A row: instants are UTC without a zone, at the microsecond."""

KEY_SCHEMA = pa.schema([ROW_SCHEMA.field("sensor_id"), ROW_SCHEMA.field("ts")])
"""What a row is known by."""
