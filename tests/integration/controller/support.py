"""What the controller's tests share: a farm in Postgres, a clock, a reader of the lake and a client of the API."""

import asyncio
import itertools
import json
import queue
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partialmethod
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pyarrow.parquet as pq
from starlette.types import ASGIApp

from fixtures.controller.backfill import BackfillOutcome, backfill
from fixtures.controller.database import Database
from fixtures.controller.handlers import handlers
from fixtures.controller.jobs import JobStore, JsonObject, NewJob, job_json
from fixtures.controller.lake_store import Lake
from fixtures.controller.replication import LakeService, tick
from fixtures.controller.runner import Handler, Runner
from fixtures.controller.state import ReplicationState, StateFiles
from tests.support.given import given

LAG = timedelta(seconds=60)
PATIENCE_SECONDS = 30
"""How long a test waits for what must happen; a right controller needs a small part of it."""

Row = tuple[float, int | None, datetime | None]
Key = tuple[str, datetime]
_addresses = itertools.count(1)


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


class FarmRows:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._node = uuid.uuid4()
        connection.execute("INSERT INTO nodes (id, name) VALUES (%s, 'node')", (self._node,))

    def sensor(self, sensor_id: str) -> str:
        self.connection.execute(
            "INSERT INTO sensors (sensor_id, node_id, name, type, unit) VALUES (%s, %s, 's', 't', 'u')"
            " ON CONFLICT DO NOTHING",
            (sensor_id, self._node),
        )
        return sensor_id

    def reading(
        self,
        sensor_id: str,
        ts: datetime,
        value: float = 1.0,
        quality: int | None = 0,
        *,
        inserted_at: datetime | None,
    ) -> Key:
        self.sensor(sensor_id)
        self.connection.execute(
            "INSERT INTO metrics (sensor_id, ts, value, quality, inserted_at) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (sensor_id, ts) DO UPDATE SET value = excluded.value, quality = excluded.quality,"
            " inserted_at = excluded.inserted_at",
            (sensor_id, ts, value, quality, inserted_at),
        )
        return sensor_id, ts

    def delete(self, key: Key) -> None:
        self.connection.execute("DELETE FROM metrics WHERE sensor_id = %s AND ts = %s", key)

    def as_exported(self) -> dict[Key, Row]:
        """Return the rows as the writer changes them: no quality is 0, no insertion time is the row's `ts`."""
        return {
            key: (value, quality or 0, inserted or key[1])
            for key, (value, quality, inserted) in self.rows().items()
        }

    def rows(self) -> dict[Key, Row]:
        found = self.connection.execute("SELECT sensor_id, ts, value, quality, inserted_at FROM metrics")
        return {(sensor_id, ts): (value, quality, inserted) for sensor_id, ts, value, quality, inserted in found}


class Control:
    """Watches a backfill; `at_check` is called with the number of each check and may raise."""

    def __init__(self, at_check: Callable[[int], None] = lambda _: None) -> None:
        self._at_check = at_check
        self._checks = itertools.count()
        self.reports: list[tuple[str, int, int | None, str]] = []

    def check(self) -> None:
        self._at_check(next(self._checks))

    def progress(self, phase: str, completed: int, total: int | None, message: str) -> None:
        self.reports.append((phase, completed, total, message))


class SettledStore(JobStore):
    """A job store that says when a job has ended, so that no test needs to poll, and the runners of its jobs."""

    def __init__(self, service: LakeService) -> None:
        super().__init__(service.database)
        self.service = service
        self._ended: queue.Queue[uuid.UUID] = queue.Queue()
        self._runners: list[Runner] = []

    def complete(self, job_id: uuid.UUID, result: JsonObject) -> None:
        super().complete(job_id, result)
        self._ended.put(job_id)

    def fail(self, job_id: uuid.UUID, error: JsonObject) -> None:
        super().fail(job_id, error)
        self._ended.put(job_id)

    def cancel(self, job_id: uuid.UUID) -> None:
        super().cancel(job_id)
        self._ended.put(job_id)

    def start(self, known: dict[str, Handler], workers: int = 2, poll: float = 0.05) -> Runner:
        """Start a runner, which looks for jobs every `poll` seconds; `stop` ends it."""
        runner = Runner(self, known, workers, timedelta(seconds=poll))
        runner.start()
        self._runners.append(runner)
        return runner

    def stop(self) -> None:
        for runner in self._runners:
            runner.stop()

    def post(self, job_type: str, **params: Any) -> uuid.UUID:
        job_id: uuid.UUID = self.create(NewJob(job_type, params))["id"]
        return job_id

    def await_end(self) -> uuid.UUID:
        """Wait for the next job that ends."""
        return self._ended.get(timeout=PATIENCE_SECONDS)

    def run(self, job_type: str, **params: Any) -> uuid.UUID:
        """Run a job of the controller's to its end."""
        job_id = self.post(job_type, **params)
        self.start(handlers(self.service))
        assert self.await_end() == job_id
        return job_id

    def job(self, job_id: uuid.UUID) -> Any:
        return job_json(given(self.find(job_id)))

    def kinds(self, job_id: uuid.UUID) -> list[str]:
        return [row["kind"] for row in self.events(job_id, 0, 500)]


