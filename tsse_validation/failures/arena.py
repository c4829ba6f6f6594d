"""The stack of its own that failure scenarios strike; a test bed provides it by `pytest_tsse_provide_arena`."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

from tsse_validation.domain.contract import Job
from tsse_validation.domain.stack import LakePaths
from tsse_validation.failures.arena_files import FileSeen
from tsse_validation.failures.machine import Machine

if TYPE_CHECKING:
    from tsse_validation.failures.scenario import Ability
    from tsse_validation.steps.validated_stack import Stack


class Arena(Protocol):
    """A small stack that is this run's own: it is broken, and made whole again by `restore`.

    Times are in seconds. The controller's interval of replication is 10 s, its lag `lag` seconds. No traffic is
    written but within `traffic`. What is read of the lake is read by `paths`, as the suite does.

    Raises:
        SuiteError: by its methods: a service does not come up, the controller does not answer, a job failed.
    """

    @property
    def abilities(self) -> "frozenset[Ability]":
        """What this stack can do beyond what each can."""

    @property
    def stack(self) -> "Stack":
        """The stack, which this run has started itself."""

    @property
    def paths(self) -> LakePaths:
        """Where the lake is."""

    @property
    def conninfo(self) -> SecretStr:
        """The DSN of its database, of a user who may do everything."""

    @property
    def lag(self) -> float:
        """The lag guard of replication: a younger row is not due."""

    @property
    def days(self) -> int:
        """How many days the saved lake's last backfill has brought."""

    @property
    def sensors(self) -> Sequence[str]:
        """The sensors that have rows on every day."""

    @property
    def machine(self) -> Machine:
        """What its machine can do to it: fill its disk, set its controller's clock, load it."""

    @property
    def running(self) -> bool:
        """Whether the controller's process lives, paused or not."""

    def restore(self) -> None:
        """Make lake, tables and services as they were when the arena was saved, whatever was done to them."""

    def kill(self) -> None:
        """End the controller at once, as a crash does (SIGKILL)."""

    def stop(self) -> None:
        """End the controller as an operator does (SIGTERM)."""

    def pause(self) -> None:
        """Let the controller stand still (SIGSTOP)."""

    def resume(self) -> None:
        """Let a paused controller go on (SIGCONT)."""

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the controller where it does not run, and wait until it answers.

        `environment` is set beside its own settings of contract section 7, for this start alone.
        """

    def postgres_running(self) -> bool:
        """Whether the Postgres server's process lives."""

    def kill_postgres(self) -> None:
        """End the Postgres server as a crash does."""

    def stop_postgres(self) -> None:
        """Shut the Postgres server down: clients are disconnected."""

    def start_postgres(self) -> None:
        """Start the Postgres server where it does not run, and wait until it answers."""

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement by itself, as the superuser, and return its rows."""

    def now(self) -> datetime:
        """Return the present by the database's clock."""

    def newest(self) -> datetime:
        """Return when the last row was inserted, by what the rows say, none of them ahead of now."""

    def create_job(self, job_type: str, params: dict[str, object]) -> Job:
        """Start an analysis job, and return it at once."""

    def job(self, job_id: str) -> Job:
        """Return a job as it stands."""

    def cancel(self, job_id: str) -> Job:
        """Ask for the cancellation of a job that was created here."""

    def end_of(self, job_id: str, seconds: float = 120.0) -> Job:
        """Wait for a job's end, whichever, and return it; raises DeadlineError when it has not ended in time."""

    def tick(self) -> None:
        """Do one replication pass now."""

    def backfill(self, days: int | None = None, *, replace_existing: bool = True) -> None:
        """Backfill to the end, by default as many days as the saved lake's; errors as of a job."""

    def insert(self, rows: int, *, oldest_days: float, inserted_ago: float = 0.0) -> None:
        """Insert rows in one transaction, spread over sensors and the last days.

        `inserted_ago` seconds before now is what they have as `inserted_at`.
        """

    def crowd(self) -> None:
        """Insert a row of each sensor on a date whose shards have as many files as compaction leaves alone."""

    def traffic(self, *, per_second: float = 20.0) -> AbstractContextManager[object]:
        """Write fresh rows, late ones and upserts for as long as the block lasts, also after a lost connection."""

    def files(self) -> Mapping[str, FileSeen]:
        """Return every file of the lake, hot and cold, by its place and path: ``hot/metrics/v1/date=…``."""

    def changed_rows(self) -> int:
        """Count the rows of the saved tables that are gone or altered, though no later write has replaced them.

        A row whose absent `inserted_at` the controller has filled in is not altered (contract section 4).
        """
