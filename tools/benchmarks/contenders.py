"""The ways to compare that are measured. Each imports what it needs itself: its memory is then its own."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from tools.benchmarks.case import Answer, Case


@dataclass(frozen=True)
class Contender:
    """One way to compare: how it is called in the table, and its module here.

    `compares` is false for what only moves rows, or is one side of our proof. With `bounded_memory` it runs under
    a limit of its address space. `largest` is the most millions of rows that it is given.
    """

    name: str
    module: str
    compares: bool = True
    bounded_memory: bool = False
    largest: int = 26


_ALL_SIZES = 100
OURS = Contender("our digest proof", "ours", largest=_ALL_SIZES)
OURS_BY_TWO = Contender("our digest proof, two workers", "ours_by_two", largest=_ALL_SIZES)
COUNTING = Contender("counting per sensor", "counting", largest=_ALL_SIZES)
COPYING = Contender("COPY of all rows", "copying", compares=False)
JOIN = Contender("DuckDB join", "with_duckdb", largest=_ALL_SIZES)
JOIN_OF_COPIES = Contender("DuckDB join, copies told apart", "with_duckdb_copies", largest=_ALL_SIZES)
RELADIFF = Contender("reladiff, tuned", "with_reladiff")
DATACOMPY = Contender("datacompy", "with_datacompy", bounded_memory=True)
POSTGRES_SIDE = Contender("our Postgres side", "postgres_side", compares=False, largest=_ALL_SIZES)
POSTGRES_BY_TWO = Contender("our Postgres side, two workers", "postgres_side_by_two", compares=False)
LAKE_SIDE = Contender("our lake side", "lake_side", compares=False, largest=_ALL_SIZES)
SEALING = Contender("our seal of the lake", "sealing_lake", compares=False)
SEALING_AGAIN = Contender("our seal of the lake, from a baseline", "sealing_lake_again", compares=False)
ALL = (
    *(OURS, OURS_BY_TWO, COUNTING, COPYING, JOIN, JOIN_OF_COPIES, RELADIFF, DATACOMPY),
    *(POSTGRES_SIDE, POSTGRES_BY_TWO, LAKE_SIDE, SEALING, SEALING_AGAIN),
)


def load(module: str) -> tuple[Callable[[Case], None], Callable[[Case], Answer]]:
    """Import a contender; return what readies it, which is not measured, and what runs it."""
    contender = import_module(f"tools.benchmarks.{module}")
    prepare = cast("Callable[[Case], None]", getattr(contender, "prepare", lambda _case: None))
    return prepare, cast("Callable[[Case], Answer]", contender.run)
