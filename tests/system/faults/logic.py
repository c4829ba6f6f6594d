"""Faults in the controller's logic: mutants of the reference controller, and the traffic that shows each."""

import os
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

import psycopg

from tests.support.controller import Controller, days_ago, noon
from tests.system.faults.database import AGO, on_the_row
from tests.system.faults.elsewhen import MORNING
from tests.system.faults.lake import DATE, MISLAID, SHARD, TWICE, on_the_file
from tests.system.faults.model import (
    CHANGED,
    DATES,
    LOOK_ONLY,
    LOST,
    OURS,
    SPOT_AND_OURS,
    WITH_BACKFILL,
    Fault,
    Place,
    Plant,
    nothing,
)
from tsse_validation.domain.contract import TICK_JOB, TickResult
from tsse_validation.domain.polling import wait_until

PROMISED = "backfill_keeps_its_promises[{}]"
PATIENCE_SECONDS = 60.0
BESIDE = timedelta(microseconds=11)

_INSERT = """
INSERT INTO metrics (sensor_id, ts, value, quality, inserted_at) VALUES (%s, %s, %s, %s, {})
"""


def inserts(controller: Controller, instants: Sequence[datetime], value: float = 2.5) -> None:
    """Insert rows of the regular sensor now, as they come in late."""
    for instant in instants:
        controller.sql(_INSERT.format("clock_timestamp()"), controller.sensor(), instant, value, 0)


def replicated(controller: Controller, past: datetime | None = None) -> None:
    """Tick until the watermark has passed an instant, or all that was inserted up to now."""
    wanted = past or controller.now

    def passed() -> bool:
        through = controller.job(TICK_JOB, {}, TickResult).result.replication.computed_through_ts
        return through is not None and through > wanted

    assert wait_until(passed, seconds=PATIENCE_SECONDS, every=0.5), "the watermark does not move"


def late_instants(rows: int = 1, ago: int = AGO) -> list[datetime]:
    """Return instants of a day that no reading of the farm has."""
    return [noon(days_ago(ago)) + BESIDE * (number + 1) for number in range(rows)]


def _late_rows(controller: Controller) -> None:
    inserts(controller, late_instants())
    replicated(controller)


def _upsert(controller: Controller) -> None:
    on_the_row("UPDATE metrics SET value = 1234.5, inserted_at = clock_timestamp()")(controller)
    replicated(controller)


def _open_transaction(controller: Controller) -> None:
    """Insert a row, let a pass go by, and commit then: within the lag that a pass should keep."""
    with psycopg.connect(controller.conninfo) as connection:
        connection.execute(_INSERT.format("clock_timestamp()"), (controller.sensor(), late_instants()[0], 2.5, 0))
        controller.job(TICK_JOB, {}, TickResult)
        connection.commit()
    replicated(controller)


def _insert_each_second(controller: Controller, now: datetime, rows: int) -> None:
    for number, instant in enumerate(late_instants(rows)):
        controller.sql(_INSERT.format("%s"), controller.sensor(), instant, 2.5, 0, now + timedelta(seconds=number))


def _every_second(controller: Controller) -> None:
    """Insert rows at whole seconds, some to come, and tick at some of them."""
    now = controller.now.replace(microsecond=0)
    _insert_each_second(controller, now, 40)
    for _ in range(3):
        controller.job(TICK_JOB, {}, TickResult)
        threading.Event().wait(1.1)
    replicated(controller, now + timedelta(seconds=2))


def _over_seconds(controller: Controller) -> None:
    """Insert rows over more seconds than the mutant looks back on."""
    now = controller.now
    _insert_each_second(controller, now, 8)
    controller.running.controller.stop()
    threading.Event().wait(8)
    controller.start_controller("tests.system.faults.mutants", "late-window-too-short")
    replicated(controller, now + timedelta(seconds=8))


def _set_value(value: str) -> Plant:
    return on_the_row(f"UPDATE metrics SET value = '{value}'")


