"""Makes the data once and keeps it: a database of each size, and the lake that the controller writes of it."""

import json
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import LiteralString

import psycopg
import pyarrow as pa

from fixtures.controller.backfill import backfill
from fixtures.controller.database import Database
from fixtures.controller.lake_store import Lake, remove_segments
from fixtures.controller.replication import LakeService, with_touched
from fixtures.controller.segments import SegmentWriter, micros, newest_rows, read_segment
from fixtures.controller.state import StateFiles
from fixtures.farm.load import copy_blocks
from tools.benchmarks.readings import DAYS, TARGET, Sensor, days, farm_of_day, plan
from tools.benchmarks.server import KeptPostgres
from tsse_validation.domain.instants import day_start, to_micros

GENERATION = 2
"""Of the data: raised when it is to be made anew."""
SHARDS = 16
_LAG = timedelta(seconds=300)
_INCREMENTAL_DAYS = 2
_PASSES_A_DAY = 8
_TS_AS_NUMBER: LiteralString = "(extract(epoch FROM ts AT TIME ZONE 'UTC') * 1000000)::bigint"
"""What reladiff can take for a key."""
_RELADIFF_INDEX: LiteralString = f"CREATE INDEX metrics_reladiff_idx ON metrics (sensor_id, ({_TS_AS_NUMBER}))"
"""Reladiff would crawl without."""
RELADIFF_MILLIONS = 26
"""Larger data is not given to reladiff, and has no index for it."""
_INDEXES: tuple[LiteralString, ...] = (
    "ALTER TABLE metrics ADD PRIMARY KEY (sensor_id, ts)",
    "ALTER TABLE metrics ADD FOREIGN KEY (sensor_id) REFERENCES sensors (sensor_id)",
    "CREATE INDEX metrics_inserted_at_idx ON metrics (inserted_at)",
    "CREATE INDEX metrics_ts_idx ON metrics (ts DESC)",
    (
        "CREATE VIEW metrics_reladiff AS"
        f" SELECT sensor_id, {_TS_AS_NUMBER} AS ts_us, value::text AS value, quality FROM metrics"
    ),
    (
        "CREATE VIEW metrics_reladiff_as_it_comes AS"
        f" SELECT sensor_id, {_TS_AS_NUMBER} AS ts_us, value, quality FROM metrics"
    ),
)


@dataclass(frozen=True)
class DataSet:
    """One size: its database and lake. `rows` is what it really has."""

    millions: int
    rows: int
    database: str
    hot: Path
    lake_files: int
    lake_bytes: int
    table_bytes: int


def data_set(server: KeptPostgres, directory: Path, millions: int) -> DataSet:
    """Return the data of a size, made now if it is not there yet."""
    home = directory / f"rows-{millions}m"
    ready = home / "ready.json"
    database = f"bench_{millions}m"
    if ready.is_file() and server.has_database(database):
        kept = json.loads(ready.read_text())
        if kept.pop("generation") == GENERATION:
            return DataSet(**kept | {"hot": Path(kept["hot"])})
    shutil.rmtree(home, ignore_errors=True)
    server.drop_database(database)
    conninfo = server.create_database(database)
    indexes = (*_INDEXES, _RELADIFF_INDEX) if millions <= RELADIFF_MILLIONS else _INDEXES
    rows, table_bytes = _fill(conninfo, plan(millions * 1_000_000), indexes)
    hot = home / "hot"
    _write_lake(conninfo, hot, home / "tmp")
    parquet = list(hot.rglob("*.parquet"))
    made = DataSet(
        millions, rows, database, hot, len(parquet), sum(path.stat().st_size for path in parquet), table_bytes
    )
    ready.write_text(json.dumps(asdict(made) | {"hot": str(hot), "generation": GENERATION}, indent=2))
    return made


def _fill(conninfo: str, sensors: tuple[Sensor, ...], indexes: Sequence[LiteralString]) -> tuple[int, int]:
    """Load all readings in the order in which they came in, then index them."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute((files("fixtures") / "schema.sql").read_bytes())
        connection.execute(
            "ALTER TABLE metrics DROP CONSTRAINT metrics_pkey, DROP CONSTRAINT metrics_sensor_id_fkey"
        )
        connection.execute("DROP INDEX metrics_inserted_at_idx, metrics_ts_idx")
        connection.execute("SET maintenance_work_mem = '512MB'")
        _insert_sensors(connection, sensors)
        for day in days():
            with (
                connection.cursor() as cursor,
                cursor.copy(
                    "COPY metrics (sensor_id, ts, value, quality, inserted_at) FROM STDIN (FORMAT BINARY)"
                ) as copy,
            ):
                for block in copy_blocks(farm_of_day(sensors, day)):
                    copy.write(block)
        for statement in indexes:
            connection.execute(statement)
        connection.execute("VACUUM (ANALYZE) metrics")
        connection.execute("CHECKPOINT")
        found = connection.execute("SELECT count(*), pg_table_size('metrics') FROM metrics").fetchone()
        assert found is not None
        return found[0], found[1]


def _insert_sensors(connection: psycopg.Connection, sensors: tuple[Sensor, ...]) -> None:
    node = uuid.uuid5(uuid.NAMESPACE_OID, "tsse-bench")
    connection.execute("INSERT INTO nodes (id, name) VALUES (%s, 'bench')", (node,))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sensors (sensor_id, node_id, name, type, unit)"
            " VALUES (%s, %s, 'bench', 'temperature', 'degC')",
            [(sensor.sensor_id, node) for sensor in sensors],
        )


class _Unstoppable:
    def check(self) -> None:
        pass

    def progress(self, phase: str, completed: int, total: int | None, message: str) -> None:
        pass


def _write_lake(conninfo: str, hot: Path, tmp: Path) -> None:
    """Let the reference controller backfill, then part the last days' files as incremental passes leave them."""
    hot.mkdir(parents=True)
    lake = Lake(hot, None, tmp, SHARDS, timedelta(days=DAYS + 1))
    service = LakeService(
        Database(conninfo), lake, StateFiles(hot), _LAG, timedelta(hours=48), clock=lambda: TARGET + _LAG
    )
    backfill(service, DAYS, _Unstoppable(), replace_existing=True)
    service.database.close()
    for day in list(days())[-_INCREMENTAL_DAYS:]:
        _part(service, day)
    state = service.states.load_replication()
    service.states.save_replication(replace(state, last_run_status="ok", last_run_at=TARGET + _LAG))


def _part(service: LakeService, day: date) -> None:
    old = [path for paths in service.lake.segments("hot", day).values() for path in paths]
    rows = newest_rows([read_segment(path) for path in old])
    writer = SegmentWriter(service.lake, "part", service.clock(), lambda _: "hot")
    writer.write(_passes(rows, day))
    remove_segments(old)
    manifest = service.states.load_manifest()
    service.states.save_manifest(with_touched(service, manifest, writer.touched))


def _passes(rows: pa.Table, day: date) -> list[pa.Table]:
    first, step = to_micros(day_start(day)), 86_400_000_000 // _PASSES_A_DAY
    ts, tables = micros(rows["ts"]), []
    for number in range(_PASSES_A_DAY):
        begin = first + number * step
        tables.append(rows.filter(pa.array((ts >= begin) & (ts < begin + step))))
    return tables
