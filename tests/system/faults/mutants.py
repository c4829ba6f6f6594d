"""The reference controller with one mistake in its logic: ``python -m tests.system.faults.mutants NAME --port …``.

None of these keeps the contract; what it allows is in `fixtures.controller.variations`.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from fixtures.controller import __main__ as controller
from fixtures.controller import (
    backfill,
    export,
    handlers,
    housekeeping,
    jobs,
    lake_store,
    parity,
    replication,
    segments,
)
from fixtures.controller.lake_store import remove_hot_date
from fixtures.controller.runner import ControllerStoppingError
from fixtures.controller.state import StateFiles
from tsse_validation.domain.windows import Window

Mutation = Callable[[], None]
Row = Callable[[pa.Table], pa.Table]

_SHORT = timedelta(seconds=1)
_OFFSET_OF_LOS_ANGELES = timedelta(hours=-8)


def _put(place: object, name: str, value: object) -> None:
    setattr(place, name, value)


def _with(place: object, name: str, value: object) -> Mutation:
    """Put something else in a place."""
    return lambda: _put(place, name, value)


def _in_sql(name: str, old: str, new: str) -> Mutation:
    def mutate() -> None:
        statement = getattr(export, name)
        assert old in statement, statement
        _put(export, name, statement.replace(old, new))

    return mutate


def _of_the_rows(change: Row) -> Mutation:
    """Change every table on its way from Postgres into the lake."""

    def mutate() -> None:
        parse = export._parse
        _put(export, "_parse", lambda piece: change(parse(piece)))

    return mutate


def _of_column(name: str, change: Callable[[pa.ChunkedArray], Any]) -> Mutation:
    def changed(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(name)
        field = table.schema.field(name)
        return table.set_column(place, field, pa.chunked_array([change(table[name].combine_chunks())], field.type))

    return _of_the_rows(changed)


def _later(ts: pa.Array, by: timedelta) -> pa.Array:
    return pc.add(ts, pa.scalar(by, pa.duration("us")))


def _lag_ignored() -> None:
    def due_through(self: Any, state: Any) -> datetime:
        now: datetime = self.clock()
        return now if state.last_inserted_at is None else max(now, state.last_inserted_at)

    _put(replication.LakeService, "due_through", due_through)


def _whole_seconds(mutate: Mutation) -> Mutation:
    """Let the clock tick in seconds, so that a row can meet the end of a pass exactly."""

    def both() -> None:
        mutate()
        due = replication.LakeService.due_through
        _put(replication.LakeService, "due_through", lambda self, state: due(self, state).replace(microsecond=0))

    return both


def _late_window_too_short() -> None:
    def due_after(_self: Any, state: Any, through: datetime) -> datetime:
        oldest = through - _SHORT
        return oldest if state.last_inserted_at is None else max(oldest, state.last_inserted_at)

    _put(replication.LakeService, "due_after", due_after)


def _plus(table: pa.Table, offset: timedelta) -> pa.Table:
    place = table.schema.get_field_index("ts")
    return table.set_column(place, table.schema.field("ts"), _later(table["ts"], offset))


def _split_otherwise(change: Row, before: Row = lambda table: table) -> Mutation:
    """Change every shard's part of a day's table, and the table `before` it is split."""
    split = segments.split_by_shard

    def otherwise(table: pa.Table, shards: int) -> Iterator[tuple[Any, int, pa.Table]]:
        for day, shard, part in split(before(table), shards):
            yield day, shard, change(part)

    return _with(segments, "split_by_shard", otherwise)


def _half_of_each_day(bound: str) -> Mutation:
    """Replace each day by a half of it: its start, or its end, is its middle."""
    part_of = backfill._Plan.part_of

    def half(self: Any, day: Any) -> Any:
        part = part_of(self, day)
        return replace(part, **{bound: part.start + (part.end - part.start) / 2})

    return lambda: _put(backfill._Plan, "part_of", half)


def _stamped_after_the_pass() -> None:
    """Read the rows of a pass first, and then give the untimed ones its target: no later pass takes them."""
    stamp, export_increment = export.stamp_untimed_rows, replication.export_increment
    put_off: list[tuple[Any, ...]] = []

    def read_first(*arguments: Any, **named: Any) -> Any:
        exported = export_increment(*arguments, **named)
        while put_off:
            stamp(*put_off.pop())
        return exported

    _put(replication, "stamp_untimed_rows", lambda *arguments: put_off.append(arguments))
    _put(replication, "export_increment", read_first)


def _upserts_skipped() -> None:
    def known(service: Any) -> set[tuple[str, Any]]:
        found: set[tuple[str, Any]] = set()
        for path in service.lake.hot.glob("metrics/v1/date=*/shard=*/*.parquet"):
            table = segments.read_segment(path, ["sensor_id", "ts"])
            found |= set(zip(table["sensor_id"].to_pylist(), table["ts"].to_pylist(), strict=True))
        return found

    export_increment = replication.export_increment

    def only_new(service: Any, *arguments: Any, **named: Any) -> Any:
        there = known(service)

        def read(*of: Any, **more: Any) -> Iterator[pa.Table]:
            for table in export.read_increment(*of, **more):
                keys = zip(table["sensor_id"].to_pylist(), table["ts"].to_pylist(), strict=True)
                yield table.filter(pa.array([key not in there for key in keys], pa.bool_()))

        _put(replication, "read_increment", read)
        return export_increment(service, *arguments, **named)

    _put(replication, "export_increment", only_new)


def _compacted_otherwise(newest_rows: Callable[[Any], pa.Table]) -> Mutation:
    """Compact every shard of a day that has two files, and let others than the newest rows stay."""

    def mutate() -> None:
        _put(housekeeping, "COMPACTION_THRESHOLD_FILES", 1)
        _put(housekeeping, "newest_rows", newest_rows)

    return mutate


def _oldest_rows(tables: Any) -> pa.Table:
    swapped = segments.newest_rows([_with_inserted(table, negated=True) for table in reversed(tables)])
    return _with_inserted(swapped, negated=True)


def _with_inserted(table: pa.Table, *, negated: bool) -> pa.Table:
    place = table.schema.get_field_index("inserted_at")
    micros = table["inserted_at"].cast(pa.int64())
    changed = pc.negate(micros) if negated else micros
    return table.set_column(place, table.schema.field("inserted_at"), changed.cast(pa.timestamp("us")))


def _retention_too_early() -> None:
    """Delete what is older than six days, where 90 are to be kept, and the rest is to go into the cold."""

    def retire(lake: Any, states: Any, now: datetime) -> None:
        for day in lake.dates("hot"):
            if day < now.date() - timedelta(days=6):
                states.save_manifest(states.load_manifest().without(day))
                remove_hot_date(lake, day, lake_store.new_run(now))

    _put(replication, "retire", retire)


def _completed_without_work() -> None:
    def done(service: Any, days: int, _control: Any, *, replace_existing: bool) -> Any:
        del replace_existing
        plan = backfill._plan(service, days)
        backfill._move_watermark(service, plan)
        return backfill.BackfillOutcome(plan.target, plan.window, [], 0)

    _put(handlers, "backfill", done)


def _takes_a_date_more() -> None:
    """Remove the date before the range as well, and write nothing of it."""
    catch_up = backfill._catch_up_outside

    def more(service: Any, plan: Any) -> None:
        day = plan.dates()[0] - timedelta(days=1)
        lake_store.remove_date(service.lake, day, lake_store.new_run(service.clock()))
        service.states.save_manifest(service.states.load_manifest().without(day))
        catch_up(service, plan)

    _put(backfill, "_catch_up_outside", more)


def _half_the_days() -> None:
    plan = backfill._plan
    _put(backfill, "_plan", lambda service, days: plan(service, days // 2))


def _dies_between() -> None:
    """End as by a crash once a date with files is removed: its job stays running, and nothing goes on with it."""
    remove, removed = lake_store.remove_date, list[Any]()

    def and_die(lake: Any, day: Any, run: str) -> None:
        removed.extend(lake.segments("hot", day).values())
        remove(lake, day, run)
        if removed:
            raise ControllerStoppingError

    _put(backfill, "remove_date", and_die)


def _result_of_another_job() -> None:
    def result(self: Any, job_id: Any) -> Any:
        with self._database.session() as connection:
            row = connection.execute(
                "SELECT result FROM analysis_job_results WHERE job_id <> %s ORDER BY created_at LIMIT 1", (job_id,)
            ).fetchone()
        return row["result"] if row else {}

    _put(jobs.JobStore, "result", result)


def _watermark_retreats() -> None:
    move = backfill._move_watermark

    def back(service: Any, plan: Any) -> None:
        move(service, plan)
        state, manifest = service.states.load_replication(), service.states.load_manifest()
        earlier = plan.target - timedelta(minutes=2)
        service.states.save_manifest(replace(manifest, computed_through_ts=earlier))
        service.states.save_replication(replace(state, last_inserted_at=earlier, computed_through_ts=earlier))

    _put(backfill, "_move_watermark", back)
    _put(replication, "run_forever", lambda *_: None)
    _put(controller, "run_forever", lambda *_: None)


def _pass_fails() -> None:
    def failing(*_: Any, **__: Any) -> NoReturn:
        raise psycopg.OperationalError("the connection was closed")

    _put(replication, "export_increment", failing)


def _saved_otherwise(name: str, change: Callable[[StateFiles, Any], object]) -> Mutation:
    """Change what is saved in a state file."""
    save = getattr(StateFiles, name)
    return _with(StateFiles, name, lambda self, state: save(self, change(self, state)))


def _without_watermark(states: StateFiles, manifest: Any) -> object:
    return replace(manifest, computed_through_ts=states.load_manifest().computed_through_ts)


def _an_hour_earlier(_states: StateFiles, state: Any) -> object:
    begin = state.backfill_from_ts
    return replace(state, backfill_from_ts=begin and begin - timedelta(hours=1))


def _end_off_by_a_microsecond() -> None:
    _put(parity, "_COUNT", parity._COUNT.replace("ts <= %s", "ts < %s"))
    count = parity._count_rows

    def exclusive(rows: Any, sensors: Any, window: Any) -> Any:
        # the job reaches a microsecond further by itself
        return count(rows, sensors, replace(window, end=window.end - timedelta(microseconds=2)))

    _put(parity, "_count_rows", exclusive)


def _counts_one_row_too_many() -> None:
    """Let the job find a row in each shard-day that no file holds."""
    count = parity._count_rows

    def one_more(rows: Any, sensors: Any, window: Any) -> Any:
        for sensor, found in count(rows, sensors, window):
            yield sensor, found + bool(found)

    _put(parity, "_count_rows", one_more)


def _counts_keys() -> None:
    """Let the job count keys up to the window's end: one without the defect that the real one has."""
    count = parity._count_rows

    def keys(rows: Any, sensors: Any, window: Any) -> Any:
        own = Window(window.start, window.end - timedelta(microseconds=1))
        alone = None if rows is None else rows.group_by(["sensor_id", "ts"]).aggregate([])
        return count(alone, sensors, own)

    _put(parity, "_count_rows", keys)


