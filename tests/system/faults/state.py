"""Faults in the lake's two state files (contract section 4)."""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.support.controller import Controller, dataset, days_ago
from tests.support.damage import (
    edit_state,
    in_the_cold,
    lake_file,
    move_manifest,
    move_watermark,
    rewrite,
    without_row,
)
from tests.system.faults.model import LOOK_ONLY, LOST, Fault, Place, Plant
from tsse_validation.domain.contract import DATASET

FUTURE = "watermark_is_set_and_not_in_the_future"
IMPATIENT = (*LOOK_ONLY, "--settle-timeout=2")
INSPECTED = "valid_token_runs_a_job"
"""The first inspection of a run: what the controller cannot read of its lake shows there."""
WHOLE = "lake_state_files_are_readable[{}]"
AGREES = tuple(
    f"direct_inspection_agrees_with_the_api[{of}]" for of in ("paths", "watermark", "replication", "partitions")
)
AGO = 5
STILL, CRASH = "stands-still", "a crash without a rename"


def stopped(change: Plant) -> Plant:
    """Change what the controller must not be writing meanwhile."""

    def plant(controller: Controller) -> None:
        controller.running.controller.stop()
        change(controller)
        controller.start_controller()

    return plant


def edited(name: str, change: Callable[[Any], None]) -> Plant:
    """Change a state file's JSON."""
    return stopped(lambda controller: edit_state(controller, name, change))


def _written(name: str, content: bytes) -> Plant:
    return stopped(lambda controller: (controller.paths.hot / "_state" / name).write_bytes(content))


def _of_the_day(**keys: object) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        content["datasets"][DATASET]["partitions"][str(days_ago(AGO))].update(keys)

    return change


def _copy_to_cold(controller: Controller) -> None:
    """Put a day into both places, the cold copy with a row less."""
    day = dataset(controller.paths) / f"date={days_ago(AGO)}"
    shutil.copytree(day, in_the_cold(controller, day))
    path = lake_file(controller, controller.sensor(), days_ago(AGO))
    rewrite(in_the_cold(controller, path), without_row(controller.sensor()))


def _both_places(controller: Controller) -> None:
    _copy_to_cold(controller)
    edited("manifest.json", _of_the_day(location="cold"))(controller)


def _removed(name: str) -> Plant:
    return lambda controller: (controller.paths.hot / "_state" / name).unlink()


def _moved(by: timedelta, move: Callable[[Controller, datetime], None] = move_watermark) -> Plant:
    """Let the watermark be so far from now."""
    return lambda controller: move(controller, controller.now + by)


_NO_INSTANT = edited("replication.json", lambda state: state.update(computed_through_ts="yesterday"))


def _fault(name: str, models: str, plant: Plant, *red: str, **more: Any) -> Fault:
    return Fault(name, Place.STATE, models, red, plant, **more)


def _torn(name: str, models: str, file: str, content: bytes) -> Fault:
    return _fault(name, models, _written(file, content), INSPECTED).told(says="cannot be read")


def _missing(name: str, file: str, *more: str) -> Fault:
    plant, red = _removed(f"{file}.json"), (WHOLE.format(file), *AGREES, *more)
    missing = _fault(name, "a restore that left it out", plant, *red, mutant=STILL, arguments=IMPATIENT)
    return missing.told(says="The lake has no")


_AN_HOUR_AHEAD = stopped(_moved(timedelta(hours=1)))
FAULTS = (
    _fault("the watermark lies in the future", "a clock was set back", _AN_HOUR_AHEAD, FUTURE).told(
        says="in the future of the controller's clock"
    ),
    _torn("the replication state is torn", CRASH, "replication.json", b'{"schema_version": 1, "computed_through'),
    _torn("the manifest is torn", CRASH, "manifest.json", b'{"schema_version": 1, "datasets": {'),
    _torn("the manifest is an empty file", "a disk ran full", "manifest.json", b""),
    _fault("the watermark is no instant", "another writer", _NO_INSTANT, INSPECTED).told(says="cannot be read"),
    _fault(
        "a day is hot and cold, and the manifest points to the poorer copy",
        "a move to the NAS went on from an old copy",
        _both_places,
        *LOST,
    ).told("hidden by the manifest"),
    _missing(
        *("the replication state is missing", "replication"), *("watermark_is_recent", "watermark_never_retreats")
    ),
    _missing("the manifest is missing", "manifest"),
    _fault(
        "the watermark is a day behind, and stays there",
        "a restore of old files, and a dead thread",
        _moved(timedelta(days=-1)),
        "watermark_is_recent",
        arguments=IMPATIENT,
        mutant=STILL,
    ).told(says="and was older than 420 s all of 2 s"),
    _fault(
        "the manifest's watermark is a day behind the state's",
        "a restore of one file of two",
        _moved(timedelta(days=-1), move_manifest),
        AGREES[1],
        mutant=STILL,
    ),
)
