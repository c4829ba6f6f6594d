"""Progress of long steps, and what is waited for: a live bar on a terminal, a few plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tsse_validation.domain.polling import Update, wait_in_words

PLAIN_STEP_PERCENT = 10
PLAIN_SECONDS = 10.0
"""Between two plain lines; what takes less has none."""
SILENT_SECONDS = 300.0
"""After so long there is a plain line whatever was done meanwhile: a CI may end what says nothing."""
AGAIN_SECONDS = 60.0
"""Between two lines of one and the same wait."""


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
class _Bar:
    """A bar that is shown: it tells of waits too, until its work goes on."""

    progress: Progress
    task: TaskID

    def tell(self, message: str) -> None:
        self.progress.update(self.task, message=message)


@dataclass
class ProgressReporter:
    """Shows progress on a console; `unsuspended` opens the way to it, past pytest's capture.

    `clock` is in seconds.
    """

    console: Console
    unsuspended: Callable[[], AbstractContextManager[object]] = nullcontext
    clock: Callable[[], float] = time.monotonic
    _bar: _Bar | None = None
    _waits: dict[str, float] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Print one line."""
        with self.unsuspended():
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def waits(self, what: str, seconds: float) -> None:
        """Say that a wait begins, for what and how long at most: a `Told`."""
        line = wait_in_words(what, seconds)
        if self._bar is not None:
            self._bar.tell(line)
            return
        now = self.clock()
        if now - self._waits.get(what, -AGAIN_SECONDS) >= AGAIN_SECONDS:
            self._waits[what] = now
            self.say(line)

    @contextmanager
    def track(self, title: str, *, at_once: bool = False) -> Iterator[Update]:
        """Show one activity from its beginning to its end; `at_once` has a plain line of its first state."""
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            with self.unsuspended(), self._shown() as progress:
                self._bar = _Bar(progress, progress.add_task(title, total=None, message=""))
                try:
                    yield self._live(self._bar)
                finally:
                    self._bar = None
        else:
            yield self._plain(title, at_once=at_once)

    def _shown(self) -> Progress:
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

    def _live(self, bar: _Bar) -> Update:
        rate = _Rate(self.clock)

        def update(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
            bar.progress.update(bar.task, completed=done, total=total, message=message + rate.after(rows))

        return update

    def _plain(self, title: str, *, at_once: bool) -> Update:
        lines = _PlainLines(self.clock, at_once=at_once)
        rate = _Rate(self.clock)

        def update(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
            speed = rate.after(rows)
            if total and lines.due(percent := 100 * done // total):
                left = rate.left(done, total)
                self.say(f"{title}: {done}/{total} ({percent} %) {message}{speed}{left}".rstrip())

        return update


class _PlainLines:
    """Tells when a plain line is due: each ten per cent, not often and not too seldom; `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float], *, at_once: bool) -> None:
        self._clock = clock
        self._last = clock()
        self._next_percent = 0
        self._at_once = at_once
        self._said = False

    def due(self, percent: int) -> bool:
        """Take how much is done now, and return whether to say so."""
        now = self._clock()
        silent = now - self._last
        onward = percent >= self._next_percent and silent >= PLAIN_SECONDS
        ended = percent >= 100 and self._said and percent >= self._next_percent
        if not (self._at_once or onward or ended or silent >= SILENT_SECONDS):
            return False
        self._at_once, self._said, self._last = False, True, now
        self._next_percent = (percent // PLAIN_STEP_PERCENT + 1) * PLAIN_STEP_PERCENT
        return True