class Api:
    """A client of an application in this process, from an address of its own: the rate limit goes by address."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        address = f"10.0.{next(_addresses)}.1"
        self._client: dict[str, Any] = {
            "transport": httpx.ASGITransport(app, client=(address, 40_000)),
            "base_url": "http://controller",
            "headers": {} if token is None else {"authorization": f"Bearer {token}"},
        }

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(**self._client) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    get = partialmethod(request, "GET")
    post = partialmethod(request, "POST")

    def told(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """Return the status and the text of an answer."""
        answer = self.request(method, path, **options)
        return answer.status_code, answer.text

    def create(self, job_type: str, **params: Any) -> dict[str, Any]:
        answer = self.post("/api/analysis/jobs", json={"job_type": job_type, "params": params})
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()["job"]
        return job


def lake_service(
    database: Database,
    root: Path,
    clock: Clock,
    *,
    cold: bool = False,
    retention_days: int = 90,
    shards: int = 16,
    late_window: timedelta = timedelta(hours=48),
) -> LakeService:
    lake = Lake(
        hot=root / "hot",
        cold=root / "cold" if cold else None,
        tmp=root / "tmp",
        shards=shards,
        retention=timedelta(days=retention_days),
    )
    for directory in (lake.hot, lake.tmp, lake.cold):
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
    return LakeService(
        database=database, lake=lake, states=StateFiles(lake.hot), lag=LAG, late_window=late_window, clock=clock
    )


def patient() -> None:
    """Wait for the lake's lock for as long as it takes."""


class Bed(FarmRows):
    """A farm, its lake, and the clock of both."""

    def __init__(self, connection: psycopg.Connection[Any], service: LakeService, clock: Clock) -> None:
        super().__init__(connection)
        self.service = service
        self.clock = clock

    @property
    def now(self) -> datetime:
        return self.clock.now

    def tick(self, **span: float) -> ReplicationState:
        """Run a pass after a while."""
        self.clock.advance(**span)
        return tick(self.service, patient)

    def backfill(self, days: int, control: Control | None = None, *, replace: bool = True) -> BackfillOutcome:
        return backfill(self.service, days, control or Control(), replace_existing=replace)

    def manifest(self) -> Any:
        return json.loads((self.service.lake.hot / "_state/manifest.json").read_text())["datasets"]["metrics/v1"]

    def partitions(self) -> Any:
        return self.manifest()["partitions"]

    def replication(self) -> Any:
        return json.loads((self.service.lake.hot / "_state/replication.json").read_text())

    def files(self, day: str) -> list[Path]:
        """List a date's files the way that the contract has a reader look for them."""
        places = [self.service.lake.hot, self.service.lake.cold]
        if self.partitions().get(day, {}).get("location") == "cold":
            places.reverse()
        for place in places:
            directory = place / f"metrics/v1/date={day}" if place else None
            if directory is not None and directory.is_dir():
                return sorted(directory.glob("shard=*/*.parquet"))
        return []

    def lake_rows(self) -> dict[Key, Row]:
        """Read the lake by the contract, not by the controller's code: of a key's rows the newest counts."""
        found: dict[Key, Row] = {}
        for path in itertools.chain.from_iterable(map(self.files, self.partitions())):
            with pq.ParquetFile(path) as segment:
                for row in segment.read().to_pylist():
                    key = row["sensor_id"], row["ts"].replace(tzinfo=UTC)
                    inserted = row["inserted_at"] and row["inserted_at"].replace(tzinfo=UTC)
                    known = found.get(key)
                    if known is None or known[2] is None or (inserted is not None and inserted >= known[2]):
                        found[key] = row["value"], row["quality"], inserted
        return found
