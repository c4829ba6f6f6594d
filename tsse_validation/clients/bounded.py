"""Puts questions to Postgres in pieces: each in a short transaction of its own, and again when it is held up."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from tenacity import RetryCallState, Retrying, nap, stop_after_attempt, wait_exponential

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import BusyError, DeadlineError, NotCheckedError
from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.domain.slicing import AIM_SECONDS, Pace, TableLayout, next_piece
from tsse_validation.domain.windows import Window

TRIES = 6
"""How often a piece is tried that a lock holds up, with pauses of 1 to 8 seconds between."""
TRIES_OF_WHAT_IS_SLOW = 3
"""How often a piece is tried, each time a smaller one, that takes longer than a statement may."""
LAYOUT_SECONDS = 60.0
"""How long it is taken for granted what the table consists of: new chunks come slowly."""
FEW_ROWS = 200_000
"""A table of no more than these is not worth two statements, of which one is cheaper."""
AIMS_IN_A_TIMEOUT = 4
"""A piece should take this part of the time that a statement may take, at the most."""
MOST_OF_THE_ROOM = 4
"""No statement may take more than a part of this of the locks that all sessions share."""

Answer = TypeVar("Answer")


class BoundedReader:
    """Reads `metrics` in pieces that no other session of the server notices, as fast as the server allows.

    A piece is bounded by chunks and rows, and adapts to how long the last took (`domain.slicing`). What one piece
    asks is of one snapshot; its transaction ends as soon as Postgres has answered.
    """

    def __init__(
        self,
        postgres: PostgresClient,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = nap.sleep,
    ) -> None:
        self._postgres = postgres
        self._pace = pace or Pace(min(AIM_SECONDS, postgres.statement_seconds / AIMS_IN_A_TIMEOUT))
        self._clock = clock
        self._sleep = sleep
        self._known: tuple[float, TableLayout] | None = None
        self._open: Snapshot | None = None
        self._canceled = False

    def ask(self, question: Callable[[Snapshot], Answer]) -> Answer:
        """Ask what needs no rows of `metrics`, in one transaction.

        Raises DeadlineError when somebody held it up each time; other errors as `PostgresClient.snapshot`.
        """
        return self._tried(lambda: self._asked(question))

    def pieces(
        self, scope: Scope, question: Callable[[Snapshot, Scope], Answer]
    ) -> Iterator[tuple[Scope, Answer]]:
        """Ask about each piece of a scope, ascending, and yield it with its answer; together they are the scope.

        Raises DeadlineError when a piece was held up each time, NotCheckedError when not even a minute can be read
        without taking the server's room for locks; other errors as `PostgresClient.snapshot`.
        """
        self._canceled = False
        left: Window | None = scope.window
        while left is not None:
            rest = left

            def attempt(rest: Window = rest) -> tuple[Scope, Answer]:
                return self._piece(scope, rest, question)

            part, answer = self._tried(attempt)
            yield part, answer
            end = part.window.end
            left = Window(end + MICROSECOND, left.end) if end < left.end else None

    def layout(self) -> TableLayout:
        """Return what the table consists of, as of a minute ago at the most."""
        now = self._clock()
        if self._known is None or now - self._known[0] > LAYOUT_SECONDS:
            self._known = (now, self._asked(lambda snapshot: snapshot.layout()))
        return self._known[1]

    def cancel(self) -> None:
        """End the query that another thread is running here, if there is one, and try it no more."""
        self._canceled = True
        if (opened := self._open) is not None:
            opened.cancel()

    def _piece(
        self, scope: Scope, left: Window, question: Callable[[Snapshot, Scope], Answer]
    ) -> tuple[Scope, Answer]:
        layout = self.layout()
        cheap = scope.before_the_target(left) if layout.rows > FEW_ROWS else left
        window = next_piece(cheap, scope.window, layout, self._pace)
        _leave_room(layout, window)
        part = scope.narrowed(window)
        began = self._clock()
        try:
            answer = self._asked(lambda state: question(state.laid_out(layout, window, scope.window), part))
        except DeadlineError:
            self._pace.failed(window)
            raise
        self._pace.took(window, self._clock() - began, layout.rows_in(window, scope.window))
        return part, answer

    def _asked(self, question: Callable[[Snapshot], Answer]) -> Answer:
        with self._postgres.snapshot() as snapshot:
            self._open = snapshot
            try:
                return question(snapshot)
            finally:
                self._open = None

    def _tried(self, attempt: Callable[[], Answer]) -> Answer:
        tries = Retrying(
            retry=self._worth_another_try,
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential(multiplier=1, max=8),
            sleep=self._sleep,
            before_sleep=self._count,
            reraise=True,
        )
        try:
            return tries(attempt)
        except DeadlineError as error:
            number = tries.statistics["attempt_number"]
            msg = f"{error.message} It was tried {number} times."
            raise type(error)(msg, error.advice) from None

    def _worth_another_try(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if self._canceled or not isinstance(error, DeadlineError):
            return False
        return isinstance(error, BusyError) or state.attempt_number < TRIES_OF_WHAT_IS_SLOW

    def _count(self, _: RetryCallState) -> None:
        self._postgres.use.tries_again += 1


def _leave_room(layout: TableLayout, window: Window) -> None:
    """Refuse what would take the server's locks from others: no bounds tell then which child has which rows."""
    locks = layout.locks(window)
    if locks > layout.lock_room // MOST_OF_THE_ROOM:
        msg = (
            f"One statement on metrics ({layout}) would take {locks:,} of the {layout.lock_room:,} locks that all "
            "sessions of the server share: nothing was read."
        )
        raise NotCheckedError(
            msg, "Let this role SELECT from the child tables too, or raise max_locks_per_transaction."
        )
