"""How long work tells how far it has got."""

from typing import Protocol


class Update(Protocol):
    """Takes how much is done, of how much (`None`: not known), what is done now, and rows since the last time."""

    def __call__(self, done: int, total: int | None, message: str, *, rows: int = 0) -> None:
        """Show it."""


def quiet(done: int, total: int | None, message: str, *, rows: int = 0) -> None:
    """Show nothing: an `Update` for whoever does not watch."""
