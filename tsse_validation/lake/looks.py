"""What a task sees of its files beside their digests: what they are known by, how they are, what they span."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from tsse_validation.domain.instants import utc_day
from tsse_validation.domain.windows import Window
from tsse_validation.lake import sql as lake_sql
from tsse_validation.lake.file_checks import FileFindings, examine
from tsse_validation.lake.footers import Footer, footer_of
from tsse_validation.lake.listed import Connection, ListedLake
from tsse_validation.lake.reader import LakeFile

SPAN_SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        ("shard", pa.string()),
        ("first", pa.timestamp("us")),
        ("last", pa.timestamp("us")),
        ("inserted_first", pa.timestamp("us")),
        ("inserted_last", pa.timestamp("us")),
        ("untimed", pa.bool_()),
        ("unsorted", pa.int64()),
    ]
)
"""All that the rows of a shard-day lie between, strangers and copies too, in UTC without a zone.

`untimed` says that rows have no `inserted_at`; `unsorted` counts files in which the order starts again.
"""


@dataclass(frozen=True)
class FilesSeen:
    """The files of a task: each with its footer, or `None` where that is broken.

    `findings` are of every one of them, `spans` of those that can be read, in `SPAN_SCHEMA`. `outside` counts the
    rows of each date that lie outside of the covered window, copies too.
    """

    footers: Mapping[LakeFile, Footer | None] = field(default_factory=dict)
    findings: FileFindings = field(default_factory=FileFindings)
    spans: pa.Table = field(default_factory=SPAN_SCHEMA.empty_table)
    outside: Mapping[date, int] = field(default_factory=dict)


def look_into(
    listed: ListedLake, footers: Mapping[LakeFile, Footer | None], shards: int, covered: Window
) -> FilesSeen:
    """Read files once more for what their digests do not show; errors as in `ListedLake.ask`."""
    files = list(footers)
    findings, unsorted = FileFindings(), Counter[tuple[date, str]]()
    for file in files:
        before = findings.unsorted
        examine(file, shards, findings)
        unsorted[file.day, file.shard] += findings.unsorted - before

    def spans(connection: Connection, some: Sequence[LakeFile]) -> pa.Table:
        rows = connection.execute(lake_sql.SPANS, lake_sql.files_only(some)).fetchall()
        found = [(*row, unsorted[row[0], row[1]]) for row in rows]
        return pa.Table.from_pylist([dict(zip(SPAN_SCHEMA.names, one, strict=True)) for one in found], SPAN_SCHEMA)

    none = SPAN_SCHEMA.empty_table()
    return FilesSeen(
        footers, findings, listed.ask(lambda: files, spans, empty=none), _outside(listed, footers, covered)
    )


def footers_of(files: Sequence[LakeFile]) -> dict[LakeFile, Footer | None]:
    """Read the footers of some files; errors as in `footer_of`."""
    return {file: footer_of(file.path) for file in files}


def _outside(listed: ListedLake, footers: Mapping[LakeFile, Footer | None], covered: Window) -> dict[date, int]:
    first, last = utc_day(covered.start), utc_day(covered.end)
    rows = Counter[date]()
    for file, footer in footers.items():
        if not first <= file.day <= last:
            rows[file.day] += footer.rows if footer else 0

    def by_rows(connection: Connection, some: Sequence[LakeFile]) -> Counter[date]:
        found = connection.execute(lake_sql.ROWS_OUTSIDE, lake_sql.window_only(some, covered)).fetchall()
        return Counter(dict(found))

    at_ends = [file for file in footers if file.day in {first, last}]
    return dict(rows + listed.ask(lambda: at_ends, by_rows, empty=Counter[date]()))
