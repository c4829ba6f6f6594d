"""What the controller's tests share: a farm in Postgres, a clock, a reader of the lake and a client of the API."""

import asyncio
import itertools
import json
import queue
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pyarrow.parquet as pq
from starlette.types import ASGIApp

from fixtures.controller.database import Database
from fixtures.controller.jobs import JobStore, JsonObject
from fixtures.controller.lake_store import Lake
from fixtures.controller.replication import LakeService
from fixtures.controller.state import StateFiles

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

    def rows(self) -> dict[Key, Row]:
        found = self.connection.execute(
            "SELECT sensor_id, ts, value, quality, inserted_at FROM metrics"
        ).fetchall()
        return {(sensor, ts): (value, quality, inserted) for sensor, ts, value, quality, inserted in found}


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
    """A job store that says when a job has started and ended, so that no test needs to poll."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.started: queue.Queue[uuid.UUID] = queue.Queue()
        self.ended: queue.Queue[uuid.UUID] = queue.Queue()

    def claim_oldest(self) -> dict[str, Any] | None:
        row = super().claim_oldest()
        if row is not None:
            self.started.put(row["id"])
        return row

    def complete(self, job_id: uuid.UUID, result: JsonObject) -> None:
        super().complete(job_id, result)
        self.ended.put(job_id)

    def fail(self, job_id: uuid.UUID, error: JsonObject) -> None:
        super().fail(job_id, error)
        self.ended.put(job_id)

    def cancel(self, job_id: uuid.UUID) -> None:
        super().cancel(job_id)
        self.ended.put(job_id)


class Api:
    """A client of an application in this process, from an address of its own: the rate limit goes by address."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        address = f"10.0.{next(_addresses)}.1"
        self._transport = httpx.ASGITransport(app, client=(address, 40_000))
        self.headers = {} if token is None else {"authorization": f"Bearer {token}"}

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            client = httpx.AsyncClient(
                transport=self._transport, base_url="http://controller", headers=self.headers
            )
            async with client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

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


def manifest(service: LakeService) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((service.lake.hot / "_state/manifest.json").read_text())["datasets"][
        "metrics/v1"
    ]
    return found


def replication(service: LakeService) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((service.lake.hot / "_state/replication.json").read_text())
    return found


def date_files(service: LakeService, day: date) -> list[Path]:
    """List a date's files the way that the contract has a reader look for them."""
    entry = manifest(service)["partitions"].get(day.isoformat(), {})
    places = [service.lake.hot, service.lake.cold]
    if entry.get("location") == "cold":
        places.reverse()
    for place in places:
        directory = place / f"metrics/v1/date={day.isoformat()}" if place else None
        if directory is not None and directory.is_dir():
            return sorted(directory.glob("shard=*/*.parquet"))
    return []


def lake_rows(service: LakeService) -> dict[Key, Row]:
    """Read the lake as the contract has it, not by the controller's code: of a key's rows the newest counts."""
    found: dict[Key, Row] = {}
    for day in manifest(service)["partitions"]:
        for path in date_files(service, date.fromisoformat(day)):
            with pq.ParquetFile(path) as segment:
                for row in segment.read().to_pylist():
                    _keep_newest(found, row)
    return found


def file_count(service: LakeService, day: date) -> int:
    return len(date_files(service, day))


def _keep_newest(found: dict[Key, Row], row: dict[str, Any]) -> None:
    key = row["sensor_id"], _aware(row["ts"])
    inserted = None if row["inserted_at"] is None else _aware(row["inserted_at"])
    known = found.get(key)
    if known is None or known[2] is None or (inserted is not None and inserted >= known[2]):
        found[key] = row["value"], row["quality"], inserted


def _aware(naive: datetime) -> datetime:
    return datetime.fromisoformat(naive.isoformat() + "+00:00")
