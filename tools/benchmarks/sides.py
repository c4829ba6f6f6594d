"""How the other tools read the two sides: the window's rows of `metrics`, and of the lake's files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

from tools.benchmarks.case import Case
from tsse_validation.domain.contract import DATASET

IN_WINDOW: LiteralString = "ts BETWEEN %(start)s AND %(end)s"


def parameters(case: Case) -> dict[str, datetime]:
    """Return the window for a statement in Postgres."""
    return {"start": case.window.start, "end": case.window.end}


def lake_files(case: Case) -> list[str]:
    """Return the Parquet files of the window's dates."""
    directories = (case.hot / DATASET / f"date={day.isoformat()}" for day in case.window.days())
    return sorted(str(path) for directory in directories for path in directory.glob("shard=*/*.parquet"))


def lake_sql(case: Case, columns: str, files: list[str], option: str = "") -> str:
    """Return DuckDB's query of some columns of the window's rows, every copy of a row included.

    `option` is one more of `read_parquet`.
    """
    options = ", ".join(filter(None, ("hive_partitioning = false", option)))
    names = ", ".join(f"'{Path(file)}'" for file in files)
    start, end = (instant.astimezone(UTC).replace(tzinfo=None) for instant in (case.window.start, case.window.end))
    return (
        f"SELECT {columns} FROM read_parquet([{names}], {options})"
        f" WHERE ts BETWEEN TIMESTAMP '{start}' AND TIMESTAMP '{end}'"
    )
