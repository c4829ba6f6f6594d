"""What looks odd and is no fault: the run must be GO, and raise no alarm."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from fixtures.controller.variations import VARIATIONS
from fixtures.farm import Role
from tests.support.chunks import inherit, partition
from tests.support.controller import Controller, days_ago, noon
from tests.system.faults import beside, elsewhen
from tests.system.faults.beside import INSERT, after_the_backfill
from tests.system.faults.logic import late_instants, more_sensors
from tests.system.faults.model import Benign, Plant
from tsse_validation.domain.instants import day_start

ODD_ID = "a'b\"c, d%e\\f ü;--"
LEAP_DAY = datetime(2024, 2, 29, tzinfo=UTC)
SPRING = LEAP_DAY + timedelta(days=11, hours=12)
"""In the spring of a leap year; its range begins before New Year."""


def statement(text: str, *parameters: Callable[[Controller], object]) -> Plant:
    """Run a statement; its parameters are asked for then."""
    return lambda controller: controller.sql(text, *(of(controller) for of in parameters))


def _regular(controller: Controller) -> str:
    return controller.sensor()


def _setting(assignment: str) -> Plant:
    def plant(controller: Controller) -> None:
        ((database,),) = controller.sql("SELECT current_database()")
        for one in assignment.split("; "):
            controller.sql(f"ALTER DATABASE {database} SET {one}")
        controller.running.controller.stop()
        controller.start_controller()

    return plant


def _both(*plants: Plant) -> Plant:
    def plant(controller: Controller) -> None:
        for one in plants:
            one(controller)

    return plant


def _clocks_that_change() -> str:
    """Return a time zone, as POSIX writes it, whose clocks change in the covered range at any season."""
    forward, back = (_yearly(elsewhen.MORNING - timedelta(days=ago)) for ago in (30, 10))
    return f"OWN-1SUMMER,J{forward}/2,J{back}/3"


def _yearly(instant: datetime) -> int:
    """Return the day of the year, without the leap day."""
    return instant.replace(year=2023, day=min(instant.day, 28)).timetuple().tm_yday


CLOCKS_CHANGE = _clocks_that_change()


def _its_clocks_change(controller: Controller) -> None:
    found = controller.sql(
        "SELECT DISTINCT extract(timezone FROM hour)"
        " FROM generate_series(now() - interval '60 days', now(), '1 hour') hour"
    )
    assert {int(offset) for (offset,) in found} == {3600, 7200}, found


def series(ts: str, source: str, value: str = "1", role: Role = Role.REGULAR) -> Plant:
    """Insert a sensor's rows now, one for each row of a source, but where there is one already."""
    rows = f"SELECT %s, {ts}, {value}, 0, now() FROM {source} ON CONFLICT DO NOTHING"
    return lambda controller: controller.sql(INSERT + rows, controller.sensor(role))


_NIGHTS = series("ts", "generate_series(now() - interval '88 days', now(), '20 minutes') ts", "1.25")
MIDNIGHTS = series(
    "day + beside * interval '1 microsecond'",
    "generate_series(date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '80 days', now(),"
    " '24 hours') day, generate_series(-1, 1) beside",
    "beside",
)
_AROUND_THE_EDGE = series(
    "now() - interval '90 days' + second * interval '1 second'", "generate_series(-30, 60) second"
)


def _a_leap_day(controller: Controller) -> None:
    elsewhen.take(controller, SPRING)
    for plant in (_NIGHTS, MIDNIGHTS):
        plant(controller)
    ((rows,),) = controller.sql(
        "SELECT count(*) FROM metrics WHERE ts >= %s AND ts < %s", LEAP_DAY, LEAP_DAY + timedelta(days=1)
    )
    assert rows > 72, rows


def _no_timescale(controller: Controller) -> None:
    assert not controller.sql("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")


def _single_row(controller: Controller) -> None:
    controller.sql(
        "DELETE FROM metrics WHERE sensor_id = %s AND ts <> (SELECT min(ts) FROM metrics WHERE sensor_id = %s"
        " AND ts > now() - interval '60 days')",
        *[controller.sensor(Role.SPARSE)] * 2,
    )


