"""Reads Postgres without a chance of harm: read-only, timed out, by day, in one snapshot (contract section 5)."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from tsse_validation.clients.session_use import SessionUse
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.domain.errors import (
    AccessError,
    BusyError,
    DeadlineError,
    NotAllowedError,
    SuiteError,
    UnreachableError,
)
from tsse_validation.settings.definitions import Settings

APPLICATION_NAME = "tsse-validation"
IDLE_SECONDS = 60
"""How long a transaction may wait for us: we only take what Postgres answers. After that we are lost."""
TRANSACTION_SECONDS = 180.0
SELF_LIMITING_VERSION = 170_000
"""From PostgreSQL 17 on the server itself ends a transaction that takes too long (`transaction_timeout`)."""
WORK_MEMORY_KB = 16 * 1024
"""The memory that one sort or hash of ours may use in the server."""


class PostgresClient:
    """Opens read-only sessions, one at a time; timeouts are in seconds, `workers` are those of one statement.

    `default_transaction_read_only` is set before the first statement, so that not even a mistake in this module
    could write, or make a temporary table. A session without its limits (a pooler may drop them) is not used.
    """

    def __init__(
        self,
        conninfo: SecretStr,
        *,
        connect_timeout: float,
        statement_timeout: float,
        lock_timeout: float,
        transaction_timeout: float = TRANSACTION_SECONDS,
        workers: int = 0,
        use: SessionUse | None = None,
    ) -> None:
        self.use = use or SessionUse()
        self._transaction_seconds = transaction_timeout
        # in milliseconds and kilobytes, as the server itself reports them
        self._limits = {
            "default_transaction_read_only": "on",
            "statement_timeout": f"{max(1, round(statement_timeout * 1000))}",
            "lock_timeout": f"{max(1, round(lock_timeout * 1000))}",
            "idle_in_transaction_session_timeout": f"{IDLE_SECONDS * 1000}",
            "work_mem": f"{WORK_MEMORY_KB}",
            "max_parallel_workers_per_gather": f"{workers}",
        }
        options = self._limits | {"timezone": "UTC", "datestyle": "ISO", "extra_float_digits": "1"}
        given = conninfo_to_dict(conninfo.get_secret_value())
        ours = " ".join(f"-c {name}={value}" for name, value in options.items())
        self._conninfo = SecretStr(
            make_conninfo(
                conninfo.get_secret_value(),
                application_name=APPLICATION_NAME,
                connect_timeout=max(2, round(connect_timeout)),
                options=f"{given.get('options', '')} {ours}".strip(),
            )
        )
        self._session = Lock()
        self.where = f"{given.get('host', 'local socket')}:{given.get('port', '5432')}/{given.get('dbname', '')}"

    @classmethod
    def from_settings(
        cls, conninfo: SecretStr, settings: Settings, use: SessionUse | None = None
    ) -> "PostgresClient":
        """Read a database with the settings' timeouts; `use` measures what its sessions take."""
        return cls(
            conninfo,
            connect_timeout=settings.connect_timeout,
            statement_timeout=settings.statement_timeout,
            lock_timeout=settings.lock_timeout,
            transaction_timeout=settings.transaction_timeout,
            workers=settings.postgres_workers,
            use=use,
        )

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Open one repeatable-read, read-only transaction and close it again.

        Raises:
            UnreachableError: Postgres does not answer, or the connection broke.
            AccessError: it does not let us in, or not at what a check reads.
            DeadlineError: a statement or a lock took too long.
            NotAllowedError: one is open already: the suite takes one session of the server.
        """
        if not self._session.acquire(blocking=False):
            msg = f"The suite keeps one session on Postgres at {self.where}, and a second was asked for."
            raise NotAllowedError(msg, "This is a fault of the suite: please report it.")
        try:
            with self._explained(), psycopg.connect(self._conninfo.get_secret_value()) as connection:
                # the transaction begins with the first query, and sees one state of the database to its end
                connection.isolation_level = IsolationLevel.REPEATABLE_READ
                connection.read_only = True
                with self.use.measured(connection, longest_seconds=self._transaction_seconds):
                    self._bound_transaction(connection)
                    self._hold_to_limits(connection)
                    yield Snapshot(connection)
        finally:
            self._session.release()

    def _bound_transaction(self, connection: psycopg.Connection) -> None:
        """Have the server end the transaction, should we be lost; while we live we end it ourselves."""
        if connection.info.server_version >= SELF_LIMITING_VERSION:
            milliseconds = max(1, round(self._transaction_seconds * 1000))
            connection.execute("SELECT set_config('transaction_timeout', %s, true)", (str(milliseconds),))

    def _hold_to_limits(self, connection: psycopg.Connection) -> None:
        rows = connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(self._limits),)
        )
        found = {name: setting for name, setting in rows}  # noqa: C416 - dict() of rows has no type
        lost = sorted(name for name, value in self._limits.items() if found.get(name) != value)
        if lost:
            msg = f"The session on Postgres at {self.where} has lost its limits: {', '.join(lost)}."
            raise AccessError(msg, "A pooler drops them: name the server itself in the DSN.")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.errors.QueryCanceled, psycopg.errors.TransactionTimeout) as error:
            if "statement timeout" not in str(error):
                msg = f"A transaction in Postgres at {self.where} took longer than it may."
                raise DeadlineError(msg, "Look at the database's load, or raise --transaction-timeout.") from None
            msg = f"A query in Postgres at {self.where} took longer than its statement timeout."
            raise DeadlineError(msg, "Look at the database's load, or raise --statement-timeout.") from None
        except psycopg.errors.LockNotAvailable:
            msg = f"A query in Postgres at {self.where} waited too long for a lock."
            raise BusyError(msg, "Somebody holds an exclusive lock on metrics or sensors: run again.") from None
        except psycopg.errors.OutOfMemory as error:
            msg = f"Postgres at {self.where} had no room for a query: {_first_line(error)}."
            raise BusyError(
                msg,
                "Its sessions hold too many locks at once: run again later, or raise max_locks_per_transaction.",
            ) from None
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable) as error:
            msg = f"Postgres at {self.where} does not let us read: {_first_line(error)}."
            raise AccessError(msg, "Give a role that may SELECT from metrics and sensors.") from None
        except psycopg.OperationalError as error:
            raise self._connection_error(error) from None

    def _connection_error(self, error: psycopg.OperationalError) -> SuiteError:
        reason = _first_line(error)
        speaks_postgres = "expected authentication request" not in reason
        if speaks_postgres and any(part in reason for part in ("authentication", "password", "no pg_hba.conf")):
            return AccessError(
                f"Postgres at {self.where} does not let us in: {reason}.", "Check user and PGPASSFILE."
            )
        return UnreachableError(
            f"Postgres at {self.where} cannot be reached: {reason}.", "Is it running, is the DSN right?"
        )


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")
