"""Measures what the suite's sessions take of the server: transactions, how long they were open and idle, locks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Timer
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

_LOCKS = (
    "SELECT count(*) FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation'"
)

_TOO_LONG = "it took longer than a transaction may"


class SessionUse:
    """What all sessions of a run have taken so far: seconds, and the most relations that a transaction locked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.transactions = 0
        self.tries_again = 0
        self.longest_seconds = 0.0
        self.longest_idle_seconds = 0.0
        self.locks_most = 0

    @contextmanager
    def measured(self, connection: psycopg.Connection, *, longest_seconds: float) -> Iterator[None]:
        """Measure a connection's only transaction, which is ended when it takes longer than it may."""
        overdue = Event()
        transaction = _Transaction(self._clock, self, overdue)
        connection.cursor_factory = _measuring(transaction)

        def end() -> None:
            overdue.set()
            connection.cancel_safe()

        watchdog = Timer(longest_seconds, end)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
            if connection.info.transaction_status is TransactionStatus.INTRANS and not overdue.is_set():
                counted = connection.execute(_LOCKS).fetchone()
                self.locks_most = max(self.locks_most, counted[0] if counted else 0)
        except psycopg.errors.QueryCanceled:
            if overdue.is_set():
                # as servers from version 17 on say it themselves
                raise psycopg.errors.TransactionTimeout(_TOO_LONG) from None
            raise
        finally:
            watchdog.cancel()
            transaction.end()


class _Transaction:
    def __init__(self, clock: Callable[[], float], use: SessionUse, overdue: Event) -> None:
        self._clock = clock
        self._use = use
        self._overdue = overdue
        self._began: float | None = None
        self._idle_since: float | None = None

    @contextmanager
    def statement(self) -> Iterator[None]:
        """Measure a statement, and how long the transaction had waited for it; none begins when time is over.

        A cancel between two statements ends neither.
        """
        if self._overdue.is_set():
            raise psycopg.errors.TransactionTimeout(_TOO_LONG)
        now = self._clock()
        self._began = now if self._began is None else self._began
        self._was_idle_until(now)
        try:
            yield
        finally:
            self._idle_since = self._clock()

    def end(self) -> None:
        """Take the transaction for ended."""
        if self._began is None:
            return
        now = self._clock()
        self._was_idle_until(now)
        self._use.transactions += 1
        self._use.longest_seconds = max(self._use.longest_seconds, now - self._began)

    def _was_idle_until(self, now: float) -> None:
        if self._idle_since is not None:
            self._use.longest_idle_seconds = max(self._use.longest_idle_seconds, now - self._idle_since)


def _measuring(transaction: _Transaction) -> type[psycopg.ClientCursor[Any]]:
    class MeasuringCursor(psycopg.ClientCursor[Any]):
        """Puts values into the statement itself: the server then knows before it locks which chunks it needs."""

        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            with transaction.statement():
                return super().execute(query, params, **more)

        @contextmanager
        def copy(self, statement: Any, params: Any = None, **more: Any) -> Iterator[psycopg.Copy]:
            with transaction.statement(), super().copy(statement, params, **more) as copy:
                yield copy

    return MeasuringCursor