def _values(*values: str) -> Plant:
    def plant(controller: Controller) -> None:
        for instant, value in zip(late_instants(len(values)), values, strict=True):
            controller.sql(INSERT + "VALUES (%s, %s, %s, 0, now())", controller.sensor(), instant, value)

    return plant


def _thousand_sensors(controller: Controller) -> None:
    more_sensors(controller, "'thousand-' || number", "generate_series(1, 1000) number")
    controller.sql(
        INSERT + "SELECT 'thousand-' || number, %s::timestamptz + number * interval '1 second', number, 0, now()"
        " FROM generate_series(1, 1000) number",
        noon(days_ago(1)),
    )


def _odd_id(controller: Controller) -> None:
    more_sensors(controller, "odd", "(VALUES (%s)) ids (odd)", ODD_ID)
    controller.sql(INSERT + "VALUES (%s, %s, 1, 0, now())", ODD_ID, late_instants()[0])


def _one_sensor(controller: Controller) -> None:
    for table in ("metrics", "sensors"):
        controller.sql(f"DELETE FROM {table} WHERE sensor_id <> %s", controller.sensor())


def _quiet_days(controller: Controller) -> None:
    start, end = day_start(days_ago(40)), day_start(days_ago(36))
    controller.sql("DELETE FROM metrics WHERE ts >= %s AND ts < %s", start, end)


def _meanwhile(name: str, models: str, *works: beside.Work, **more: Any) -> Benign:
    """Let something be done beside the run, once its backfill is over."""
    return Benign(name, models, during=after_the_backfill(*works), **more)


def _varied() -> Iterator[Benign]:
    for variation, allowed in VARIATIONS.items():
        yield Benign(f"varied: {variation}", allowed, options=("fixtures.controller", "--vary", str(variation)))


def _chunked(divide: Callable[..., None], length: timedelta, number: int) -> Plant:
    """Divide the table into so many parts, the last of which ends tomorrow."""

    def plant(controller: Controller) -> None:
        begin = day_start(days_ago(-2)) - number * length
        with psycopg.connect(controller.conninfo, autocommit=True) as connection:
            divide(connection, begin, length, number)

    return plant


