"""Reads a size's files before it is measured, so that none is measured from the disk: only Linux keeps them all.

What is read is what most contenders read: the table's own pages, the index on `ts`, and the lake. With every index
the largest size would not fit the memory of a small machine.
"""

from pathlib import Path

import psycopg

from tools.benchmarks.dataset import DataSet
from tools.benchmarks.server import KeptPostgres

_READ_BYTES = 8 * 2**20
_RELATIONS = ("metrics_ts_idx", "metrics")
"""The table last: what is read last is dropped last."""


def warm(server: KeptPostgres, data: DataSet) -> None:
    """Read the files of a size once."""
    for path in (*sorted(data.hot.rglob("*.parquet")), *_relation_files(server, data.database)):
        with path.open("rb", buffering=0) as file:
            while file.read(_READ_BYTES):
                pass


def _relation_files(server: KeptPostgres, database: str) -> list[Path]:
    """Return the files of the relations: a large one has several, of a gigabyte each."""
    with psycopg.connect(server.conninfo_for(database)) as connection:
        named = connection.execute(
            "SELECT current_setting('data_directory'), pg_relation_filepath(name::regclass)"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (name, place) ORDER BY place",
            (list(_RELATIONS),),
        ).fetchall()
    files = []
    for directory, relative in named:
        first = Path(directory, relative)
        files += [first, *sorted(first.parent.glob(f"{first.name}.*"))]
    return files
