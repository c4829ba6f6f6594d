"""Faults in the authority: Postgres changed so that replication cannot see it, or did not."""

from datetime import timedelta

from tests.support.controller import Controller, days_ago, noon
from tests.support.damage import first_instant
from tests.system.faults.model import CHANGED, DATES, LOST, OURS, SPOT, Fault, Place, Plant
from tsse_validation.domain.instants import DAY, day_start
from tsse_validation.domain.outcome import Outcome

AGO = 5
CLEANED = "a clean-up by hand"
OPEN = "a transaction that was open longer than the lag"
ANSWERS = ("postgres_answers_a_query",)


def on_the_row(statement: str, ago: int = AGO) -> Plant:
    """Run a statement on the regular sensor's first row of a day."""

    def plant(controller: Controller) -> None:
        instant = first_instant(controller, controller.sensor(), days_ago(ago))
        controller.sql(f"{statement} WHERE sensor_id = %s AND ts = %s", controller.sensor(), instant)

    return plant


def inserted(inserted_at: str) -> Plant:
    """Insert a row at noon of a day, as if that long ago."""

    def plant(controller: Controller) -> None:
        controller.sql(
            "INSERT INTO metrics (sensor_id, ts, value, quality, inserted_at)"
            f" VALUES (%s, %s, 1.5, 0, {inserted_at})",
            controller.sensor(),
            noon(days_ago(AGO)) + timedelta(microseconds=7),
        )

    return plant


def _empty(controller: Controller) -> None:
    controller.sql("TRUNCATE sensors CASCADE")


def _delete_the_sensor(controller: Controller) -> None:
    controller.sql("DELETE FROM metrics WHERE sensor_id = %s", controller.sensor())
    controller.sql("DELETE FROM sensors WHERE sensor_id = %s", controller.sensor())


def _delete_the_day(controller: Controller) -> None:
    start = day_start(days_ago(AGO))
    controller.sql("DELETE FROM metrics WHERE ts >= %s AND ts < %s", start, start + DAY)


def _fault(name: str, models: str, red: tuple[str, ...], plant: Plant, verdict: Outcome = Outcome.NO_GO) -> Fault:
    return Fault(name, Place.DATABASE, models, red, plant, verdict=verdict)


def _updated(name: str, assignment: str, models: str = "a correction by hand", ago: int = AGO) -> Fault:
    """Change a row without telling replication."""
    return _fault(name, models, CHANGED, on_the_row(f"UPDATE metrics SET {assignment}", ago))


FAULTS = (
    _fault("a row is deleted", CLEANED, LOST, on_the_row("DELETE FROM metrics")).told("deleted in Postgres"),
    _fault("a day is deleted", CLEANED, (DATES, *LOST), _delete_the_day).told("deleted in Postgres"),
    _fault("a sensor is deleted with its rows", CLEANED, OURS, _delete_the_sensor).told("deleted in Postgres"),
    _updated("a value is changed in place", "value = 1234.5").told("changed in place"),
    _updated(
        "yesterday's value is changed in place",
        "value = 1234.5",
        models="the same, where the spot check looks",
        ago=1,
    ).told("changed in place"),
    _updated("a quality is changed in place", "quality = quality + 5").told("quality differs"),
    _updated("a value is no number any more", "value = 'NaN'").told("changed in place"),
    _updated("a row has moved by a microsecond", "ts = ts + interval '1 microsecond'").told(
        *("deleted in Postgres", "rows missing")
    ),
    _updated(
        "an upsert below the watermark",
        "value = 1234.5, inserted_at = inserted_at + interval '1 second'",
        models=OPEN,
    ).told("stale value"),
    _fault("a row with an older inserted_at", OPEN, LOST, inserted("now() - interval '1 day'")).told(
        "rows missing"
    ),
    _fault("a row without inserted_at", "a restore of old rows", LOST, inserted("NULL")).told("rows missing"),
    _fault("there is no sensor at all", "the wrong database", (*ANSWERS, SPOT), _empty).told(says="no sensor"),
    _fault("Postgres is away", "an outage", ANSWERS, lambda it: it.postgres.stop(), Outcome.INCOMPLETE).told(
        says="cannot be reached"
    ),
)