BENIGN = (
    Benign("nothing happens", "a quiet night, without TimescaleDB", _no_timescale),
    *_varied(),
    Benign(
        "readings come in",
        "a working farm",
        during=lambda controller: beside.live(controller, upserts=False, days=0.5),
        explained=("late arrival pending",),
    ),
    Benign(
        "late rows and upserts come in",
        "a sensor that was offline, and forecasts",
        during=lambda controller: beside.live(controller, upserts=True, days=80),
        explained=("late arrival pending", "upsert pending"),
    ),
    Benign("transactions are open", "a backup, and a slow writer", during=beside.open_transactions),
    Benign("four days without a row", "a farm that was dark", _quiet_days),
    # what is gone is still in the lake: the backfill takes it out there
    Benign("a sensor has a single row", "a sensor out of order", _single_row, arguments=("--accept-loss",)),
    Benign("one sensor", "a new installation", _one_sensor, arguments=("--accept-loss",)),
    Benign("a thousand sensors more", "a large farm", _thousand_sensors),
    Benign("a sensor is marked as deleted", "a replaced probe").by(
        statement("UPDATE sensors SET deleted_at = now() WHERE sensor_id = %s", _regular)
    ),
    Benign("an id of quotes, commas and percent signs", "a hand-made sensor", _odd_id),
    Benign("values at the ends of what a double holds", "a broken probe").by(
        _values("NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308", "1e-7", "0.1")
    ),
    Benign("no row of a sensor knows when it came in", "rows from before the column").by(
        statement("UPDATE metrics SET inserted_at = NULL WHERE sensor_id = %s", _regular)
    ),
    _meanwhile("untimed rows come in and are stamped", "a feed without the column", beside.untimed_rows),
    Benign(
        "untimed rows come in all the time",
        "a feed without the column",
        during=beside.untimed_ingest,
        explained=("late arrival pending",),
    ),
    Benign("no row of a sensor has a quality", "rows from before the column").by(
        statement("UPDATE metrics SET quality = NULL WHERE sensor_id = %s", _regular)
    ),
    Benign("forecasts for next week", "a weather feed").by(
        series("now() + hour * interval '1 hour'", "generate_series(1, 170) hour", role=Role.FORECAST)
    ),
    Benign("rows of 1969 and 2000", "a logger's clock").by(
        series("ts::timestamptz", "unnest(ARRAY['1969-12-31 23:59:59.999999Z', '2000-02-29 12:00Z']) ts")
    ),
    Benign("a leap day and a New Year lie in the range", "the spring of 2024, by all clocks", _a_leap_day),
    Benign("rows on both sides of each midnight", "a sensor by the clock", MIDNIGHTS),
    Benign("ten thousand rows in a hundredth of a second", "a burst").by(
        series("now() - interval '2 days' + n * interval '1 microsecond'", "generate_series(1, 10000) n", "n")
    ),
    Benign("rows at each second of the range's first minute", "the edge of 90 days", _AROUND_THE_EDGE),
    Benign("the database's clocks change in the range", "an installation by the book, in spring and in autumn").by(
        _both(_setting(f"timezone = '{CLOCKS_CHANGE}'"), _its_clocks_change, _NIGHTS)
    ),
    Benign("the database's zone is half an hour off", "an installation in India").by(
        _setting("timezone = 'Asia/Kolkata'")
    ),
    Benign("Postgres writes dates and numbers otherwise", "a database with a past").by(
        _setting("datestyle = 'SQL, DMY'; intervalstyle = 'iso_8601'; extra_float_digits = 0")
    ),
    Benign("the suite runs in New York", "an operator's laptop", environment={"TZ": "America/New_York"}),
    Benign(
        "the suite's clocks change in the range",
        "an operator's laptop, in spring and in autumn",
        environment={"TZ": CLOCKS_CHANGE},
    ).by(_NIGHTS),
    Benign("the token may do more, and ends tomorrow", "a token of another kind").by(
        statement(
            "UPDATE api_tokens SET expires_at = now() + interval '1 day',"
            " capabilities = capabilities || '[\"admin\"]' WHERE name = 'tsse-validation'"
        )
    ),
    Benign("metrics is partitioned by day", "an installation without TimescaleDB, and with an eye to size").by(
        _chunked(partition, timedelta(days=1), 100)
    ),
    Benign("metrics has three hundred child tables", "partitions as they were made of old").by(
        _chunked(inherit, timedelta(hours=8), 300)
    ),
    _meanwhile(
        "the table is locked for a moment, again and again",
        "chunks that are compressed",
        *[beside.lock_for_a_moment] * 3,
    ),
    _meanwhile(
        "a day is rewritten meanwhile", "chunks that are compressed", *[beside.rewritten_partition] * 10
    ).by(_chunked(partition, timedelta(days=1), 100)),
    _meanwhile("files are compacted meanwhile", "a busy week", *map(beside.compaction, range(3, 9))),
    Benign(
        "a row stands in two files",
        "an upsert that was replicated, and not compacted",
        during=beside.from_the_backfill_on(beside.upsert_of_a_replicated_row),
    ),
    _meanwhile(
        "dates move to the cold meanwhile",
        "retention, at midnight",
        beside.retention,
        options=("tests.system.faults.retiring",),
    ),
    Benign(
        "old dates lie in the cold",
        "a backfill that goes back further than retention lets dates stay hot",
        arguments=("--backfill-days=100",),
    ).by(series("now() - days * interval '1 day'", "generate_series(91, 99) days", "days")),
    _meanwhile("somebody else inspects the lake meanwhile", "another operator", *[beside.inspection] * 3),
    _meanwhile("files have another codec", "a newer writer", beside.rewritten(compression="gzip")),
    _meanwhile(
        "files are not compressed, in small row groups",
        "a newer writer",
        beside.rewritten(compression="none", row_group_size=2),
    ),
    _meanwhile("rows of some files stand the other way round", "a newer writer", beside.backwards),
    _meanwhile("files of others lie about", "a person's notes", beside.foreign_files),
    _meanwhile("litter lies about, hot and cold", "a Mac", beside.litter, explained=("litter in the lake",)),
    _meanwhile(
        "a copy of a file lies in the cold",
        "a move that began",
        beside.copy_in_the_cold,
        explained=("hidden by the manifest",),
    ),
)
