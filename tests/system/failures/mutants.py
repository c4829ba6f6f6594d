"""The reference controller with a mistake that only a failure shows: ``… -m tests.system.failures.mutants NAME``.

As long as nothing fails, each of them keeps the contract.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import pyarrow as pa

from fixtures.controller import __main__ as controller
from fixtures.controller import backfill, files, housekeeping, replication, segments
from fixtures.controller.lake_store import LOCATIONS, Lake, new_run, remove_date, remove_hot_date, remove_scratch
from fixtures.controller.replication import LakeService
from fixtures.controller.state import Manifest, ReplicationState
from tsse_validation.domain.contract import DATASET

_A_DISK_TAKES = 0.02
"""Seconds between a file's name and its content: a moment that a strike can meet."""


@dataclass(frozen=True)
class FailureMutant:
    """A mistake in a sentence, how it is made, and the scenarios that are to see it."""

    sentence: str
    make: Callable[[], None]
    seen_by: tuple[str, ...]


def _put(place: object, name: str, value: object) -> None:
    setattr(place, name, value)


def _moved(service: LakeService, known: ReplicationState) -> ReplicationState:
    """Return the state with its marks where the next pass will end."""
    through = service.due_through(known)
    return replace(known, last_inserted_at=through, computed_through_ts=through)


def _state_before_files() -> None:
    honest = replication.export_increment

    def export(
        service: LakeService, after: datetime, through: datetime, outside: Any = None
    ) -> tuple[int, Manifest]:
        known = service.states.load_replication()
        service.states.save_replication(replace(known, last_inserted_at=through, computed_through_ts=through))
        return honest(service, after, through, outside)

    _put(replication, "export_increment", export)


def _rename_before_flush() -> None:
    @contextmanager
    def in_the_making(path: Path) -> Iterator[BinaryIO]:
        scratch = path.with_name(f"{path.name}.tmp")
        with scratch.open("wb") as stream:
            yield stream
            scratch.replace(path)
            time.sleep(_A_DISK_TAKES)

    _put(files, "_in_the_making", in_the_making)


def _no_replay_after_restart() -> None:
    honest = replication.run_forever

    def run_forever(service: LakeService, *others: Any) -> None:
        known = service.states.load_replication()
        if known.last_inserted_at is not None:
            service.states.save_replication(_moved(service, known))
        honest(service, *others)

    _put(controller, "run_forever", run_forever)


def _leftover_taken_for_data() -> None:
    def keep_scratch(lake: Lake) -> None:
        for base in filter(None, map(lake.base, LOCATIONS)):
            for path in (base / DATASET).glob("date=*/shard=*/*.parquet.tmp"):
                path.replace(path.with_suffix(""))
        remove_scratch(lake)

    _put(controller, "remove_scratch", keep_scratch)


def _all_dates_removed_first() -> None:
    honest = backfill._plan

    def plan(service: LakeService, days: int) -> Any:
        found = honest(service, days)
        for day in found.dates():
            remove_date(service.lake, day, new_run(service.clock()))
        return found

    _put(backfill, "_plan", plan)


def _compaction_removes_first() -> None:
    honest = segments.write_segment

    def write(lake: Lake, path: Path, rows: pa.Table) -> None:
        for source in path.parent.glob("*.parquet"):
            source.unlink()
        honest(lake, path, rows)

    _put(housekeeping, "write_segment", write)


def _move_deletes_first() -> None:
    def move(lake: Lake, day: date) -> None:
        contents = {path: path.read_bytes() for path in lake.paths("hot", day)}
        for path in contents:
            path.unlink()
        directory = lake.date_directory(lake.writable("cold"), day)
        for path, content in contents.items():
            copy = directory / path.parent.name / path.name
            files.make_directories(copy.parent, lake.root_of(copy))
            copy.write_bytes(content)

    _put(housekeeping, "_copy_to_cold", move)
    _put(housekeeping, "remove_hot_date", _where_there_is_one)


def _where_there_is_one(lake: Lake, day: date, run: str) -> None:
    if lake.date_directory("hot", day).is_dir():
        remove_hot_date(lake, day, run)


def _failed_pass_moves_the_mark() -> None:
    honest = replication._record_failure

    def record(service: LakeService, known: ReplicationState, *others: Any) -> Exception:
        return honest(service, _moved(service, known), *others)

    _put(replication, "_record_failure", record)


FAILURE_MUTANTS = {
    "state-before-files": FailureMutant(
        "A pass saves the state before it writes the files that the state speaks for.",
        _state_before_files,
        ("kill-in-pass-file",),
    ),
    "rename-before-flush": FailureMutant(
        "A file gets its name before its content is written out.", _rename_before_flush, ("kill-before-state",)
    ),
    "no-replay-after-restart": FailureMutant(
        "A controller that starts begins at the present, and not where it ended.",
        _no_replay_after_restart,
        ("kill-under-traffic",),
    ),
    "leftover-taken-for-data": FailureMutant(
        "An unfinished file that a crash has left is taken for data.",
        _leftover_taken_for_data,
        ("torn-files-beside",),
    ),
    "cancel-leaves-holes": FailureMutant(
        "A backfill removes all its dates before it writes the first: a cancel leaves holes.",
        _all_dates_removed_first,
        ("cancel-in-a-backfill", "kill-at-removed-date"),
    ),
    "compaction-removes-first": FailureMutant(
        "Compaction removes the files of a shard before it writes the merged one.",
        _compaction_removes_first,
        ("kill-in-compaction-file",),
    ),
    "move-deletes-first": FailureMutant(
        "Retention deletes a date's files before it has copied them to the cold place.",
        _move_deletes_first,
        ("cold-gone-in-a-move",),
    ),
    "failed-pass-moves-the-mark": FailureMutant(
        "A pass that failed moves the watermark as one that succeeded does.",
        _failed_pass_moves_the_mark,
        ("session-ended-in-a-pass", "statement-timeout"),
    ),
}
"""Every mistake by the name that the command line knows."""


def main() -> NoReturn:
    """Make one mistake, and be the controller."""
    FAILURE_MUTANTS[sys.argv.pop(1)].make()
    sys.exit(controller.main())


if __name__ == "__main__":
    main()
