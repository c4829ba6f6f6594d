"""Progress of long steps: a live bar on a terminal, a plain line each ten per cent elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tsse_validation.domain.polling import Update

PLAIN_STEP_PERCENT = 10


class _Rate:
    """Rows a second since it was made; `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._rows = 0

    def after(self, rows: int) -> str:
        """Take more rows in, and return the rate, or nothing as long as there is none."""
        self._rows += rows
        seconds = self._clock() - self._began
        return f", {self._rows / seconds:,.0f} rows/s" if self._rows and seconds > 0 else ""

    def left(self, done: int, total: int) -> str:
        """Return how long the rest takes at this rate, or nothing as long as it is not known."""
        if not 0 < done < total:
            return ""
        return f", {(self._clock() - self._began) * (total - done) / done:.0f} s left"


@dataclass
class ProgressReporter:
    """Shows progress on a console; `unsuspended` opens the way to it, past pytest's capture."""

    console: Console
    unsuspended: Callable[[], AbstractContextManager[object]] = nullcontext
    clock: Callable[[], float] = time.monotonic

    def say(self, text: str) -> None:
        """Print one line."""
        with self.unsuspended():
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def track(self, title: str) -> Iterator[Update]:
        """Show one activity from its beginning to its end."""
        if self.console.is_terminal:
            with self.unsuspended(), self._bar() as bar:
                yield self._live(bar, title)
        else:
            yield self._plain(title)

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[message]}", markup=False),
            console=self.console,
            transient=True,
        )

    def _live(self, bar: Progress, title: str) -> Update:
        task = bar.add_task(title, total=None, message="")
        rate = _Rate(self.clock)

        def update(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
            bar.update(task, completed=done, total=total, message=message + rate.after(rows))

        return update

    def _plain(self, title: str) -> Update:
        next_percent = 0
        rate = _Rate(self.clock)

        def update(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
            nonlocal next_percent
            speed = rate.after(rows)
            if not total:
                return
            percent = 100 * done // total
            if percent >= next_percent:
                next_percent = (percent // PLAIN_STEP_PERCENT + 1) * PLAIN_STEP_PERCENT
                left = rate.left(done, total)
                self.say(f"{title}: {done}/{total} ({percent} %) {message}{speed}{left}".rstrip())

        return update
