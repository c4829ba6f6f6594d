"""A small lake on disk, the tasks that digest it, and functions that workers of a cluster run in these tests."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from distributed import get_worker

from tests.support.builders import rows_table
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.digest import KEY_SCHEMA
from tsse_validation.domain.instants import DAY, MICROSECOND
from tsse_validation.domain.polling import wait_until
from tsse_validation.domain.stack import STATE_DIR, LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.tasks import DigestAnswer, DigestTask, TaskPart, digest_task
from tsse_validation.lake.working import Workers

FIRST = datetime(2026, 1, 20, tzinfo=UTC)
DAYS = 4
SHARDS = ("00", "01")
MARK = FIRST + DAYS * DAY
SCOPE = Scope(Window(FIRST, MARK - MICROSECOND), Coverage(FIRST, MARK, MARK))
PATIENCE = 90


def write_lake(root: Path) -> LakePaths:
    """Write a lake of some days in two shards, and one copy of a row that waits for compaction."""
    hot = root / "hot"
    state = hot / STATE_DIR
    state.mkdir(parents=True)
    (state / "manifest.json").write_text("{}", encoding="utf-8")
    (state / "replication.json").write_text('{"schema_version": 1}', encoding="utf-8")
    for number in range(DAYS):
        for shard in SHARDS:
            rows = [
                (f"sensor-{shard}-{one % 3}", FIRST + number * DAY + timedelta(minutes=one), one / 7, 0, FIRST)
                for one in range(60)
            ]
            write(hot, number, shard, f"backfill-1-{number}.parquet", rows)
            write(hot, number, shard, f"part-2-{number}.parquet", rows[:1])
    return LakePaths(hot)


def write(
    hot: Path, number: int, shard: str, name: str, rows: list[tuple[str, datetime, float, int, datetime]]
) -> Path:
    """Write a file of the day of that number."""
    path = hot / DATASET / f"date={(FIRST + number * DAY).date()}" / f"shard={shard}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows_table(rows), path, compression="zstd")
    return path


def tasks(paths: LakePaths) -> Iterator[DigestTask]:
    """Return a task for each date."""
    for day in sorted(LakeReader(paths).listing().days()):
        yield DigestTask(paths, (day,), None, (TaskPart.within(SCOPE, KEY_SCHEMA.empty_table(), {day}),))


def digest_when_let(gate: Path, task: DigestTask) -> DigestAnswer:
    """Say beside a gate who has begun, and digest once there is one."""
    (gate.parent / f"begun-{get_worker().name}").touch()
    assert wait_until(gate.exists, seconds=PATIENCE)
    return digest_task(task)


class _HeldUp(Executor):
    def __init__(self, executor: Executor, gate: Path) -> None:
        self._executor = executor
        self._gate = gate

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        assert fn is digest_task
        return self._executor.submit(partial(digest_when_let, self._gate), *args, **kwargs)


def held_up(workers: Workers, gate: Path) -> Workers:
    """Return workers that digest once there is a gate."""

    @contextmanager
    def opened() -> Iterator[Executor]:
        with workers.open() as executor:
            yield _HeldUp(executor, gate)

    return Workers(opened, workers.in_flight)


def end_the_worker(_task: DigestTask) -> DigestAnswer:
    """Take the worker down with the task."""
    os._exit(1)


def fail_in_a_way_of_its_own(task: DigestTask) -> DigestAnswer:
    """Fail by a fault of the suite's."""
    msg = f"no such thing as {task.days[0]}"
    raise LookupError(msg)


def tasks_known(dask_scheduler: Any) -> int:
    """Return how many tasks a scheduler knows of."""
    return len(dask_scheduler.tasks)


def steps_taken(dask_scheduler: Any) -> int:
    """Return how many steps tasks have made on a scheduler since it was started."""
    return int(dask_scheduler.transition_counter)
