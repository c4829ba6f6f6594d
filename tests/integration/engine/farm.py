"""A farm in a real Postgres, and the lake that the reference controller's own modules write of it."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis.stateful import RuleBasedStateMachine
from pydantic import SecretStr

from fixtures.controller.backfill import backfill
from fixtures.controller.database import Database
from fixtures.controller.lake_store import LakeLock, remove_scratch
from fixtures.controller.replication import tick
from fixtures.controller.state import StateFiles
from tests.integration.controller.support import LAG, Clock, Control, FarmRows, lake_service, patient
from tests.integration.engine import naive
from tests.support.schema import emptied
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window
from tsse_validation.lake.reader import LakeReader
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.records import CountRow

Row = tuple[str, datetime, float, int | None, datetime | None]
RETENTION_DAYS = 2
"""Of a machine's farm: days go cold soon."""


class Farm:
    """Both sides, and what happens to them; the clock stands still until it is told."""

    def __init__(
        self,
        conninfo: str,
        root: Path,
        now: datetime,
        *,
        cold: bool = False,
        retention_days: int = 90,
        shards: int = 16,
        late_window: timedelta = timedelta(days=60),
    ) -> None:
        self.clock = Clock(now)
        self._conninfo = conninfo
        self.connection = psycopg.connect(conninfo, autocommit=True, options="-c timezone=UTC")
        self.database = Database(conninfo)
        self.shards = shards
        self.service = lake_service(
            self.database,
            root,
            self.clock,
            cold=cold,
            retention_days=retention_days,
            shards=shards,
            late_window=late_window,
        )
        self.reader = LakeReader(LakePaths(self.service.lake.hot, self.service.lake.cold, shards))
        self.client = PostgresClient(
            SecretStr(conninfo), connect_timeout=10, statement_timeout=120, lock_timeout=10
        )
        self._rows = FarmRows(self.connection)
        self._sensors: set[str] = set()

    def close(self) -> None:
        self.connection.close()
        self.database.close()

    def restart(self) -> None:
        """Start the controller anew, as after a crash: nothing is left of it but its files."""
        self.database.close()
        self.database = Database(self._conninfo)
        remove_scratch(self.service.lake)
        self.service = replace(
            self.service, database=self.database, states=StateFiles(self.service.lake.hot), lock=LakeLock()
        )

    def known_sensors(self) -> list[str]:
        return sorted(self._sensors)

    # ---- Postgres ----------------------------------------------------------------------------------------------

    def sensors(self, *sensor_ids: str) -> None:
        for sensor_id in sensor_ids:
            if sensor_id not in self._sensors:
                self._sensors.add(self._rows.sensor(sensor_id))

    def ingest(self, rows: Iterable[Row]) -> None:
        """Insert readings as the controller's ingest does: who was first stays."""
        self._insert(rows, "DO NOTHING")

    def upsert(self, rows: Iterable[Row]) -> None:
        """Insert readings as a derived feed does: the newer version replaces the older."""
        self._insert(
            rows,
            "DO UPDATE SET value = excluded.value, quality = excluded.quality, inserted_at = excluded.inserted_at",
        )

    def _insert(self, rows: Iterable[Row], conflict: str) -> None:
        listed = list(rows)
        self.sensors(*(row[0] for row in listed))
        statement = (
            "INSERT INTO metrics (sensor_id, ts, value, quality, inserted_at)"
            f" VALUES (%s, %s, %b, %s, %s) ON CONFLICT (sensor_id, ts) {conflict}"
        )
        with self.connection.cursor() as cursor:
            cursor.executemany(statement.encode(), listed)

    def change(self, assignment: str, key: naive.Key) -> None:
        statement = f"UPDATE metrics SET {assignment} WHERE sensor_id = %s AND ts = %s"
        self.connection.execute(statement.encode(), (key[0], naive.instant(key[1])))

    def delete(self, *keys: naive.Key) -> None:
        for sensor_id, ts in keys:
            self.connection.execute(
                "DELETE FROM metrics WHERE sensor_id = %s AND ts = %s", (sensor_id, naive.instant(ts))
            )

    # ---- the controller ----------------------------------------------------------------------------------------

    @property
    def due_now(self) -> datetime:
        return self.clock.now - LAG

    def replicate(self) -> None:
        tick(self.service, patient)

    def backfill(self, days: int, *, replace_existing: bool = True, control: Control | None = None) -> None:
        backfill(self.service, days, control or Control(), replace_existing=replace_existing)

    # ---- the engine --------------------------------------------------------------------------------------------

    def proof(self) -> DirectProof:
        return DirectProof(self.client, self.reader)

    def coverage(self) -> Coverage:
        return Coverage.promised_by(self.reader.replication())

    def covered(self) -> Window:
        window = self.coverage().window
        assert window is not None
        return window

    def digest_days(self) -> list[CountRow]:
        return self.proof().compare_sensor_days(Scope.covered_by(self.coverage()))

    def differing_days(self) -> set[tuple[str, date | None]]:
        return {(row.sensor_id, row.day) for row in self.digest_days() if not row.matches}

    def differing_rows(self) -> set[naive.Difference]:
        """Return the rows that differ, as the runbook finds them: digests first, then rows where they differ."""
        proof, coverage, window = self.proof(), self.coverage(), self.covered()
        differing = [row for row in proof.compare_sensor_days(Scope(window, coverage)) if not row.matches]
        return set(told(proof.compare_rows(Scope(window, coverage), differing)))

    def all_differing_rows(self) -> set[naive.Difference]:
        proof, coverage, window = self.proof(), self.coverage(), self.covered()
        return set(
            told(proof.compare_rows(Scope(window, coverage), proof.compare_sensor_days(Scope(window, coverage))))
        )

    def expected(self, window: Window | None = None, coverage: Coverage | None = None) -> naive.Expected:
        window, coverage = window or self.covered(), coverage or self.coverage()
        promise = naive.Promise(
            naive.micros(coverage.backfill_to),
            naive.micros(coverage.watermark),
            self.service.late_window // timedelta(microseconds=1),
            naive.micros(window.start),
            naive.micros(window.end),
        )
        return naive.compare(naive.read_postgres(self.connection), self.copies(), promise)

    # ---- the lake's files --------------------------------------------------------------------------------------

    def copies(self) -> list[naive.Copy]:
        return list(naive.read_lake(self.service.lake.hot, self.service.lake.cold))

    def files(self, day: date | None = None) -> list[Path]:
        roots = [root for root in (self.service.lake.hot, self.service.lake.cold) if root is not None]
        found = [path for root in roots for path in root.glob("metrics/v1/date=*/shard=*/*.parquet")]
        return sorted(path for path in found if day is None or path.parent.parent.name == f"date={day}")

    def files_of(self, key: naive.Key) -> list[Path]:
        return sorted({copy.path for copy in self.copies() if copy.key == key})