def _set_quality(controller: Controller) -> None:
    controller.sql("UPDATE metrics SET quality = 3 WHERE sensor_id = %s", controller.sensor())


def _no_quality(controller: Controller) -> None:
    controller.sql("UPDATE metrics SET quality = NULL WHERE sensor_id = %s", controller.sensor())


def more_sensors(controller: Controller, ids: str, source: str, *parameters: object) -> None:
    """Insert sensors like the regular one, one for each row of a source; their ids are told of its row."""
    controller.sql(
        f"INSERT INTO sensors SELECT {ids}, node_id, name, type, unit, interval_seconds, 0, config, created_at,"
        f" NULL FROM sensors, {source} WHERE sensor_id = %s",
        *parameters,
        controller.sensor(),
    )


def _padded_id(controller: Controller) -> None:
    more_sensors(controller, "' pump 7 '", "(VALUES (1)) one")
    controller.sql(_INSERT.format("NULL"), " pump 7 ", late_instants()[0], 2.5, 0)


def _without_inserted_at(controller: Controller) -> None:
    controller.sql(_INSERT.format("NULL"), controller.sensor(), late_instants()[0], 2.5, 0)


def _untimed_late_row(controller: Controller) -> None:
    """Insert a row of the late window that does not know when it came in, and let a pass stamp it."""
    (instant,) = late_instants(ago=1)
    controller.sql(_INSERT.format("NULL"), controller.sensor(), instant, 2.5, 0)
    replicated(controller)
    ((stamped,),) = controller.sql(
        "SELECT inserted_at IS NOT NULL FROM metrics WHERE sensor_id = %s AND ts = %s",
        controller.sensor(),
        instant,
    )
    assert stamped


_DELETED, _LOST_TODAY = on_the_row("DELETE FROM metrics"), on_the_file(os.unlink, 1)


def _at_the_windows_end(controller: Controller) -> None:
    inserts(controller, [PINNED_END])
    replicated(controller)


PINNED_END = noon((MORNING - timedelta(days=2)).date()) + BESIDE
PINNED_WINDOW = (
    f"--window-start={(MORNING - timedelta(days=3)).isoformat()}",
    f"--window-end={PINNED_END.isoformat()}",
)
PINNED = (*LOOK_ONLY, *PINNED_WINDOW)


def _logic(
    mutant: str,
    models: str,
    red: tuple[str, ...],
    plant: Plant = nothing,
    arguments: tuple[str, ...] = WITH_BACKFILL,
) -> Fault:
    name = mutant.replace("-", " ")
    return Fault(name, Place.LOGIC, models, red, plant, arguments=arguments, mutant=mutant)


def _passing(mutant: str, models: str, red: tuple[str, ...], plant: Plant = nothing) -> Fault:
    return _logic(mutant, models, red, plant, LOOK_ONLY)


def _part_of_its_day(end: str) -> Fault:
    fault = _logic(f"day-{end}-lost", "a partition replaced by a part of its day", LOST)
    return fault.told("shard missing", f"day {end} lost")


