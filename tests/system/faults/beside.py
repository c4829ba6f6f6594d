"""What goes on beside a run, and is no fault: ingest, compaction, retention, other clients, foreign files."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
import pyarrow.parquet as pq

from fixtures.controller.lake_store import new_run
from tests.support.controller import OPTIONS, Controller, dataset, days_ago, noon, traffic
from tests.support.damage import APPLE_DOUBLE, in_the_cold, lake_file
from tests.system.faults.logic import late_instants, replicated
from tests.system.faults.model import Front
from tests.system.faults.retiring import STAYS
from tsse_validation.domain.contract import (
    COMPACTION_THRESHOLD_FILES,
    DATASET,
    INSPECT_JOB,
    TICK_JOB,
    InspectResult,
    TickResult,
)
from tsse_validation.domain.instants import day_start
from tsse_validation.domain.polling import wait_until

PATIENCE_SECONDS = 120.0
LOCKED_SECONDS = 3.0
INSERT = "INSERT INTO metrics (sensor_id, ts, value, quality, inserted_at) "
_BACKFILL = "SELECT 1 FROM analysis_jobs WHERE job_type = 'lake_backfill_v1' AND started_at IS NOT NULL"
_BACKFILLED = f"{_BACKFILL} AND status = 'completed'"
_UNTIMED = "SELECT 1 FROM metrics WHERE sensor_id = %s AND ts >= %s AND inserted_at IS NULL"

Work = Callable[[Controller], object]


def after_the_backfill(*works: Work) -> Front:
    """Return what does one thing after the other beside the run, from its backfill's end on until it ends.

    The run must not be over before the first is done.
    """
    return lambda controller: _beside(controller, _BACKFILLED, works)


def from_the_backfill_on(*works: Work) -> Front:
    """Return the same, from the backfill's start on."""
    return lambda controller: _beside(controller, _BACKFILL, works)


@contextmanager
def _beside(controller: Controller, begins: str, works: tuple[Work, ...]) -> Iterator[str]:
    over, done = threading.Event(), 0
    failed: list[BaseException] = []

    def work_on() -> None:
        nonlocal done
        try:
            assert wait_until(lambda: over.is_set() or bool(controller.sql(begins)), seconds=PATIENCE_SECONDS)
            for work in works:
                if not over.is_set():
                    work(controller)
                    done += not over.is_set()
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=work_on, daemon=True)
    thread.start()
    yield controller.url
    over.set()
    thread.join()
    if failed:
        raise failed[0]
    assert done, "the run was over before anything was done beside it"


@contextmanager
def live(controller: Controller, *, upserts: bool, days: float) -> Iterator[str]:
    """Let readings come in, some of them late by at most so many days, and upserts."""
    with traffic(controller, history_days=days, upserts=upserts):
        yield controller.url


@contextmanager
def open_transactions(controller: Controller) -> Iterator[str]:
    """Leave a reader and a writer in the middle of their transactions."""
    with psycopg.connect(controller.conninfo) as reader, psycopg.connect(controller.conninfo) as writer:
        reader.execute("SELECT count(*) FROM metrics")
        writer.execute(INSERT + "VALUES (%s, %s, 1, 0, now())", (controller.sensor(), late_instants()[0]))
        yield controller.url
        writer.rollback()
        reader.rollback()


def tick(controller: Controller) -> None:
    """Let the controller do one pass."""
    controller.job(TICK_JOB, {}, TickResult)


def compaction(ago: int) -> Work:
    """Let a shard-day have a file more than is compacted, each with the same rows, and a pass compact it."""

    def work(controller: Controller) -> None:
        path = lake_file(controller, controller.sensor(), days_ago(ago))
        for number in range(COMPACTION_THRESHOLD_FILES):
            _place(path.with_name(f"part-{new_run(controller.now)}-{number}.parquet"), path.read_bytes())
        tick(controller)
        assert lake_file(controller, controller.sensor(), days_ago(ago)).name.startswith("compact-")

    return work


def _place(path: Path, content: bytes) -> None:
    aside = path.with_name(f"{path.name}.tmp")
    aside.write_bytes(content)
    aside.replace(path)


def retention(controller: Controller) -> None:
    """Let a pass move dates to the cold; the controller is the one of `retiring`."""
    tick(controller)
    moved = list(controller.cold.glob("metrics/v1/date=*"))
    assert len(moved) > OPTIONS.farm.days - STAYS.days - 5, moved


