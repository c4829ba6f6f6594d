"""What of its machine an arena lets a scenario strike: the lake's disk, the controller's clock, and its load."""

import random
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol


class LakeDisk(Protocol):
    """The disk that the whole lake lies on; `by` says in words what it is.

    Raises:
        SuiteError: by its methods: this machine does not do that.
    """

    @property
    def by(self) -> str: ...  # noqa: D102 - as in the class docstring

    def fill(self) -> None:
        """Let nothing more be written, for want of space."""

    def free(self) -> None:
        """Give the space back."""

    def forbid_writing(self) -> None:
        """Make it read-only."""

    def allow_writing(self) -> None:
        """Make it writable again."""


class SettableClock(Protocol):
    """A clock for a controller that is started with `environment`."""

    @property
    def environment(self) -> Mapping[str, str]: ...  # noqa: D102 - as in the class docstring

    def set_off(self, seconds: float) -> None:
        """Set it so many seconds ahead of the machine's, or behind it, from one look to the next."""


class LoadCounts(Protocol):
    """What a load has written so far: rows, their pace, and the seconds that its longest statement took.

    `error` names the error that has ended it before its time, and is empty otherwise.
    """

    @property
    def rows(self) -> int: ...  # noqa: D102 - as in the class docstring

    @property
    def late(self) -> int: ...  # noqa: D102

    @property
    def upserts(self) -> int: ...  # noqa: D102

    @property
    def per_second(self) -> float: ...  # noqa: D102

    @property
    def longest_batch(self) -> float: ...  # noqa: D102

    @property
    def error(self) -> str: ...  # noqa: D102


class Load(Protocol):
    """A load that is being written."""

    @property
    def counts(self) -> LoadCounts:
        """What has been written so far."""


class Machine(Protocol):
    """What an arena's machine can do to it.

    Raises:
        NotCheckedError: by its methods: this machine, or this user, cannot do that; the message says why.
    """

    def own_disk(self) -> LakeDisk:
        """Put the lake on a disk of its own, until the arena is restored, and return it; the same one once more.

        The controller must be down for the first time.
        """

    def clock(self) -> SettableClock:
        """Return a clock for a controller that is yet to be started."""

    def slow_renames(self, seconds: float) -> Mapping[str, str]:
        """Return the environment of a controller each of whose renames takes so many seconds longer."""

    def load(self, rows_per_second: int, rng: random.Random) -> AbstractContextManager[Load]:
        """Write so many rows a second for as long as the block lasts: fresh ones, late ones and upserts."""