def _counts_postgres_twice() -> None:
    """Let the job take Postgres's counts for the lake's: it never finds a mismatch."""
    counted: dict[str, int] = {}
    count = parity._count_postgres

    def postgres(*arguments: Any) -> dict[str, int]:
        counted.clear()
        counted.update(count(*arguments))
        return dict(counted)

    _put(parity, "_count_postgres", postgres)
    _put(parity, "_count_lake", lambda *_: dict(counted))


MUTANTS: Mapping[str, Mutation] = {
    "lag-ignored": _lag_ignored,
    "pass-end-exclusive": _whole_seconds(
        _in_sql("_COPY_INCREMENT", "inserted_at <= %(through)s", "inserted_at < %(through)s")
    ),
    "day-start-exclusive": _in_sql("_COPY_DAY", "ts >= %(start)s", "ts > %(start)s"),
    "watermark-by-ts": _in_sql(
        "_COPY_INCREMENT",
        "inserted_at > %(after)s AND inserted_at <= %(through)s",
        "ts > %(after)s AND ts <= %(through)s",
    ),
    "late-window-too-short": _late_window_too_short,
    "old-rows-ignored": _in_sql("_COPY_DAY", "(inserted_at IS NULL OR inserted_at", "(inserted_at"),
    "day-in-local-time": _split_otherwise(
        lambda part: _plus(part, -_OFFSET_OF_LOS_ANGELES),
        before=lambda table: _plus(table, _OFFSET_OF_LOS_ANGELES),
    ),
    "day-head-lost": _half_of_each_day("start"),
    "day-tail-lost": _half_of_each_day("end"),
    "exported-twice": _split_otherwise(
        lambda part: part.take(pa.array([row for row in range(part.num_rows) for _ in range(2)]))
    ),
    "another-hash": _with(segments, "shard_of", lambda sensor, shards: sum(sensor.encode()) % shards),
    "quality-dropped": _of_column("quality", lambda column: pa.array(np.zeros(len(column), np.int32))),
    "no-quality-is-one": _in_sql("_COPY_DAY", "coalesce(quality, 0)", "coalesce(quality, 1)"),
    "no-quality-stays-none": _in_sql("_COPY_DAY", "coalesce(quality, 0)", "quality"),
    "nan-to-null": _of_column(
        "value", lambda column: pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    ),
    "infinity-clipped": _of_column(
        "value", lambda column: pa.array(np.nan_to_num(column.to_numpy(zero_copy_only=False), nan=np.nan))
    ),
    "sign-of-zero-lost": _of_column("value", lambda column: pc.add(column, 0.0)),
    "float32": _of_column("value", lambda column: column.cast(pa.float32(), safe=False).cast(pa.float64())),
    "one-decimal": _of_column("value", lambda column: pc.round(column, 1)),
    "milliseconds": _of_column("ts", lambda column: pc.floor_temporal(column, unit="millisecond")),
    "hours-shifted": _of_column("ts", lambda ts: _later(ts, timedelta(hours=1))),
    "sensor-id-trimmed": _of_column("sensor_id", pc.utf8_trim_whitespace),
    "stamped-after-the-pass": _stamped_after_the_pass,
    "upserts-skipped": _upserts_skipped,
    "compaction-keeps-the-oldest": _compacted_otherwise(_oldest_rows),
    "compaction-forgets-a-file": _compacted_otherwise(lambda tables: segments.newest_rows(tables[:-1])),
    "retention-too-early": _retention_too_early,
    # the watermark is saved, and it dies before the files of the pass are written
    "state-before-files": _with(
        replication, "export_increment", lambda service, *_, **__: (0, service.states.load_manifest())
    ),
    "completed-without-work": _completed_without_work,
    "progress-stuck": _with(jobs.JobStore, "set_progress", lambda *_: None),
    "takes-a-date-more": _takes_a_date_more,
    "half-the-days": _half_the_days,
    "dies-between": _dies_between,
    "result-of-another-job": _result_of_another_job,
    "replacing-adds": _with(backfill, "_replace_day", backfill._add_day),
    "watermark-retreats": _watermark_retreats,
    "stands-still": _with(controller, "run_forever", lambda *_: None),
    "pass-fails": _pass_fails,
    "manifest-forgotten": _saved_otherwise("save_manifest", _without_watermark),
    "backfill-range-forgotten": _saved_otherwise("save_replication", _an_hour_earlier),
    "window-end-exclusive": _end_off_by_a_microsecond,
    "counts-one-row-too-many": _counts_one_row_too_many,
    "counts-keys": _counts_keys,
    "counts-postgres-twice": _counts_postgres_twice,
}
"""Every mistake by the name that the command line knows."""


def main() -> NoReturn:
    """Make one mistake, and be the controller."""
    MUTANTS[sys.argv.pop(1)]()
    sys.exit(controller.main())


if __name__ == "__main__":
    main()