def upsert_of_a_replicated_row(controller: Controller) -> None:
    """Let rows stand in two files, the newer ones valid, as they do until compaction."""
    controller.sql(
        "UPDATE metrics SET value = value + 1, inserted_at = clock_timestamp() WHERE sensor_id = %s AND ts >= %s"
        " AND ts < %s",
        *(controller.sensor(), day_start(days_ago(2)), day_start(days_ago(1))),
    )
    assert wait_until(lambda: bool(controller.sql(_BACKFILLED)), seconds=PATIENCE_SECONDS)
    replicated(controller)


def inspection(controller: Controller) -> None:
    """Let somebody else inspect the lake by the API."""
    controller.job(INSPECT_JOB, {}, InspectResult)


def rewritten(**options: object) -> Work:
    """Write the files of some days anew, by another writer."""

    def work(controller: Controller) -> None:
        for ago in range(3, 9):
            path = lake_file(controller, controller.sensor(), days_ago(ago))
            with pq.ParquetFile(path) as parquet:
                table = parquet.read()
            aside = path.with_name("aside")
            pq.write_table(table, aside, **options)
            aside.replace(path)

    return work


def backwards(controller: Controller) -> None:
    """Write the rows of some files the other way round."""
    for ago in range(3, 9):
        path = lake_file(controller, controller.sensor(), days_ago(ago))
        with pq.ParquetFile(path) as parquet:
            table = parquet.read()
        aside = path.with_name("aside")
        pq.write_table(table.take(list(range(table.num_rows - 1, -1, -1))), aside)
        aside.replace(path)


def untimed_rows(controller: Controller) -> None:
    """Insert rows of the late window that do not know when they came in, and let a pass stamp them."""
    _insert_untimed(controller, late_instants(3, ago=1))
    replicated(controller)
    assert not controller.sql(_UNTIMED, controller.sensor(), days_ago(1))


@contextmanager
def untimed_ingest(controller: Controller) -> Iterator[str]:
    """Let rows enter one after the other that do not know when they came in: passes stamp some of them."""
    over = threading.Event()

    def insert() -> None:
        for instant in late_instants(10_000, ago=1):
            if over.wait(0.3):
                return
            _insert_untimed(controller, [instant])

    thread = threading.Thread(target=insert, daemon=True)
    thread.start()
    yield controller.url
    over.set()
    thread.join()


def _insert_untimed(controller: Controller, instants: list[datetime]) -> None:
    for instant in instants:
        controller.sql(INSERT + "VALUES (%s, %s, 1, NULL, NULL)", controller.sensor(), instant)


def litter(controller: Controller) -> None:
    """Leave what a Mac leaves that looks into the lake, hot and cold."""
    day = dataset(controller.paths) / f"date={days_ago(5)}"
    for path in [*day.glob("shard=*/*.parquet"), day]:
        path.with_name(f"._{path.name}").write_bytes(APPLE_DOUBLE)
        twin = in_the_cold(controller, path)
        twin.with_name(f"._{twin.name}").write_bytes(APPLE_DOUBLE)
    for place in (day, dataset(controller.paths), controller.cold / DATASET):
        (place / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (day / ".AppleDouble").mkdir()


def lock_for_a_moment(controller: Controller) -> None:
    """Hold the table, as whoever swaps a chunk does, for longer than one statement waits for a lock."""
    with psycopg.connect(controller.conninfo) as other:
        other.execute("LOCK TABLE metrics IN ACCESS EXCLUSIVE MODE")
        other.execute("SELECT pg_sleep(%s)", (LOCKED_SECONDS,))


def rewritten_partition(controller: Controller) -> None:
    """Rewrite a day as a chunk that is compressed: a snapshot from before finds no row in it any more."""
    ((name,),) = controller.sql(
        "SELECT tableoid::regclass::text FROM metrics WHERE ts >= %s LIMIT 1", noon(days_ago(7))
    )
    with psycopg.connect(controller.conninfo) as other:
        for statement in (
            f"CREATE TEMP TABLE kept ON COMMIT DROP AS TABLE {name}",
            f"TRUNCATE {name}",
            f"INSERT INTO {name} SELECT * FROM kept",
        ):
            other.execute(statement.encode())


def foreign_files(controller: Controller) -> None:
    """Leave files and directories that are none of the lake's."""
    day = dataset(controller.paths) / f"date={days_ago(5)}"
    (day / "listing.csv").write_bytes(b"name,size")
    (dataset(controller.paths) / "README.txt").write_text("do not touch")
    (day / "shard=99").mkdir()


def copy_in_the_cold(controller: Controller) -> None:
    """Leave a copy of a file where the manifest does not point."""
    path = lake_file(controller, controller.sensor(), days_ago(5))
    in_the_cold(controller, path).write_bytes(path.read_bytes())