class FarmStateMachine(RuleBasedStateMachine):
    """A state machine on one farm, in emptied tables and a directory of its own."""

    conninfo = ""
    shards: int
    """Fewer than sensors: some share their shard."""
    late_window = timedelta(days=60)

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="tsse-machine-"))
        self.farm = Farm(
            emptied(self.conninfo),
            self.root / "lake",
            datetime(2026, 3, 10, tzinfo=UTC),
            cold=True,
            retention_days=RETENTION_DAYS,
            shards=self.shards,
            late_window=self.late_window,
        )
        self.sensors: tuple[str, ...] = ()

    def begin(self, sensors: tuple[str, ...], since_midnight: timedelta) -> None:
        self.sensors = sensors
        self.farm.sensors(*sensors)
        self.farm.clock.now += since_midnight

    def teardown(self) -> None:
        self.farm.close()
        shutil.rmtree(self.root)


def told(comparisons: Iterable[Any]) -> Iterator[naive.Difference]:
    for comparison in comparisons:
        rows = comparison.differences
        for sensor_id, ts, kind in zip(
            rows["sensor_id"].to_pylist(),
            rows["ts"].cast(pa.int64()).to_pylist(),
            rows["kind"].to_pylist(),
            strict=True,
        ):
            assert naive.day_of(ts) == comparison.day
            yield sensor_id, ts, kind


@contextmanager
def rewritten(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Read a file's rows, and write what the caller leaves of them; a file without rows is removed."""
    with pq.ParquetFile(path) as opened:
        table = opened.read()
    rows = table.to_pylist()
    yield rows
    if not rows:
        path.unlink()
        return
    changed = pa.Table.from_pylist(rows, schema=table.schema)
    pq.write_table(changed, path, compression="zstd", use_dictionary=["sensor_id"])


def is_row(row: dict[str, Any], key: naive.Key) -> bool:
    return row["sensor_id"] == key[0] and naive.micros(row["ts"].replace(tzinfo=naive.EPOCH.tzinfo)) == key[1]


def lose(farm: Farm, key: naive.Key) -> None:
    """Take a row out of each of the lake's files that holds it."""
    for path in farm.files_of(key):
        with rewritten(path) as rows:
            rows[:] = [row for row in rows if not is_row(row, key)]
