"""What a backfill takes out of the lake: by a mistake in it, by what was asked of it, and where it is no fault."""

import shutil
from dataclasses import replace

from tests.support.controller import Controller, dataset, days_ago
from tests.support.damage import edit_state, in_the_cold
from tests.system.faults.logic import PROMISED
from tests.system.faults.model import HASTE, LOOK_ONLY, WITH_BACKFILL, Benign, Fault, Place, Plant, nothing
from tsse_validation.domain.contract import BACKFILL_JOB, DATASET
from tsse_validation.domain.instants import DAY, day_start
from tsse_validation.domain.outcome import Outcome

JOB = "backfill_job_completes"
KEPT = PROMISED.format("nothing-else-taken")
HALF_DONE = (PROMISED.format("range"), PROMISED.format("progress"))
TAKEN = "taken away by the backfill"
_GAP, _CUT = 11, 5
"""Days ago: of the date that no range of eleven days cuts, and of the one at which half of them begin."""


def _in_postgres(condition: str, *days: int) -> Plant:
    return lambda controller: controller.sql(
        f"DELETE FROM metrics WHERE {condition}", *(day_start(days_ago(ago)) for ago in days)
    )


def _a_lake_with_a_gap(controller: Controller) -> None:
    """Let the lake go back twenty days, but for the date on which a range of eleven begins."""
    _in_postgres("ts >= %s AND ts < %s", _GAP, _GAP - 1)(controller)
    controller.backfill(20)


def _dropped(controller: Controller) -> None:
    """Let Postgres drop what is older than that gap, as `drop_chunks` does."""
    _a_lake_with_a_gap(controller)
    _in_postgres("ts < %s", _GAP - 1)(controller)


def _into_the_cold(controller: Controller) -> None:
    """Move the date at which half the days begin, as retention does."""
    day = days_ago(_CUT)
    source = dataset(controller.paths) / f"date={day}"
    shutil.copytree(source, in_the_cold(controller, source))
    shutil.rmtree(source)
    told = {"location": "cold"}
    edit_state(
        controller,
        "manifest.json",
        lambda manifest: manifest["datasets"][DATASET]["partitions"][str(day)].update(told),
    )


def _left_over(controller: Controller) -> None:
    """Leave a backfill as a crash does: running, and standing still since yesterday."""
    controller.sql(
        "INSERT INTO analysis_jobs (id, job_type, status, params, progress, created_at, updated_at, started_at)"
        " SELECT gen_random_uuid(), %s, 'running', '{}', %s, at, at, at"
        " FROM (VALUES (%s::timestamptz)) crash (at)",
        *(BACKFILL_JOB, '{"phase": "lake_backfill", "completed": 3, "total": 91}', controller.now - DAY),
    )


def _a_longer_lake(controller: Controller) -> None:
    controller.backfill(92)


def _nothing_before_the_range(controller: Controller) -> None:
    """Let the lake go back further than 90 days, without a row of the range's first date before noon."""
    first = day_start(days_ago(90))
    controller.sql("DELETE FROM metrics WHERE ts >= %s AND ts < %s", first, first + DAY / 2)
    controller.backfill(92)


def _no_lake(controller: Controller) -> None:
    controller.running.controller.stop()
    for place in (controller.paths.hot, controller.cold):
        shutil.rmtree(place)
        place.mkdir()
    controller.start_controller()


def _mutant(name: str, mutant: str, models: str, plant: Plant, *red: str) -> Fault:
    fault = Fault(name, Place.LOGIC, models, red, plant, arguments=WITH_BACKFILL, mutant=mutant)
    return replace(fault, diagnosis=(TAKEN,))


def _refused(name: str, models: str, plant: Plant, days: int, says: str) -> Fault:
    """Return what a run starts no backfill over: it goes on, and says so."""
    arguments = (*HASTE, f"--backfill-days={days}")
    told = {JOB: says}
    return Fault(name, Place.LOGIC, models, (), plant, (), told, Outcome.INCOMPLETE, arguments)


FAULTS = (
    _mutant(
        "the first date is cut",
        "half-the-days",
        "a range shorter than was asked for",
        nothing,
        *(*HALF_DONE, KEPT),
    ),
    _mutant(
        "the first date is cut in the cold",
        "half-the-days",
        "its only copy is on the NAS",
        _into_the_cold,
        *(*HALF_DONE, KEPT),
    ),
    _mutant(
        "a date outside of the range is removed",
        "takes-a-date-more",
        "a loop that begins a day early",
        _a_lake_with_a_gap,
        KEPT,
    ),
    _mutant(
        "a date that Postgres has dropped is removed",
        "takes-a-date-more",
        "retention in Postgres, and the lake had the only copy",
        _dropped,
        KEPT,
    ),
    Fault(
        "a backfill dies between removal and writing",
        Place.LOGIC,
        "a SIGKILL; its job stays running for ever",
        (JOB,),
        says={JOB: "was left empty by a backfill that did not end"},
        verdict=Outcome.INCOMPLETE,
        arguments=(*WITH_BACKFILL, "--leftover-after=3"),
        mutant="dies-between",
    ),
    _refused(
        "a backfill would cut the first date",
        "a shorter one than the lake is long",
        nothing,
        5,
        "before the range",
    ),
    _refused(
        "a backfill would empty dates that Postgres has dropped",
        "retention in Postgres, and a default that goes over it",
        _dropped,
        21,
        "of which Postgres holds nothing",
    ),
    Fault(
        "Postgres has dropped the beginning",
        Place.DATABASE,
        "retention in Postgres: those dates are the lake's alone",
        (),
        _dropped,
        verdict=Outcome.INCOMPLETE,
        arguments=LOOK_ONLY,
    ),
)
BENIGN = (
    Benign("a job is left over from a crash", "a SIGKILL in a backfill, yesterday", _left_over),
    Benign("the lake is empty", "a new installation", _no_lake),
    Benign(
        "the first date has no row before the range",
        "a farm that was dark that morning",
        _nothing_before_the_range,
    ),
    Benign(
        "a loss is accepted",
        "an operator who has read what goes",
        _a_longer_lake,
        arguments=("--accept-loss",),
        explained=("loss by the backfill accepted", TAKEN),
    ),
)
