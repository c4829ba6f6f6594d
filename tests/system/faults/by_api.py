"""What a run that has nothing but the API can tell: faults that the job's counts show, and what is none."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from tests.support.controller import Controller, dataset, days_ago
from tests.support.damage import Change, rewrite, without_row
from tests.system.faults import beside
from tests.system.faults.benign import MIDNIGHTS, statement
from tests.system.faults.lake import doubled, of_the_sensor, rewritten
from tests.system.faults.logic import PINNED_END, PINNED_WINDOW, inserts, more_sensors, replicated
from tests.system.faults.model import IN_FULL, LOOK_ONLY, SPOT, Benign, Fault, Place, Plant
from tsse_validation.domain.instants import MICROSECOND, day_start
from tsse_validation.domain.outcome import Outcome
from tsse_validation.lake.shards import shard_of

COPIES = "the job counts copies that wait for compaction"
PADDED = " pump 7 "


def _last_sensor(controller: Controller) -> str:
    ((sensor,),) = controller.sql('SELECT sensor_id FROM sensors ORDER BY sensor_id COLLATE "C" DESC LIMIT 1')
    return str(sensor)


def _without_sensor(sensor: str) -> Change:
    def change(table: pa.Table) -> pa.Table:
        return table.filter(pc.not_equal(table["sensor_id"], sensor))

    return change


def _lose_the_last_sensor(controller: Controller) -> None:
    """Lose every row of a sensor that comes after five others, and no other sensor's."""
    more_sensors(controller, "'0-' || number", "generate_series(1, 5) number")
    sensor = controller.sensor()
    for path in dataset(controller.paths).glob(f"date=*/shard={shard_of(sensor, controller.paths.shards)}/*"):
        rewrite(path, _without_sensor(sensor))


def padded_sensor(controller: Controller) -> None:
    """Insert a sensor whose id begins and ends with a blank, with two rows of a day."""
    more_sensors(controller, f"'{PADDED}'", "(VALUES (1)) one")
    controller.sql(
        f"{beside.INSERT} SELECT %s, %s::timestamptz + n * interval '1 hour', n, 0, now()"
        " FROM generate_series(1, 2) n",
        PADDED,
        day_start(days_ago(5)),
    )


def upsert_ten(controller: Controller) -> None:
    """Upsert ten rows of the regular sensor, and let a pass write them beside what the lake has of them."""
    changed = controller.sql(
        "UPDATE metrics SET value = value + 1, inserted_at = clock_timestamp() WHERE (sensor_id, ts) IN"
        " (SELECT sensor_id, ts FROM metrics WHERE sensor_id = %s AND ts < %s ORDER BY ts DESC LIMIT 10)"
        " RETURNING ts",
        controller.sensor(),
        day_start(days_ago(1)),
    )
    assert len(changed) == 10
    replicated(controller)


@contextmanager
def upserting(controller: Controller) -> Iterator[str]:
    """Let a feed upsert ten rows again and again from the backfill's end on, up to a dozen times."""
    with beside.after_the_backfill(*[upsert_ten] * 12)(controller) as url:
        yield url


def _behind_the_window(controller: Controller) -> None:
    inserts(controller, [PINNED_END, PINNED_END + MICROSECOND])


def _fault(name: str, models: str, plant: Plant, place: Place = Place.LAKE) -> Fault:
    found = Fault(f"by the API alone: {name}", place, models, (SPOT,), plant, by_api=True, arguments=LOOK_ONLY)
    return found.told("counts differ")


def _benign(name: str, models: str, **more: object) -> Benign:
    return Benign(f"by the API alone: {name}", models, by_api=True, **more)  # type: ignore[arg-type]


FAULTS = (
    _fault("a row is lost where no copy can be", "a lost update", of_the_sensor(without_row)),
    _fault("each row of a file stands twice", "an export ran twice", rewritten(doubled)),
    _fault("a sensor is lost that no sample counts", "a filter of a reader", _lose_the_last_sensor),
    Fault(
        "by the API alone: rows of an id with blanks are lost",
        Place.LOGIC,
        "a clean-up of texts, which the job does too",
        (),
        padded_sensor,
        verdict=Outcome.INCOMPLETE,
        mutant="sensor-id-trimmed",
        arguments=IN_FULL,
        by_api=True,
    ),
)

BENIGN = (
    Benign("ten upserts wait for compaction", "a forecast that was written anew", during=upserting),
    Benign(
        "the parity job counts keys",
        "a controller without its defect",
        options=("tests.system.faults.mutants", "counts-keys"),
    ),
    Benign("a row lies a microsecond behind the window", "a burst", _behind_the_window, arguments=PINNED_WINDOW),
    Benign("an id begins and ends with a blank", "a hand-made sensor", padded_sensor),
    _benign("nothing happens", "a developer's shell on a quiet night"),
    _benign("a feed upserts", "forecasts", during=upserting),
    _benign("rows on both sides of each midnight", "a sensor by the clock", plant=MIDNIGHTS),
    _benign(
        "a sensor is marked as deleted",
        "a replaced probe",
        plant=statement("UPDATE sensors SET deleted_at = now() WHERE sensor_id = %s", _last_sensor),
    ),
)
