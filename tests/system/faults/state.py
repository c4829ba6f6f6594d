"""Faults in the lake's two state files (contract section 4)."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.support.controller import Controller, dataset, days_ago
from tests.support.damage import lake_file, move_watermark, rewrite, without_row
from tests.system.faults.model import LOOK_ONLY, LOST, Fault, Place, Plant
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.instants import format_rfc3339

FUTURE = "watermark_is_set_and_not_in_the_future"
INSPECTED = "valid_token_runs_a_job"
"""The first inspection of a run: what the controller cannot read of its lake shows there."""
WHOLE = "lake_state_files_are_readable[{}]"
AGREES = tuple(
    f"direct_inspection_agrees_with_the_api[{of}]" for of in ("paths", "watermark", "replication", "partitions")
)
AGO = 5


def stopped(change: Plant) -> Plant:
    """Change what the controller must not be writing meanwhile."""

    def plant(controller: Controller) -> None:
        controller.running.controller.stop()
        change(controller)
        controller.start_controller()

    return plant


def edited(name: str, change: Callable[[Any], None]) -> Plant:
    """Change a state file's JSON."""

    def plant(controller: Controller) -> None:
        path = controller.paths.hot / "_state" / name
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return stopped(plant)


def _written(name: str, content: bytes) -> Plant:
    return stopped(lambda controller: (controller.paths.hot / "_state" / name).write_bytes(content))


def _of_the_day(**keys: object) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        content["datasets"][DATASET]["partitions"][str(days_ago(AGO))].update(keys)

    return change


def _copy_to_cold(controller: Controller) -> None:
    """Put a day into both places, the cold copy with a row less."""
    assert controller.paths.cold is not None
    day = dataset(controller.paths) / f"date={days_ago(AGO)}"
    shutil.copytree(day, controller.paths.cold / day.relative_to(controller.paths.hot))
    path = lake_file(controller, controller.sensor(), days_ago(AGO))
    rewrite(controller.paths.cold / path.relative_to(controller.paths.hot), without_row(controller.sensor()))


def _both_places(controller: Controller) -> None:
    _copy_to_cold(controller)
    edited("manifest.json", _of_the_day(location="cold"))(controller)


def _forget_the_backfill(content: Any) -> None:
    content["backfill_from_ts"] = content["backfill_to_ts"] = None


def _removed(name: str) -> Plant:
    return lambda controller: (controller.paths.hot / "_state" / name).unlink()


def _a_day_behind(controller: Controller) -> None:
    move_watermark(controller, controller.now - timedelta(days=1))


def _manifest_behind(controller: Controller) -> None:
    """Put the manifest back to a watermark of the day before, as an old copy of it has."""
    path = controller.paths.hot / "_state" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["datasets"][DATASET]["computed_through_ts"] = format_rfc3339(controller.now - timedelta(days=1))
    path.write_text(json.dumps(manifest))


FAULTS = (
    Fault(
        "the watermark lies in the future",
        Place.STATE,
        "a clock was set back",
        (FUTURE,),
        stopped(lambda controller: move_watermark(controller, controller.now + timedelta(hours=1))),
        says={FUTURE: "in the future of the controller's clock"},
    ),
    Fault(
        "the replication state is torn",
        Place.STATE,
        "a crash without a rename",
        (INSPECTED,),
        _written("replication.json", b'{"schema_version": 1, "computed_through'),
        says={INSPECTED: "cannot be read"},
    ),
    Fault(
        "the manifest is torn",
        Place.STATE,
        "a crash without a rename",
        (INSPECTED,),
        _written("manifest.json", b'{"schema_version": 1, "datasets": {'),
        says={INSPECTED: "cannot be read"},
    ),
    Fault(
        "the manifest is an empty file",
        Place.STATE,
        "a disk ran full",
        (INSPECTED,),
        _written("manifest.json", b""),
        says={INSPECTED: "cannot be read"},
    ),
    Fault(
        "the watermark is no instant",
        Place.STATE,
        "another writer",
        (INSPECTED,),
        edited("replication.json", lambda state: state.update(computed_through_ts="yesterday")),
        says={INSPECTED: "cannot be read"},
    ),
    Fault(
        "a day is hot and cold, and the manifest points to the poorer copy",
        Place.STATE,
        "a move to the NAS went on from an old copy",
        LOST,
        _both_places,
        ("hidden by the manifest",),
    ),
    Fault(
        "the replication state is missing",
        Place.STATE,
        "a restore that left it out",
        (WHOLE.format("replication"), *AGREES),
        _removed("replication.json"),
        says={WHOLE.format("replication"): "The lake has no"},
        mutant="stands-still",
    ),
    Fault(
        "the manifest is missing",
        Place.STATE,
        "a restore that left it out",
        (WHOLE.format("manifest"), *AGREES),
        _removed("manifest.json"),
        says={WHOLE.format("manifest"): "The lake has no"},
        mutant="stands-still",
    ),
    Fault(
        "the watermark is a day behind, and stays there",
        Place.STATE,
        "a restore of old files, and a dead thread",
        ("watermark_is_recent",),
        _a_day_behind,
        says={"watermark_is_recent": "and was older than 420 s all of 2 s"},
        arguments=(*LOOK_ONLY, "--settle-timeout=2"),
        mutant="stands-still",
    ),
    Fault(
        "the manifest's watermark is a day behind the state's",
        Place.STATE,
        "a restore of one file of two",
        ("direct_inspection_agrees_with_the_api[watermark]",),
        _manifest_behind,
        mutant="stands-still",
    ),
)
