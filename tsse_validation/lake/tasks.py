"""What a worker does with some dates of the lake: one function, here as on a cluster.

A task needs the lake's directories and nothing else; there is no token, DSN or other secret in it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import DIGEST_VERSION, KEY_SCHEMA
from tsse_validation.domain.instants import utc_day
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import on_days, spanned
from tsse_validation.lake import sql as lake_sql
from tsse_validation.lake.digesting import SHARD_DIGEST_SCHEMA, digest_files
from tsse_validation.lake.listed import Connection, ListedLake
from tsse_validation.lake.reader import LakeFile, LakeReader
from tsse_validation.suite_home import suite_version

BATCH_BYTES = 12 * 1024 * 1024
"""Bytes of Parquet that a task digests, about: some two million rows, a day, or a shard of one."""


@dataclass(frozen=True)
class TaskPart:
    """A scope of which some dates are digested, and its keys there that are not due, in `KEY_SCHEMA`."""

    scope: Scope
    not_due: pa.Table

    @classmethod
    def within(cls, scope: Scope, not_due: pa.Table, days: Collection[date]) -> "TaskPart":
        """Return the part of a scope that some dates have a share in; the keys of other dates are left out."""
        windows = on_days(scope.window, days)
        keys = not_due.filter(pc.is_in(not_due["ts"].cast(pa.date32(), safe=False), value_set=_dates(days)))
        return cls(scope.narrowed(spanned(windows)) if windows else scope, keys)


@dataclass(frozen=True)
class DigestTask:
    """Some dates of a lake, in whole or by shards, and what to digest of them: all of it pickles.

    `shards` are two digits each, `None` means all. Of the `parts` each is digested by itself. The files in
    `set_aside` are known to be broken, with the reader's error.
    """

    paths: LakePaths
    days: tuple[date, ...]
    shards: frozenset[str] | None
    parts: tuple[TaskPart, ...]
    hashed: bool = True
    pending: bool = False
    set_aside: Mapping[LakeFile, str] = field(default_factory=dict)

    def takes(self, file: LakeFile) -> bool:
        """Whether a file is one of the task's."""
        return file.day in self.days and (self.shards is None or file.shard in self.shards)


@dataclass(frozen=True)
class DigestAnswer:
    """What a worker found: of each part the lines, in `SHARD_DIGEST_SCHEMA`, and the keys that are pending.

    Pending are the keys not due that the lake holds in an older version, where they were asked for: `KEY_SCHEMA`.
    `unreadable` are the files that were set aside, `files` all that were listed. `worker` is its name, where it is another process.
    """

    lines: tuple[pa.Table, ...]
    pending: tuple[pa.Table, ...]
    unreadable: Mapping[LakeFile, str]
    files: tuple[LakeFile, ...] = ()
    worker: str = ""
    suite_version: str = field(default_factory=suite_version)
    digest_version: int = DIGEST_VERSION


def digest_task(task: DigestTask) -> DigestAnswer:
    """List the task's dates, and digest what is there.

    Raises PromiseBrokenError and AccessError as `LakeReader.listing` and `ListedLake.ask`.
    """
    reader = LakeReader(task.paths)
    listed = ListedLake(partial(reader.listing_of, task.days), task.set_aside)
    lines, pending = [], []
    for part in task.parts:
        lines.append(_digested(listed, task, part))
        pending.append(_pending(listed, task, part) if task.pending else KEY_SCHEMA.empty_table())
    files = tuple(filter(task.takes, listed.listing.files))
    return DigestAnswer(tuple(lines), tuple(pending), listed.unreadable, files)


def split_tasks(files: Iterable[LakeFile]) -> Iterator[tuple[tuple[date, ...], frozenset[str] | None]]:
    """Split files into whole dates of about `BATCH_BYTES` together, and a larger date by its shards.

    Yields the dates, ascending, and the shards, or `None` for all.
    """
    sizes: dict[date, Counter[str]] = defaultdict(Counter)
    for file in files:
        sizes[file.day][file.shard] += file.size
    days: list[date] = []
    for day in sorted(sizes):
        if days and sum(sizes[one].total() for one in (*days, day)) > BATCH_BYTES:
            yield tuple(days), None
            days = []
        if sizes[day].total() > BATCH_BYTES:
            yield from (((day,), shards) for shards in _by_shards(sizes[day]))
        else:
            days.append(day)
    if days:
        yield tuple(days), None


def _by_shards(sizes: Counter[str]) -> Iterator[frozenset[str]]:
    shards: list[str] = []
    for shard in sorted(sizes):
        if shards and sum(sizes[one] for one in (*shards, shard)) > BATCH_BYTES:
            yield frozenset(shards)
            shards = []
        shards.append(shard)
    yield frozenset(shards)


def _digested(listed: ListedLake, task: DigestTask, part: TaskPart) -> pa.Table:
    def query(connection: Connection, files: Sequence[LakeFile]) -> pa.Table:
        return digest_files(connection, files, part.scope, hashed=task.hashed)

    files = partial(_files_of, listed, task, part.scope)
    return listed.ask(files, query, empty=SHARD_DIGEST_SCHEMA.empty_table(), not_due=part.not_due)


def _pending(listed: ListedLake, task: DigestTask, part: TaskPart) -> pa.Table:
    def query(connection: Connection, files: Sequence[LakeFile]) -> pa.Table:
        return connection.execute(lake_sql.PENDING, lake_sql.parameters(files, part.scope)).to_arrow_table()

    if not part.not_due.num_rows:
        return KEY_SCHEMA.empty_table()
    files = partial(_files_of, listed, task, part.scope)
    return listed.ask(files, query, empty=KEY_SCHEMA.empty_table(), not_due=part.not_due).cast(KEY_SCHEMA)


def _files_of(listed: ListedLake, task: DigestTask, scope: Scope) -> list[LakeFile]:
    first, last = utc_day(scope.window.start), utc_day(scope.window.end)
    return [file for file in listed.listing.files if task.takes(file) and first <= file.day <= last]


def _dates(days: Collection[date]) -> pa.Array:
    return pa.array(sorted(days), pa.date32())
