"""What a worker does with some dates of the lake: one function, here as on a cluster.

A task needs the lake's directories and nothing else; there is no token, DSN or other secret in it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import KEY_SCHEMA
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import utc_day
from tsse_validation.domain.stack import LakePaths
from tsse_validation.domain.windows import Window, on_days, spanned
from tsse_validation.lake import sql as lake_sql
from tsse_validation.lake.digesting import SHARD_DIGEST_SCHEMA, digest_files
from tsse_validation.lake.listed import Connection, ListedLake
from tsse_validation.lake.looks import FilesSeen, footers_of, look_into
from tsse_validation.lake.reader import LakeFile, LakeReader

BATCH_BYTES = 12 * 1024 * 1024
"""Bytes of Parquet that a task digests, about: some two million rows, a day, or a shard of one."""
MOST_LOOKS = 3
"""How often files that were replaced while they were looked into are listed and read again."""

ShardDay = tuple[date, str]
"""A date's directory of a shard."""


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
    """Some dates of a lake, and what to digest of them: all of it pickles.

    `only` names the shard-days, as `(date, two digits)`; `None` means all of the dates. Of the `parts` each is
    digested by itself. With `covered`, the covered window, every file is looked into besides. The files in
    `set_aside` are known to be broken, with the reader's error.
    """

    paths: LakePaths
    days: tuple[date, ...]
    only: frozenset[ShardDay] | None
    parts: tuple[TaskPart, ...]
    hashed: bool = True
    pending: bool = False
    covered: Window | None = None
    set_aside: Mapping[LakeFile, str] = field(default_factory=dict)

    def takes(self, file: LakeFile) -> bool:
        """Whether a file is one of the task's."""
        return file.day in self.days and (self.only is None or (file.day, file.shard) in self.only)


@dataclass(frozen=True)
class DigestAnswer:
    """What a worker found: of each part the lines, in `SHARD_DIGEST_SCHEMA`, and the keys that are pending.

    Pending are the keys not due that the lake holds in an older version, where they were asked for: `KEY_SCHEMA`.
    `unreadable` are the files that were set aside, `files` all that were listed, `seen` is what was looked into.
    """

    lines: tuple[pa.Table, ...]
    pending: tuple[pa.Table, ...]
    unreadable: Mapping[LakeFile, str]
    files: tuple[LakeFile, ...] = ()
    seen: FilesSeen = field(default_factory=FilesSeen)


def digest_task(task: DigestTask) -> DigestAnswer:
    """List the task's dates, and digest what is there.

    Raises:
        PromiseBrokenError, AccessError: as `LakeReader.listing` and `ListedLake.ask`.
        NotCheckedError: files that are looked into besides do not stay as they are for as long as that takes.
    """
    listed = ListedLake(partial(LakeReader(task.paths).listing_of, task.days), task.set_aside)
    if task.covered is None:
        return _answered(listed, task)
    for _ in range(MOST_LOOKS):
        listing, answer = listed.listing, _looked_into(listed, task, task.covered)
        if answer is not None and listing is listed.listing and _unchanged(answer.seen.footers):
            return answer
        listed.look_again()
    msg = f"Files of {task.days[0]} to {task.days[-1]} were replaced each time before they were read to the end."
    raise NotCheckedError(msg, "Seal the lake when no backfill runs.")


def _answered(listed: ListedLake, task: DigestTask) -> DigestAnswer:
    lines, pending = [], []
    for part in task.parts:
        lines.append(_digested(listed, task, part))
        pending.append(_pending(listed, task, part) if task.pending else KEY_SCHEMA.empty_table())
    files = tuple(filter(task.takes, listed.listing.files))
    return DigestAnswer(tuple(lines), tuple(pending), listed.unreadable, files)


def _looked_into(listed: ListedLake, task: DigestTask, covered: Window) -> DigestAnswer | None:
    """Digest and look into the same files; `None` where one of them has been replaced meanwhile."""
    try:
        footers = footers_of([file for file in listed.listing.files if task.takes(file)])
    except FileNotFoundError:
        return None
    answer = _answered(listed, task)
    return replace(
        answer, seen=look_into(listed, footers, task.paths.shards, covered), unreadable=listed.unreadable
    )


def _unchanged(files: Iterable[LakeFile]) -> bool:
    """Whether files are as they were listed; one that is gone was read before it went."""
    for file in files:
        try:
            now = file.path.stat()
        except FileNotFoundError:
            continue
        if (now.st_size, now.st_mtime_ns) != (file.size, file.mtime_ns):
            return False
    return True


def split_tasks(files: Iterable[LakeFile]) -> Iterator[frozenset[ShardDay]]:
    """Split files into shard-days of about `BATCH_BYTES` together: whole dates, a larger one by its shards."""
    sizes: dict[date, Counter[ShardDay]] = defaultdict(Counter)
    for file in files:
        sizes[file.day][file.day, file.shard] += file.size
    batch, size = list[ShardDay](), 0
    for day in sorted(sizes):
        is_large = sizes[day].total() > BATCH_BYTES
        pieces = [[one] for one in sorted(sizes[day])] if is_large else [sorted(sizes[day])]
        for number, piece in enumerate(pieces):
            more = sum(sizes[day][one] for one in piece)
            if batch and (size + more > BATCH_BYTES or (is_large and number == 0)):
                yield frozenset(batch)
                batch, size = [], 0
            batch += piece
            size += more
    if batch:
        yield frozenset(batch)


def _digested(listed: ListedLake, task: DigestTask, part: TaskPart) -> pa.Table:
    def reading(files: Sequence[LakeFile]) -> pa.Table:
        return digest_files(files, part.scope, part.not_due, hashed=task.hashed)

    files = partial(_files_of, listed, task, part.scope)
    return listed.read(files, reading, empty=SHARD_DIGEST_SCHEMA.empty_table())


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
