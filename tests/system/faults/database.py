"""Faults in the authority: Postgres changed so that replication cannot see it, or did not."""

from datetime import timedelta

from tests.support.controller import Controller, days_ago, noon
from tests.support.damage import first_instant
from tests.system.faults.model import CHANGED, DATES, LOST, Fault, Place, Plant
from tsse_validation.verdict import Outcome

AGO = 5


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


def _delete_the_sensor(controller: Controller) -> None:
    controller.sql("DELETE FROM metrics WHERE sensor_id = %s", controller.sensor())
    controller.sql("DELETE FROM sensors WHERE sensor_id = %s", controller.sensor())


def _delete_the_day(controller: Controller) -> None:
    start = noon(days_ago(AGO)) - timedelta(hours=12)
    controller.sql("DELETE FROM metrics WHERE ts >= %s AND ts < %s", start, start + timedelta(days=1))


def _fault(name: str, models: str, red: tuple[str, ...], plant: Plant, *diagnosis: str) -> Fault:
    return Fault(name, Place.DATABASE, models, red, plant, diagnosis)


FAULTS = (
    _fault(
        "a row is deleted", "a clean-up by hand", LOST, on_the_row("DELETE FROM metrics"), "deleted in Postgres"
    ),
    _fault("a day is deleted", "a clean-up by hand", (DATES, *LOST), _delete_the_day, "deleted in Postgres"),
    _fault(
        "a sensor is deleted with its rows", "a clean-up by hand", LOST, _delete_the_sensor, "deleted in Postgres"
    ),
    _fault(
        "a value is changed in place",
        "a correction by hand",
        CHANGED,
        on_the_row("UPDATE metrics SET value = 1234.5"),
        "changed in place",
    ),
    _fault(
        "yesterday's value is changed in place",
        "the same, where the spot check looks",
        CHANGED,
        on_the_row("UPDATE metrics SET value = 1234.5", 1),
        "changed in place",
    ),
    _fault(
        "a quality is changed in place",
        "a correction by hand",
        CHANGED,
        on_the_row("UPDATE metrics SET quality = quality + 5"),
        "quality differs",
    ),
    _fault(
        "a value is no number any more",
        "a correction by hand",
        CHANGED,
        on_the_row("UPDATE metrics SET value = 'NaN'"),
        "changed in place",
    ),
    _fault(
        "a row has moved by a microsecond",
        "a correction by hand",
        CHANGED,
        on_the_row("UPDATE metrics SET ts = ts + interval '1 microsecond'"),
        "deleted in Postgres",
        "rows missing",
    ),
    _fault(
        "an upsert below the watermark",
        "a transaction that was open longer than the lag",
        CHANGED,
        on_the_row("UPDATE metrics SET value = 1234.5, inserted_at = inserted_at + interval '1 second'"),
        "stale value",
    ),
    _fault(
        "a row with an older inserted_at",
        "a transaction that was open longer than the lag",
        LOST,
        inserted("now() - interval '1 day'"),
        "rows missing",
    ),
    _fault("a row without inserted_at", "a restore of old rows", LOST, inserted("NULL"), "rows missing"),
    Fault(
        "there is no sensor at all",
        Place.DATABASE,
        "the wrong database",
        ("postgres_answers_a_query",),
        lambda controller: controller.sql("TRUNCATE sensors CASCADE"),
        says={"postgres_answers_a_query": "no sensor"},
    ),
    Fault(
        "Postgres is away",
        Place.DATABASE,
        "an outage",
        ("postgres_answers_a_query",),
        lambda controller: controller.running.postgres.stop(),  # type: ignore[union-attr]
        says={"postgres_answers_a_query": "cannot be reached"},
        verdict=Outcome.INCOMPLETE,
    ),
)
