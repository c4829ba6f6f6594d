"""Polls until a state is reached or the time is over, and reports the progress of long work."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Protocol, TypeVar

_Seen = TypeVar("_Seen")


def growing(first: float, longest: float, growth: float = 1.5) -> Iterator[float]:
    """Yield pauses in seconds that grow from the first up to the longest, without end."""
    pause = min(first, longest)
    while True:
        yield pause
        pause = min(pause * growth, longest)


def looks(
    look: Callable[[], _Seen],
    *,
    timeout: float,
    pauses: Iterable[float],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[_Seen]:
    """Yield what is seen: at once, after each pause, and a last time when `timeout` seconds are over.

    `pauses` are in seconds and must not end. The time that the caller takes between two looks counts too.
    """
    deadline = clock() + timeout
    for pause in pauses:
        yield look()
        if clock() >= deadline:
            return
        sleep(min(pause, max(0.0, deadline - clock())))


def wait_until(condition: Callable[[], bool], *, seconds: float, every: float = 0.05) -> bool:
    """Poll until the condition holds; return False when it does not within `seconds`."""
    return poll(condition, bool, timeout=seconds, pause=every)


def poll(
    look: Callable[[], _Seen],
    reached: Callable[[_Seen], object],
    *,
    timeout: float,
    pause: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    begins: Callable[[float], object] = lambda _seconds: None,
) -> _Seen:
    """Return the first value that is as wanted, or the last that was seen within `timeout` seconds.

    `begins` is called with `timeout` where the first value is not as wanted: a wait begins.
    """
    first = True
    for value in looks(look, timeout=timeout, pauses=repeat(pause), clock=clock, sleep=sleep):
        if reached(value):
            break
        if first:
            begins(timeout)
        first = False
    return value


class StillSince:
    """Tells how long something that is looked at again and again has not changed; `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: object = None
        self._since = clock()

    def seconds(self, seen: object) -> float:
        """Take what is seen now, and return for how many seconds it has been so."""
        now = self._clock()
        if seen != self._last:
            self._last, self._since = seen, now
        return now - self._since


class Update(Protocol):
    """Takes how much is done, of what total (`None`: unknown), what is done now, and rows since the last call."""

    def __call__(self, done: int, total: int | None, message: str, *, rows: int = 0) -> None:
        """Show it."""


def quiet(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
    """Show nothing: an `Update` where nobody watches."""


class Told(Protocol):
    """Is told of a wait as it begins: what it is for, and how many seconds it takes at most."""

    def __call__(self, what: str, seconds: float) -> None:
        """Take note of it."""


def unheard(what: str, seconds: float) -> None:
    """Tell nobody: a `Told` where nobody watches."""


def wait_in_words(what: str, seconds: float) -> str:
    """Write what is waited for, and how long at most."""
    return f"waiting up to {seconds:,.0f} s for {what}"
