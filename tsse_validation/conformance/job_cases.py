"""Jobs of every type, and the end that the contract promises for each (section 3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tsse_validation.conformance.exchanges import NOOP_JOB
from tsse_validation.conformance.rules import keys_rule, model_rule, promised
from tsse_validation.domain.contract import (
    BACKFILL_JOB,
    DATASET,
    INSPECT_JOB,
    PARITY_JOB,
    TICK_JOB,
    BackfillResult,
    InspectResult,
    ParityResult,
    TickResult,
)
from tsse_validation.domain.instants import format_rfc3339

HOUR = timedelta(hours=1)
NOBODY = "no-such-sensor"


class Fault(StrEnum):
    """The damage around a job that makes it end in a promised way."""

    NONE = "nothing"
    ROW_ONLY_IN_POSTGRES = "a row that the lake does not have"
    SENSORS_DELETED = "every sensor deleted"
    TABLE_AWAY = "no table metrics"
    TORN_FILE = "a torn file in the lake"


@dataclass(frozen=True)
class Surroundings:
    """The data to run jobs on: the watermark, a sensor with rows below it, and the first sensors in id order."""

    watermark: datetime
    sensor: str
    first_sensors: tuple[frozenset[str], ...]

    def window(self, **more: object) -> dict[str, object]:
        """Return params of a parity job over the hour before the watermark, for the one sensor."""
        return {
            "start": format_rfc3339(self.watermark - HOUR),
            "end": format_rfc3339(self.watermark),
            "sensor_ids": [self.sensor],
            "sample": 5,
            "fail_on_mismatch": False,
        } | more


Params = Callable[[Surroundings], Mapping[str, object]]
ResultRule = Callable[[Any, Surroundings], None]


@dataclass(frozen=True)
class JobCase:
    """A job and its promised end: `completed` with a result that follows a rule, or `failed` with `code`."""

    name: str
    job_type: str
    params: Params
    code: str | None = None
    result: ResultRule = lambda _result, _around: None
    details: tuple[str, ...] = ()
    fault: Fault = Fault.NONE


def _inspect(result: Any, _: Surroundings) -> None:
    model_rule(result, InspectResult, "The result")
    keys_rule(result, ["job_type", "inspection", "versions"], "The result")
    inspection = result["inspection"]
    keys_rule(inspection, ["hot_path", "cold_path", "datasets", "replication"], "The inspection")
    keys_rule(inspection["datasets"], [DATASET], "datasets")
    for day, partition in inspection["datasets"][DATASET].get("partitions", {}).items():
        keys_rule(partition, ["location", "shards"], f"The partition {day}")
    keys_rule(inspection["replication"], ["schema_version", "computed_through_ts"], "replication")


def _backfilled(days: int) -> ResultRule:
    def rule(result: Any, _: Surroundings) -> None:
        model_rule(result, BackfillResult, "The result")
        promised(3, result["days"] == days, f"{result['days']} days were backfilled instead of {days}.")
        promised(3, result["dataset"] == DATASET, f"The dataset is {result['dataset']!r}.")
        read = BackfillResult.model_validate(result)
        length = read.backfill_to_ts - read.backfill_from_ts
        promised(3, length == timedelta(days=days), f"The range is {length} long instead of {days} days.")
        problem = "The range does not end at target_inserted_at."
        promised(3, read.backfill_to_ts == read.target_inserted_at, problem)

    return rule


def _ticked(result: Any, around: Surroundings) -> None:
    model_rule(result, TickResult, "The result")
    promised(3, result["status"] == "ok", f"A completed tick has the status {result['status']!r}.")
    through = TickResult.model_validate(result).replication.computed_through_ts
    promised(3, through and through >= around.watermark, f"After the tick the watermark is {through}.")


_PARITY_KEYS = (
    *("job_type", "window_requested", "window_checked", "sensor_ids", "mismatches", "rows", "partitions"),
    *("replication", "timings_ms", "versions", "report_markdown"),
)


def _counted(result: Any, around: Surroundings) -> None:
    keys_rule(result, _PARITY_KEYS, "The result")
    model_rule(result, ParityResult, "The result")
    keys_rule(result["timings_ms"], ["pg_counts_ms", "job_total_ms"], "timings_ms")
    head = "# TSSE Lake Parity Check (job)"
    promised(3, result["report_markdown"].startswith(head), f"report_markdown does not begin with “{head}”.")
    differing = sum(row["pg_count"] != row["lake_count"] for row in result["rows"])
    problem = f"mismatches is {result['mismatches']}, {differing} rows differ."
    promised(3, result["mismatches"] == differing, problem)
    read = ParityResult.model_validate(result)
    checked, requested = read.window_checked, read.window_requested
    within = requested.start <= checked.start and checked.end <= requested.end
    promised(3, within, "window_checked is not within window_requested.")
    promised(3, requested.start <= around.watermark, "window_requested is not what was asked for.")


def _of_sensors(result: Any, around: Surroundings) -> None:
    _counted(result, around)
    wanted = sorted({around.sensor, NOBODY})
    promised(3, result["sensor_ids"] == wanted, f"sensor_ids is {result['sensor_ids']} instead of {wanted}.")
    (row,) = (row for row in result["rows"] if row["sensor_id"] == NOBODY)
    unseen = (row["pg_count"], row["lake_count"], row["matches"]) == (0, 0, True)
    promised(3, unseen, f"An id that no sensor has is counted as {row}.")


def _sampled(size: int) -> ResultRule:
    def rule(result: Any, around: Surroundings) -> None:
        _counted(result, around)
        first = [ids for ids in around.first_sensors if len(ids) == size]
        wanted = " or ".join(str(sorted(ids)) for ids in first)
        promised(3, set(result["sensor_ids"]) in first, f"The sample is {result['sensor_ids']}, not {wanted}.")

    return rule


def _clamped(result: Any, around: Surroundings) -> None:
    _counted(result, around)
    read = ParityResult.model_validate(result)
    mark = read.replication.computed_through_ts
    promised(3, mark and read.window_checked.end <= mark, f"The window is not clamped to the watermark {mark}.")


def _differing(result: Any, around: Surroundings) -> None:
    _counted(result, around)
    promised(3, result["mismatches"] >= 1, "A row that only Postgres has is no mismatch.")


def _backfill(name: str, days: object, done: int) -> JobCase:
    params = {"days": days, "replace_existing": True}
    return JobCase(f"backfill-{name}", BACKFILL_JOB, lambda _: params, result=_backfilled(done))


def _parity(name: str, params: Params, code: str | None = None, **more: Any) -> JobCase:
    return JobCase(f"parity-{name}", PARITY_JOB, params, code, **more)


def _without(key: str) -> Params:
    return lambda around: {name: value for name, value in around.window().items() if name != key}


JOB_CASES: Sequence[JobCase] = (
    JobCase("unknown-type", "no_such_job_v1", lambda _: {}, "unsupported_job_type"),
    JobCase("noop", NOOP_JOB, lambda _: {"steps": 2}),
    JobCase("inspect", INSPECT_JOB, lambda _: {}, result=_inspect),
    JobCase("tick", TICK_JOB, lambda _: {}, result=_ticked),
    _backfill("days-0", 0, 1),
    _backfill("days-400", 400, 365),
    _backfill("days-negative", -5, 90),
    _backfill("days-no-number", "soon", 90),
    _parity(
        "named-sensors",
        lambda around: around.window(sensor_ids=[f" {around.sensor} ", NOBODY, around.sensor]),
        result=_of_sensors,
    ),
    _parity("sample", lambda around: around.window(sensor_ids=[], sample=2), result=_sampled(2)),
    _parity(
        "past-the-watermark",
        lambda around: around.window(end=format_rfc3339(around.watermark + 24 * HOUR)),
        result=_clamped,
    ),
    _parity("no-timestamp", lambda around: around.window(start="yesterday"), "invalid_params"),
    _parity("ends-before-it-starts", lambda around: around.window(end=around.window()["start"]), "invalid_params"),
    _parity("no-start", _without("start"), "invalid_params"),
    _parity("no-end", _without("end"), "invalid_params"),
    _parity(
        "starts-past-the-watermark",
        lambda around: around.window(
            start=format_rfc3339(around.watermark + 24 * HOUR), end=format_rfc3339(around.watermark + 25 * HOUR)
        ),
        "invalid_window",
    ),
    _parity(
        "mismatch-is-told", lambda around: around.window(), result=_differing, fault=Fault.ROW_ONLY_IN_POSTGRES
    ),
    _parity(
        "mismatch-fails",
        lambda around: around.window(fail_on_mismatch=True),
        "parity_mismatch",
        details=("mismatches",),
        fault=Fault.ROW_ONLY_IN_POSTGRES,
    ),
    _parity("no-sensors", lambda around: around.window(sensor_ids=[]), "no_sensors", fault=Fault.SENSORS_DELETED),
    _parity("no-table", lambda around: around.window(), "db_query_failed", fault=Fault.TABLE_AWAY),
    JobCase("tick-no-table", TICK_JOB, lambda _: {}, "replication_tick_failed", fault=Fault.TABLE_AWAY),
    _parity("torn-file", lambda around: around.window(), "duckdb_read_failed", fault=Fault.TORN_FILE),
)
"""Every type of job with its clamps, and every error code that the contract names."""


def end_rule(case: JobCase, job: Mapping[str, Any]) -> None:
    """Check the end of a job against its case (section 3)."""
    name = f"{job['job_type']} ({case.name})"
    error = job.get("error", {})
    ended = f"{job['status']} {error.get('code', '')} {error.get('message', '')[:80]}".strip()
    if case.code is None:
        promised(3, job["status"] == "completed", f"{name} ended {ended} instead of completed.")
        return
    right = job["status"] == "failed" and error["code"] == case.code
    promised(3, right, f"{name} ended {ended} instead of failed with {case.code}.")
    missing = [key for key in case.details if key not in (error.get("details") or {})]
    promised(3, not missing, f"{name}: the error's details lack {', '.join(missing)}.")
