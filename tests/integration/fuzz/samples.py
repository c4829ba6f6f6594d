"""What foreign input looks like when it is right: the real controller's words where there are any."""

import json
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parents[2] / "data"
_AT = "2026-01-24T16:29:48.358904+00:00"
_WATERMARK = "2026-01-24T16:52:51.645740789+00:00"

INSPECTED: dict[str, Any] = json.loads(
    (_DATA / "tsse-lake-inspect-20260124_165836-0.1.9.211.json").read_text(encoding="utf-8")
)
"""A real inspection, with fewer dates, so that each mutation meets something else."""
_METRICS = INSPECTED["result"]["inspection"]["datasets"]["metrics/v1"]
_METRICS["partitions"] = dict(sorted(_METRICS["partitions"].items())[-3:])
REPLICATION: dict[str, Any] = INSPECTED["result"]["inspection"]["replication"]

JOB: dict[str, Any] = {
    "job": {
        "id": "9b2f6a0e-6d0e-4a5c-8a58-0d0b2c7d2f10",
        "job_type": "lake_backfill_v1",
        "status": "failed",
        "job_key": "key",
        "created_by": "somebody",
        **dict.fromkeys(("created_at", "updated_at", "started_at", "completed_at"), _AT),
        "progress": {"phase": "lake_backfill", "completed": 3, "total": 91, "message": "exporting 2026-01-24"},
        "error": {"code": "lake_backfill_failed", "message": "disk full", "details": {"mismatches": 1}},
    }
}
EVENTS: dict[str, Any] = {
    "events": [
        {"id": number, "created_at": _AT, "kind": kind, "payload": {"phase": "x", "completed": number}}
        for number, kind in enumerate(("created", "started", "progress", "completed"), start=1)
    ],
    "next_after": 4,
}
BACKFILLED: dict[str, Any] = {
    "job_id": JOB["job"]["id"],
    "result": {
        "job_type": "lake_backfill_v1",
        "dataset": "metrics/v1",
        "days": 90,
        "replace_existing": True,
        "target_inserted_at": _WATERMARK,
        "backfill_from_ts": _AT,
        "backfill_to_ts": _WATERMARK,
        "touched_dates": ["2026-01-23", "2026-01-24"],
        "rows_exported": 1_000_000,
    },
}
TICKED: dict[str, Any] = {
    "job_id": JOB["job"]["id"],
    "result": {"job_type": "lake_replication_tick_v1", "status": "ok", "replication": REPLICATION},
}
COUNTED: dict[str, Any] = {
    "job_id": JOB["job"]["id"],
    "result": {
        "job_type": "lake_parity_check_v1",
        "window_requested": {"start": _AT, "end": _WATERMARK},
        "window_checked": {"start": _AT, "end": _WATERMARK},
        "computed_through_ts": _WATERMARK,
        "sensor_ids": ["0137f2f857d4dd34c390573c", "forecast_wind"],
        "mismatches": 1,
        "rows": [
            {"sensor_id": "0137f2f857d4dd34c390573c", "pg_count": 60, "lake_count": 60, "matches": True},
            {"sensor_id": "forecast_wind", "pg_count": 12, "lake_count": 11, "matches": False},
        ],
        "partitions": [
            {"date": "2026-01-24", "location": "hot", "file_count": 155, "last_compacted_at": _AT}
            | {"max_shard_files": 10}
        ],
        "replication": REPLICATION,
        "timings_ms": {"pg_counts_ms": 3, "job_total_ms": 20},
        "versions": {"parity_check": "v1"},
        "report_markdown": "# TSSE Lake Parity Check (job)",
    },
}
MANIFEST: dict[str, Any] = {
    "schema_version": 1,
    "datasets": {
        "metrics/v1": {
            "computed_through_ts": _WATERMARK,
            "partitions": {
                "2026-01-23": {"location": "cold", "updated_at": _AT, "file_count": 16},
                "2026-01-24": {"location": "hot", "updated_at": _AT, "last_compacted_at": _AT, "file_count": 155},
            },
        }
    },
}
SETUP_CONFIG: dict[str, Any] = {
    "database_url": "postgresql+psycopg://farm:pa%20ss@127.0.0.1:5432/farm?sslmode=disable&application_name=x",
    "core_port": 8000,
    "services": [{"name": "qdrant", "port": 6333}],
}
