"""The ways to compare that are measured. Each imports what it needs itself: its memory is then its own."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from tools.benchmarks.case import Answer, Case


@dataclass(frozen=True)
class Contender:
    """One way to compare: how it is called in the table, its module here, and how often a short one is repeated.

    `compares` is false for what only moves rows, `exact` for what tells differences in equal data. With
    `bounded_memory` it runs under a limit of its address space.
    """

    name: str
    module: str
    compares: bool = True
    exact: bool = True
    bounded_memory: bool = False


OURS = Contender("our digest proof", "ours")
COUNTING = Contender("counting per sensor", "counting")
COPYING = Contender("COPY of all rows", "copying", compares=False)
RELADIFF = Contender("reladiff as it comes", "with_reladiff_as_it_comes", exact=False)
RELADIFF_TUNED = Contender("reladiff, tuned", "with_reladiff")
DATACOMPY = Contender("datacompy", "with_datacompy", bounded_memory=True)
ALL = (OURS, COUNTING, COPYING, RELADIFF, RELADIFF_TUNED, DATACOMPY)


def load(module: str) -> tuple[Callable[[Case], None], Callable[[Case], Answer]]:
    """Import a contender; return what readies it, which is not measured, and what runs it."""
    contender = import_module(f"tools.benchmarks.{module}")
    prepare = cast("Callable[[Case], None]", getattr(contender, "prepare", lambda _case: None))
    return prepare, cast("Callable[[Case], Answer]", contender.run)
