"""Long lists, cut for the reader, with their true length beside them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tsse_validation.domain.phrasing import count_of, number

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Capped(Generic[T_co]):
    """The first items of a list and how many there really are."""

    items: tuple[T_co, ...]
    total: int

    @property
    def hidden(self) -> int:
        """How many are not shown."""
        return self.total - len(self.items)

    def said(self, one: str) -> str:
        """Say how many there are and, when not all are shown, how many are shown."""
        whole = count_of(self.total, one)
        return f"{whole}, the first {number(len(self.items))} shown" if self.hidden else whole


def capped(items: Iterable[T_co], limit: int, total: int = 0) -> Capped[T_co]:
    """Cut a list; `total` is its true length where the list itself was already cut by whoever recorded it."""
    whole = tuple(items)
    return Capped(whole[:limit], max(len(whole), total))
