"""Rows dated outside of the covered range: forecasts ahead, imports of old rows. They are due all the same."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from fixtures.farm import Role
from tests.support.controller import Controller, dataset, days_ago
from tests.support.damage import at_row, lake_file, rewrite, with_extra_row
from tests.system.faults.beside import INSERT, after_the_backfill
from tests.system.faults.lake import TWICE
from tests.system.faults.logic import replicated
from tests.system.faults.model import BEYOND, LOOK_ONLY, WITH_BACKFILL, Benign, Fault, Place, Plant
from tsse_validation.domain.contract import DATASET
from tsse_validation.lake.shards import shard_of

AHEAD, LONG_AGO, COLD = -3, 40, 95
"""Days ago: of a forecast, and of imports into the hot lake and into the cold."""
ROWS = 50
FEED = "a weather feed"
IMPORT = "an import of old rows"

_SERIES = (
    "SELECT %s, %s::timestamptz + interval '3 hours' + minute * interval '1 minute', {value}, 0, clock_timestamp()"
    " FROM generate_series(1, {rows}) minute ON CONFLICT (sensor_id, ts)"
    " DO UPDATE SET value = excluded.value, inserted_at = excluded.inserted_at"
)


def rows_of(ago: int, value: str = "minute") -> Plant:
    """Insert rows of one date, or newer versions of them, and let them be replicated."""

    def plant(controller: Controller) -> None:
        statement = INSERT + _SERIES.format(value=value, rows=ROWS)
        controller.sql(statement, controller.sensor(Role.FORECAST), days_ago(ago))
        replicated(controller)

    return plant


def its_file(controller: Controller, ago: int) -> Path:
    """Return the one file with a forecast sensor's rows of a date, hot or cold."""
    sensor, day = controller.sensor(Role.FORECAST), days_ago(ago)
    if (dataset(controller.paths) / f"date={day}").is_dir():
        return lake_file(controller, sensor, day)
    shard = shard_of(sensor, controller.paths.shards)
    (path,) = (controller.cold / DATASET / f"date={day}" / f"shard={shard}").glob("*.parquet")
    return path


def after(ago: int, damage: Callable[[Controller, Path], object]) -> Plant:
    """Insert and replicate rows of a date, then damage their file."""

    def plant(controller: Controller) -> None:
        rows_of(ago)(controller)
        damage(controller, its_file(controller, ago))

    return plant


def _lose(_controller: Controller, path: Path) -> None:
    path.unlink()


def _lose_rows(_controller: Controller, path: Path) -> None:
    rewrite(path, lambda table: table.slice(0, table.num_rows - 7))


def _change_a_value(controller: Controller, path: Path) -> None:
    rewrite(path, at_row(controller.sensor(Role.FORECAST), "value", lambda value: value + 1))


def _invent_a_row(controller: Controller, path: Path) -> None:
    rewrite(path, with_extra_row(controller.sensor(Role.FORECAST)))


def _double(_controller: Controller, path: Path) -> None:
    rewrite(path, lambda table: pa.concat_tables([table.slice(0, 1), table]))


def _lose_an_upsert(controller: Controller) -> None:
    rows_of(AHEAD)(controller)
    older = its_file(controller, AHEAD)
    rows_of(AHEAD, "-minute")(controller)
    (newer,) = (path for path in older.parent.glob("*.parquet") if path != older)
    newer.unlink()


def _fault(name: str, models: str, plant: Plant, arguments: tuple[str, ...] = LOOK_ONLY) -> Fault:
    return Fault(name, Place.LAKE, models, (BEYOND,), plant, arguments=arguments)


FAULTS = (
    _fault("a forecast's file is lost", FEED, after(AHEAD, _lose)).told(
        "partition missing", says="50 rows beyond the covered range"
    ),
    _fault("an import's file is lost", IMPORT, after(LONG_AGO, _lose)).told("partition missing"),
    _fault("an import's file in the cold is lost", IMPORT, after(COLD, _lose)).told("partition missing"),
    _fault("a part of an import in the cold is lost", IMPORT, after(COLD, _lose_rows)).told("day tail lost"),
    _fault("a forecast's value is changed", FEED, after(AHEAD, _change_a_value)).told("changed in place"),
    _fault("a forecast too many", FEED, after(AHEAD, _invent_a_row)).told("deleted in Postgres"),
    replace(
        _fault("an import's row stands twice in its file", IMPORT, after(LONG_AGO, _double)), red=(TWICE, BEYOND)
    ).told("duplicate rows"),
    _fault("a forecast's newer version is lost", FEED, _lose_an_upsert).told("stale value"),
    _fault("a forecast's file is lost before the run's backfill", FEED, after(AHEAD, _lose), WITH_BACKFILL).told(
        "partition missing"
    ),
)


def _both(controller: Controller) -> None:
    for ago in (AHEAD, LONG_AGO, COLD):
        rows_of(ago)(controller)


def _an_older_lake(controller: Controller) -> None:
    statement = (
        INSERT + "SELECT %s, now() - days * interval '1 day', 1, 0, now() FROM generate_series(91, 99) days"
    )
    controller.sql(statement, controller.sensor())
    replicated(controller)
    controller.backfill(100)
    assert its_dates(controller, controller.cold) | its_dates(controller, controller.paths.hot) >= {days_ago(95)}


def its_dates(_controller: Controller, place: Path) -> set[date]:
    """Return the dates that a place of the lake has."""
    return {date.fromisoformat(path.name.removeprefix("date=")) for path in (place / DATASET).glob("date=*")}


BENIGN = (
    Benign("forecasts and imports have been replicated", "a weather feed, and an import of old rows", _both),
    Benign(
        "forecasts come in meanwhile, twice",
        FEED,
        during=after_the_backfill(rows_of(AHEAD), rows_of(AHEAD, "-minute"), rows_of(-1)),
    ),
    Benign(
        "old rows are imported meanwhile", IMPORT, during=after_the_backfill(rows_of(COLD), rows_of(COLD, "1"))
    ),
    Benign(
        "an earlier backfill has brought older dates",
        "a backfill of 100 days, and one of 90",
        _an_older_lake,
        arguments=("--cover=lake", "--accept-loss"),
        explained=("before a backfill's start",),
    ),
)