HEALTHY = "replication_is_healthy[{}]"
FAULTS = (
    _passing("lag-ignored", "a pass reads up to now", LOST, _open_transaction).told("rows missing"),
    _passing("pass-end-exclusive", "`<` where `≤` belongs", LOST, _every_second).told("rows missing"),
    _logic("day-start-exclusive", "`>` where `≥` belongs", LOST).told("rows missing"),
    _passing("watermark-by-ts", "ts taken for the time of insertion", LOST, _late_rows).told("rows missing"),
    _passing("late-window-too-short", "a pause longer than the look back", LOST, _over_seconds).told(
        "rows missing"
    ),
    _logic("old-rows-ignored", "SQL's NULL is not ≤", LOST, _without_inserted_at).told("rows missing"),
    # each date's rows up to 08:00 go under the one before, which was replaced before, and stay there;
    # the job reads a date's files whatever their rows' date
    _logic("day-in-local-time", "a zone in place of UTC", (DATE, *OURS)).told("wrong date"),
    _part_of_its_day("head"),
    _part_of_its_day("tail"),
    _logic("exported-twice", "a page read twice", (TWICE, *CHANGED)).told("duplicate rows"),
    _logic("another-hash", "a hash of another library", (SHARD, *MISLAID)).told("wrong shard"),
    _logic("quality-dropped", "a column forgotten", CHANGED, _set_quality).told("quality differs"),
    _logic("no-quality-is-one", "another default", CHANGED, _no_quality).told("quality differs"),
    _logic("no-quality-stays-none", "a column as it is", CHANGED, _no_quality).told("quality differs"),
    _logic("nan-to-null", "a CSV reader's idea of NaN", CHANGED, _set_value("NaN")).told("changed in place"),
    _logic("infinity-clipped", "JSON in between", CHANGED, _set_value("Infinity")).told("changed in place"),
    _logic("sign-of-zero-lost", "an addition of nought", CHANGED, _set_value("-0")).told("changed in place"),
    _logic("float32", "a narrower column", CHANGED).told("values rounded"),
    _logic("one-decimal", "a number format", CHANGED).told("values rounded"),
    _logic("milliseconds", "a unit of Parquet", CHANGED).told("timestamps rounded"),
    # what leaves its date goes where that is replaced in its turn
    _logic("hours-shifted", "local time taken for UTC", LOST).told("rows missing", "timestamps shifted"),
    _logic("sensor-id-trimmed", "a clean-up of texts", OURS, _padded_id).told("sensor id altered"),
    _passing("stamped-after-the-pass", "two steps the wrong way round", LOST, _untimed_late_row).told(
        "rows missing"
    ),
    _passing("upserts-skipped", "ON CONFLICT DO NOTHING", CHANGED, _upsert).told("stale value"),
    _passing("compaction-keeps-the-oldest", "a comparison the wrong way round", CHANGED, _upsert).told(
        "stale value"
    ),
    _passing("compaction-forgets-a-file", "a loop that ends too early", LOST, _late_rows).told("rows missing"),
    _passing("retention-too-early", "days counted wrongly", (DATES, *LOST), _late_rows).told("partition missing"),
    _passing("state-before-files", "a crash between state and files", LOST, _late_rows).told("rows missing"),
    _logic(
        "completed-without-work",
        "a job that reports and does nothing",
        tuple(PROMISED.format(of) for of in ("touched-dates", "rows", "progress")),
    ),
    _logic("progress-stuck", "a job that does not tell how far it is", (PROMISED.format("progress"),)),
    _passing("result-of-another-job", "a cache by the wrong key", ("valid_token_runs_a_job",)),
    _logic(
        "replacing-adds",
        "replace_existing taken for a hint",
        LOST,
        _DELETED,
        (*WITH_BACKFILL, "--accept-loss"),
    ).told("deleted in Postgres"),
    _logic("watermark-retreats", "a watermark set from the wrong clock", (PROMISED.format("watermark"),)),
    _logic(
        "stands-still",
        "a dead thread",
        ("watermark_is_recent",),
        arguments=(*LOOK_ONLY, "--watermark-max-age=1", "--settle-timeout=2"),
    ).told(says="and was older than 1 s all of 2 s"),
    _passing(
        "pass-fails", "a lost connection", (HEALTHY.format("last-run-status"), HEALTHY.format("last-run-error"))
    ),
    _logic(
        "manifest-forgotten", "one of two files written", ("direct_inspection_agrees_with_the_api[watermark]",)
    ),
    _logic("backfill-range-forgotten", "another range written than done", (PROMISED.format("state"),)),
    _logic(
        "window-end-exclusive",
        "`<` where `≤` belongs, in the parity job",
        (SPOT_AND_OURS,),
        _at_the_windows_end,
        arguments=PINNED,
    ),
    _passing("counts-one-row-too-many", "an inner join", MISLAID).told(says="the job says"),
    _passing(
        "counts-postgres-twice",
        "a parity job that compares a side with itself",
        (SPOT_AND_OURS, *OURS),
        _LOST_TODAY,
    ).told("shard missing"),
)
