"""The files of an arena's lake before and after a failure, and which were touched without a reason: pure."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import NamedTuple

_PARTITION = re.compile(
    r"(?P<place>hot|cold)/(?P<shard>.+/date=(?P<day>\d{4}-\d{2}-\d{2})/shard=\d{2})/(?P<name>[^/]+)"
)
_OTHER_PLACE = {"hot": "cold", "cold": "hot"}
_COMPACTED = "compact-"
_SUFFIX = ".parquet"
_IN_THE_MAKING = ".tmp"


class FileSeen(NamedTuple):
    """A file's size in bytes and the digest of its content."""

    size: int
    digest: str


def touched_files(
    before: Mapping[str, FileSeen],
    after: Mapping[str, FileSeen],
    *,
    allowed: Collection[date],
    proven: Collection[date],
) -> list[str]:
    """Return what has become of the files that nothing was to touch, a line each: ``PATH is gone``.

    Files are named by place and path, as ``hot/metrics/v1/date=2026-01-01/shard=00/part-….parquet``. A file may
    change on an `allowed` date. It may move to the other place as it is, and be replaced by a compaction on a
    `proven` date, of which all rows were compared. State files change by nature.
    """
    return [line for path in sorted(before) if (line := _fate(path, before, after, allowed, proven))]


def _fate(
    path: str,
    before: Mapping[str, FileSeen],
    after: Mapping[str, FileSeen],
    allowed: Collection[date],
    proven: Collection[date],
) -> str:
    match = _PARTITION.fullmatch(path)
    if match is None or not path.endswith(_SUFFIX):
        return ""
    seen, now = before[path], after.get(path)
    day = date.fromisoformat(match["day"])
    if now == seen or day in allowed:
        return ""
    if now is not None:
        return f"{path} has changed"
    if after.get(f"{_OTHER_PLACE[match['place']]}/{match['shard']}/{match['name']}") == seen:
        return ""
    if day in proven and any(_compacted(new, match["shard"]) for new in after.keys() - before.keys()):
        return ""
    return f"{path} is gone"


def _compacted(path: str, shard: str) -> bool:
    match = _PARTITION.fullmatch(path)
    return match is not None and match["shard"] == shard and match["name"].startswith(_COMPACTED)


def leftovers(after: Mapping[str, FileSeen]) -> Iterator[str]:
    """Yield the files in the making that nobody has finished or removed."""
    yield from (path for path in sorted(after) if path.endswith(_SUFFIX + _IN_THE_MAKING))
