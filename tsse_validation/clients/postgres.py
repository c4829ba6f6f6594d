"""Reads Postgres without a chance of harm: read-only, timed out, by day, in one snapshot (contract section 5)."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from tsse_validation.clients.identity import Anchor, DatabaseSurvey, hold_to, survey
from tsse_validation.clients.postgres_errors import explained, reached, refused
from tsse_validation.clients.session import fix, fixed_settings, schemas_searched, search_path
from tsse_validation.clients.session_use import SessionUse
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.clients.tables import find_tables
from tsse_validation.domain.errors import NotAllowedError
from tsse_validation.settings.definitions import Settings

APPLICATION_NAME = "tsse-validation"
_OURS = (psycopg.errors.SyntaxError, psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.ActiveSqlTransaction)
"""Mistakes of this suite, which no operator can do anything about."""
TRANSACTION_SECONDS = 180.0
"""How long a transaction may take by default: others may wait for its end."""


class PostgresClient:
    """Opens read-only sessions, one at a time; timeouts are in seconds, `workers` are those of one statement.

    Each session is one transaction, begun read-only, so that not even a mistake in this module could write, or
    make a temporary table. What it depends on is set in it and read back (`session`): a session that has not kept
    it is not used. `anchor` holds each session to a state of the database no older than what was seen before.
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
        self.statement_seconds = statement_timeout
        self._transaction_seconds = transaction_timeout
        self._settings = fixed_settings(
            statement_timeout=statement_timeout,
            lock_timeout=lock_timeout,
            transaction_timeout=transaction_timeout,
            workers=workers,
        )
        given = conninfo_to_dict(conninfo.get_secret_value())
        # options of a DSN or a service file stay as they are; poolers refuse any, so we add none
        self._conninfo = SecretStr(
            make_conninfo(
                conninfo.get_secret_value(),
                application_name=APPLICATION_NAME,
                client_encoding="UTF8",
                connect_timeout=max(2, round(connect_timeout)),
            )
        )
        self._session = Lock()
        self._database = str(given.get("dbname") or os.environ.get("PGDATABASE", ""))
        self.anchor: Anchor | None = None
        self.where = _named(given)
        """The server and database: as the DSN names them, and once one was reached, as they are."""

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
            AccessError: it does not let us in, not at what a check reads, or has not the controller's tables.
            SettingsError: the DSN names a service that is not in the service file.
            DeadlineError: a statement or a lock took too long.
            NotCheckedError: the server is another than the one that the client is anchored to.
            NotAllowedError: one is open already: the suite takes one session of the server.
        """
        with self._transaction() as connection:
            yield self._begun(connection)

    def survey(self) -> DatabaseSurvey:
        """Return what is there, whatever this role may read of it; errors as in `snapshot`, but for the tables."""
        with self._transaction() as connection:
            searched = schemas_searched(connection)
            fix(connection, self._settings, self.where)
            return survey(connection, searched, self.where)

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection]:
        if not self._session.acquire(blocking=False):
            msg = f"The suite keeps one session on Postgres at {self.where}, and a second was asked for."
            raise NotAllowedError(msg, "This is a fault of the suite: please report it.")
        try:
            with self._opened() as connection, self._told():
                # the transaction begins with the first query, and sees one state of the database to its end
                connection.isolation_level = IsolationLevel.REPEATABLE_READ
                connection.read_only = True
                # a pooler lends its server connections in turn: what one session prepares there, another finds
                connection.prepare_threshold = None
                with self.use.measured(connection, longest_seconds=self._transaction_seconds):
                    yield connection
        finally:
            self._session.release()

    def _begun(self, connection: psycopg.Connection) -> Snapshot:
        """Begin the transaction, with all that it depends on."""
        searched = schemas_searched(connection)
        fix(connection, self._settings, self.where)
        tables = find_tables(connection, searched, self.where)
        fix(connection, {"search_path": search_path(tables.schema)}, self.where)
        if self.anchor is not None:
            hold_to(self.anchor, connection, tables, self.where)
        return Snapshot(connection, tables, self.where)

    @contextmanager
    def _opened(self) -> Iterator[psycopg.Connection]:
        try:
            connection = psycopg.connect(self._conninfo.get_secret_value())
        except psycopg.OperationalError as error:
            server = reached(error)
            raise refused(error, f"{server}/{self._database}" if server else self.where) from None
        info = connection.info
        host = info.host if info.host and not info.host.startswith(("/", "@")) else "local socket"
        self.where = f"{host}:{info.port}/{info.dbname}"
        with self._told(), connection:
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if isinstance(error, _OURS) or (
                error.sqlstate is None and not isinstance(error, psycopg.OperationalError)
            ):
                raise
            raise explained(error, self.where) from None


def _named(given: Mapping[str, object]) -> str:
    """Return how the DSN, or the environment where that says nothing, names the server and the database."""
    service = given.get("service") or os.environ.get("PGSERVICE")
    host = given.get("host") or given.get("hostaddr") or (None if service else os.environ.get("PGHOST"))
    if service and not host:
        return f"service {service}"
    port = given.get("port") or os.environ.get("PGPORT", "5432")
    return f"{host or 'local socket'}:{port}/{given.get('dbname') or os.environ.get('PGDATABASE', '')}"
