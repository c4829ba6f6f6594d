"""A controller with its services, to be validated as a live one, broken, and made whole again."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
from pydantic import BaseModel

from fixtures.farm import FarmSpec, IngestRates, LiveIngest, Role
from fixtures.postgres import EmbeddedPostgres
from fixtures.processes import ManagedProcess, http_ready
from fixtures.stacks.embedded import EmbeddedOptions, RunningStack
from tests.support.schema import SCHEMA
from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.core import CoreClient
from tsse_validation.clients.http import HttpClient
from tsse_validation.clients.jobs import FinishedJob, JobRunner
from tsse_validation.domain.contract import BACKFILL_JOB, DATASET, BackfillResult
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.polling import wait_until
from tsse_validation.domain.stack import STATE_DIR, LakePaths
from tsse_validation.lake.reader import LakeReader

FARM_DAYS = 92
BACKFILLED_DAYS = 10
OPTIONS = EmbeddedOptions(
    farm=FarmSpec(sensors=6, days=FARM_DAYS, rows=3_000),
    replication_interval_s=10,
    replication_lag_s=2,
    live_ingest=False,
)
"""A farm of so few rows that a run takes seconds; no traffic, so that nothing but the fault under test happens."""
Result = TypeVar("Result", bound=BaseModel)
_REFERENCE = ("fixtures.controller",)
_READY_SECONDS = 60.0
_SAVED = "saved"
_TABLES = ("sensors", "metrics", "api_tokens")


class Controller:
    """A running stack that the suite is told to be an installed one.

    `restore` puts all that a test has done to it right, and gives its clients a fresh POST budget.
    """

    def __init__(self, running: RunningStack, keep: Path) -> None:
        self.running = running
        self.launcher: tuple[str, ...] = ()
        """A module with its arguments that is to run the core-server's module."""
        self.led_to: str | None = None
        """Where a run is led instead of its own database."""
        self._keep = keep
        self._ports = {"controller": urlsplit(self.url).port, "qdrant": urlsplit(self.qdrant_url).port}
        self.view_token_file = keep / "view-token.txt"
        self.view_token_file.touch(mode=0o600)
        self.view_token_file.write_text(f"{self.secrets[1]}\n")

    @property
    def url(self) -> str:
        """The address of its core-server."""
        return self.running.stack.base_url

    @property
    def qdrant_url(self) -> str:
        """The address of its stand-in for Qdrant."""
        assert self.running.stack.qdrant_url is not None
        return self.running.stack.qdrant_url

    @property
    def postgres(self) -> EmbeddedPostgres:
        """Its database server."""
        assert self.running.postgres is not None
        return self.running.postgres

    @property
    def qdrant(self) -> ManagedProcess:
        """Its stand-in for Qdrant."""
        assert self.running.qdrant is not None
        return self.running.qdrant

    @property
    def cold(self) -> Path:
        """Where its cold lake is."""
        assert self.paths.cold is not None
        return self.paths.cold

    @property
    def conninfo(self) -> str:
        """The DSN of its database, with the password."""
        assert self.running.stack.conninfo is not None
        return self.running.stack.conninfo.get_secret_value()

    @property
    def paths(self) -> LakePaths:
        """Where its lake is."""
        assert self.running.stack.lake is not None
        return self.running.stack.lake

    @property
    def lake(self) -> LakeReader:
        """Its lake, as the suite reads it."""
        return LakeReader(self.paths)

    @property
    def secrets(self) -> list[str]:
        """All that must not come out: the token, the view token, and the database's password."""
        stack = self.running.stack
        assert stack.view_token is not None
        return [stack.token.get_secret_value(), stack.view_token.get_secret_value(), self.postgres.password]

    def by_api(self) -> list[str]:
        """Return the arguments of a run that has nothing but the API."""
        return [
            f"--base-url={self.url}",
            f"--auth-token-file={self.running.stack.token_file}",
            f"--qdrant-url={self.qdrant_url}",
            "--no-discovery",  # of what this machine may have installed
        ]

    def directly(self) -> list[str]:
        """Return the arguments of a run that can look at everything; the DSN goes by `environment`."""
        return [
            *self.by_api(),
            f"--view-token-file={self.view_token_file}",
            f"--hot-path={self.paths.hot}",
            f"--cold-path={self.cold}",
        ]

    @property
    def environment(self) -> dict[str, str]:
        """The DSN, where no process list shows it."""
        return {"TSSE_DATABASE_URL": self.led_to or self.conninfo}

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def sensor(self, role: Role = Role.REGULAR) -> str:
        """Return a sensor of a role; the regular one has rows on every day."""
        return self.running.farm.ids(role)[0]

    def backfill(self, days: int) -> FinishedJob[BackfillResult]:
        """Backfill by the API."""
        return self.job(BACKFILL_JOB, {"days": days, "replace_existing": True}, BackfillResult)

    def job(self, job_type: str, params: dict[str, object], model: type[Result]) -> FinishedJob[Result]:
        """Run a job by the API."""
        with self.core() as core:
            jobs = JobRunner(core, poll_interval=0.25)
            return jobs.run(job_type, params, model, purpose="test", timeout=120)

    @contextmanager
    def core(self) -> Iterator[CoreClient]:
        """Lend a client of its core-server, as somebody else has one."""
        http = HttpClient(self.url, service="core-server", connect_timeout=5, request_timeout=30)
        try:
            yield CoreClient(http, self.running.stack.token, PostBudget(lambda: 0.0))
        finally:
            http.close()

    @property
    def now(self) -> datetime:
        """What it takes for now, by its database."""
        ((instant,),) = self.sql("SELECT clock_timestamp()")
        assert isinstance(instant, datetime)
        return instant

    @property
    def parity_jobs(self) -> int:
        """How many parity jobs were ever started."""
        ((jobs,),) = self.sql("SELECT count(*) FROM analysis_jobs WHERE job_type = 'lake_parity_check_v1'")
        return int(jobs)

    def start_controller(self, *program: str) -> None:
        """Start the core-server at its old address: the reference controller, or another module with arguments."""
        self._start(self.running.controller, (*self.launcher, *(program or _REFERENCE)), "controller")

    def start_postgres(self) -> None:
        """Start the database, where it does not run."""
        if not self.postgres.running:
            self.postgres.start()

    def start_qdrant(self) -> None:
        """Start the stand-in for Qdrant at its old address."""
        self._start(self.qdrant, ("fixtures.qdrant_standin",), "qdrant")

    def begin_the_lake_anew(self) -> None:
        """Start the controller on an empty lake, and wait for its first pass."""
        self.running.controller.stop()
        for place in (self.paths.hot, self.cold):
            shutil.rmtree(place)
            place.mkdir()
        self.start_controller()
        assert wait_until((self.paths.hot / STATE_DIR / "replication.json").is_file, seconds=_READY_SECONDS)

    def save(self) -> None:
        """Remember the lake and the tables as they are, for `restore`."""
        self.running.controller.stop()
        shutil.copytree(self.paths.hot, self._keep / "hot")
        self.sql(f"CREATE SCHEMA {_SAVED}")
        for table in _TABLES:
            self.sql(f"CREATE TABLE {_SAVED}.{table} AS TABLE {table}")
        self.start_controller()

    def restore(self, *program: str) -> None:
        """Make everything as it was when it was saved; another module may then be the core-server."""
        self.running.controller.kill()
        self.start_postgres()
        if self.sql("SELECT 1 FROM pg_inherits WHERE inhparent = 'metrics'::regclass"):
            self.sql("DROP TABLE metrics CASCADE")
            with psycopg.connect(self.conninfo, autocommit=True) as connection:
                connection.execute("SET search_path = public")
                connection.execute(SCHEMA.read_bytes())
        self.sql("TRUNCATE sensors, metrics, api_tokens, analysis_jobs CASCADE")
        for table in _TABLES:
            self.sql(f"INSERT INTO {table} SELECT * FROM {_SAVED}.{table}")
        for place in (self.paths.hot, self.cold):
            shutil.rmtree(place)
        shutil.copytree(self._keep / "hot", self.paths.hot)
        self.cold.mkdir()
        self.start_controller(*program)
        if not self.qdrant.running:
            self.start_qdrant()

    def _start(self, process: ManagedProcess, program: Sequence[str], name: str) -> None:
        port = self._ports[name]
        process.start([sys.executable, "-m", *program, "--host", "127.0.0.1", "--port", str(port)])
        process.wait_ready(lambda: http_ready(f"http://127.0.0.1:{port}/healthz"), _READY_SECONDS)


BUSY = IngestRates(fresh_per_second=5.0, late_every=0.2, upsert_every=0.2)


@contextmanager
def traffic(controller: Controller, *, history_days: float, upserts: bool) -> Iterator[LiveIngest]:
    """Write fresh rows and late ones, and upserts where wanted, at most so old."""
    readings = controller.running.farm.ids(Role.REGULAR, Role.GAPPY)
    forecasts = controller.running.farm.ids(Role.FORECAST) if upserts else ()
    with LiveIngest(controller.conninfo, readings, forecasts, history_days=history_days, rates=BUSY) as ingest:
        yield ingest
    assert ingest.counts.late
    assert bool(ingest.counts.upserts) is upserts
    assert not ingest.counts.failures


def days_ago(days: int) -> date:
    """Return a date (UTC)."""
    return (utc_now() - timedelta(days=days)).date()


def noon(day: date) -> datetime:
    """Return the middle of a day."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def dataset(paths: LakePaths) -> Path:
    """Return where the hot lake keeps its partitions."""
    return paths.hot / DATASET
